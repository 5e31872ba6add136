"""On a Unix socket, the server is there for its user alone, and for the proxy that the user runs."""

from __future__ import annotations

import socket
import stat
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from execute.conftest import write_project
from serve.conftest import Server

from assetforge.errors import UsageError
from assetforge.serve.endpoints.call import BASE
from assetforge.serve.server import Address, bind, entry, own_hosts

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no Unix sockets")


def test_a_server_on_a_unix_socket_answers_its_user_by_the_names_that_were_given(
    tmp_path: Path, serve: Callable[..., Server]
) -> None:
    path = tmp_path / "s"
    server = serve(write_project(tmp_path / "project", assets=0), "pipeline.yaml", "--uds", str(path),
                   "--behind-proxy", "--host-name", "forge.example")  # fmt: skip
    assert server.base == "https://forge.example"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://forge.example") as client:
        assert client.get("/healthz").text == "ok\n"
        assert client.get(BASE).status_code == 401  # whoever opens the socket is a stranger still
        code, own = server.entry.partition("#")[2], {"origin": "https://forge.example"}
        assert client.post(f"{BASE}/session", json={"code": code}, headers={"origin": "http://evil"}).status_code == 403
        assert client.post(f"{BASE}/session", json={"code": code}, headers=own).status_code == 201
        for host in ("localhost", "127.0.0.1:8765", "forge.example:8765", "evil.example"):
            assert client.get("/healthz", headers={"host": host}).status_code == 421
    with pytest.raises(UsageError, match="in use"):
        bind(Address(path=path))
    assert server.stop() == 0
    assert not path.exists()


def test_what_a_killed_server_left_is_replaced_and_a_file_never(tmp_path: Path) -> None:
    path = tmp_path / "s"
    bind(Address(path=path)).close()
    with bind(Address(path=path)) as listening:
        listening.settimeout(5)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    file = tmp_path / "file"
    file.write_text("precious")
    for taken in (file, tmp_path / ("x" * 200), tmp_path / "nowhere" / "s"):
        with pytest.raises(UsageError, match="cannot be listened on"):
            bind(Address(path=taken))
    assert file.read_text() == "precious"


def test_a_unix_socket_is_called_localhost_unless_it_has_names() -> None:
    address = Address(path=Path("s"))
    address.check()
    assert own_hosts(address, 0) == {"localhost"}
    assert entry(address, 0, "code") == "http://localhost/enter#code"
    assert own_hosts(Address(path=Path("s"), names=("localhost:9000",)), 0) == {"localhost:9000"}
