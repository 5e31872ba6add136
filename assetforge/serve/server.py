"""Runs the service: binds an address, and answers until it is stopped."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from assetforge.errors import UsageError
from assetforge.execute.garbage import find_garbage_early
from assetforge.serve.app import make_app
from assetforge.serve.guard import Guard
from assetforge.serve.lan import check_private
from assetforge.serve.service import Service

if TYPE_CHECKING:
    import uvicorn

_HEAD = 16384
"""Bytes of a request's head."""
_MOST_CONNECTIONS = 500
_GRACE = 2
_BACKLOG = 128
_MMAP_THRESHOLD = -3
"""The number by which glibc's `mallopt` knows it."""
_LARGE = 2**18
"""Bytes of a block that is given back at once."""
_LOCAL = "localhost", "127.0.0.1", "[::1]"
"""What browsers of this machine may call it."""


@dataclass(frozen=True)
class Address:
    """Where the service listens, and by which names it may be called."""

    host: str = "127.0.0.1"
    port: int = 8765
    """0 is any that is free."""
    names: tuple[str, ...] = ()
    """Other values that the header Host may have."""
    certificate: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False
    """Whether a proxy does TLS."""
    lan: bool = False
    """Whether one's own network is to reach it, if need be without TLS."""
    path: Path | None = None
    """The Unix socket at which it listens instead, and which its user alone can open."""

    @property
    def secure(self) -> bool:
        """Whether browsers reach it by TLS."""
        return self.certificate is not None or self.behind_proxy

    def check(self) -> None:
        """Raise UsageError where strangers could listen in."""
        if self.path is not None:
            return
        if self.lan:
            check_private(self.host)
        elif not self.secure and not is_loopback(self.host):
            instead = "add --lan, --tls-cert and --tls-key, or --behind-proxy where a proxy does TLS"
            raise UsageError("--host", f"{self.host} is no address of this machine alone, and there is no TLS", instead)


def is_loopback(host: str) -> bool:
    """Tell whether an address can be reached from this machine alone."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def bind(address: Address) -> socket.socket:
    """Return a socket that listens; raise UsageError where the port is taken."""
    if address.path is not None:
        return _bind_path(address.path)
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    # With the protocol named, asyncio has the system send each small answer at once. Without it, the second part of an
    # answer waits until the first is acknowledged, which other systems put off for 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address.host, address.port))
        listening.listen(_BACKLOG)  # so that who opens the address at once is waited for
    except OSError as error:
        listening.close()
        what = f"{address.host}:{address.port} cannot be listened on ({error.strerror})"
        raise UsageError("--port", what, "choose another one, or 0 for any") from error
    return listening


def _bind_path(path: Path) -> socket.socket:
    """Return a Unix socket that listens; what a server left that was killed is replaced."""
    if not hasattr(socket, "AF_UNIX"):
        raise UsageError("--uds", "this system has no Unix sockets", "listen on a port")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # from the first moment, nobody else can open it
    try:
        if path.is_socket() and not _answers(path):
            path.unlink()
        listening.bind(str(path))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        what = f"{path} cannot be listened on ({error.strerror or error})"
        raise UsageError("--uds", what, "choose another path") from error
    finally:
        os.umask(before)
    return listening


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
    return True


def port_of(listening: socket.socket) -> int:
    """Return where a socket listens; 0 for a Unix socket, which has no port."""
    name = listening.getsockname()
    return int(name[1]) if isinstance(name, tuple) else 0


def own_hosts(address: Address, port: int) -> Collection[str]:
    """Return the values of the header Host by which the service may be called: by where it listens, and no other."""
    if address.path is not None:  # whoever passes requests on says by which name they came
        return {name.lower() for name in address.names or ("localhost",)}
    names = {*address.names, *(_LOCAL if _spelled(address.host) in _LOCAL else (_spelled(address.host),))}
    usual = 443 if address.secure else 80
    named = {f"{name}:{port}" for name in names}
    return {name.lower() for name in (*named, *address.names, *(names if port == usual else ()))}


def entry(address: Address, port: int, code: str) -> str:
    """Return the address that logs a browser in. A proxy's port is not ours, and taken to be the usual one."""
    scheme = "https" if address.secure else "http"
    if address.path is not None:
        return f"{scheme}://{(address.names or ('localhost',))[0]}/enter#{code}"
    name = address.names[0] if address.names else _spelled(address.host)
    at = name if address.behind_proxy and address.names else f"{name}:{port}"
    return f"{scheme}://{at}/enter#{code}"


def _spelled(host: str) -> str:
    """Return a host as browsers spell it in addresses."""
    try:
        host = str(ip_address(host))
    except ValueError:
        return host
    return f"[{host}]" if ":" in host else host


def configure(app: Guard, address: Address) -> uvicorn.Config:
    """Return how the application is served."""
    import uvicorn

    from assetforge.serve.connections import PATIENCE, Connection

    return uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=_HEAD,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=int(PATIENCE),
        timeout_graceful_shutdown=_GRACE,
        ssl_certfile=address.certificate,
        ssl_keyfile=address.key,
    )


def _give_back_early() -> None:
    """Have the C library of Linux give large blocks back at once: after a while, it would keep some for each thread."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # other C libraries do not know of it
            ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)


def serve(service: Service, address: Address, listening: socket.socket) -> None:
    """Answer until SIGINT or SIGTERM."""
    import uvicorn

    app = make_app(service, own_hosts(address, port_of(listening)))

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            service.hang_up()  # or streams would be waited for, and then cut off with an error
            await super().shutdown(sockets)

    server = Server(configure(app, address))
    find_garbage_early()
    _give_back_early()

    def stop(*_: object) -> None:  # before uvicorn listens to signals, and when it raises what came once more
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    if hasattr(signal, "SIGHUP"):  # the terminal was closed: end as by Ctrl-C, and leave no daemon behind
        signal.signal(signal.SIGHUP, stop)
    try:
        server.run([listening])
    finally:  # a second Ctrl-C has uvicorn leave it out
        service.close()
        if address.path is not None:
            address.path.unlink(missing_ok=True)
