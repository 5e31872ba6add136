"""Lets devices of one's own network in: the address of this machine in it, and a certificate of its own for TLS.

Browsers warn of such a certificate, as nobody vouches for it. Its fingerprint tells whether it is this server's.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from assetforge.codecs.atomic import file_name
from assetforge.errors import UsageError
from assetforge.serve.access import write_secret

_ELSEWHERE = "10.255.255.255", 9
"""Somewhere beyond this machine: the system says from which address it would send there, and nothing is sent."""
_DAYS, _USED_DAYS = 397, 300
"""How long a certificate is valid, and how long it is used; browsers refuse what is valid for much more than a year."""
_SECONDS = 60
_NAME = re.compile(r"[A-Za-z0-9.-]{1,253}")
_KEY = "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-pkeyopt", "ec_param_enc:named_curve"
_CONFIGURATION = """\
[req]
prompt = no
distinguished_name = name
x509_extensions = server
[name]
CN = AssetForge
[server]
subjectAltName = {names}
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
"""


def lan_address() -> str:
    """Return the address of this machine in the network that it uses; raise UsageError where it has none."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(_ELSEWHERE)
            host = str(probe.getsockname()[0])
    except OSError:
        host = "0.0.0.0"  # noqa: S104  which is none
    if ip_address(host).is_unspecified or ip_address(host).is_loopback:
        raise UsageError("--lan", "this machine is in no network", "name its address by --host")
    return host


def check_private(host: str) -> None:
    """Raise UsageError unless a host is one address that only one's own network reaches."""
    try:
        address = ip_address(host)
    except ValueError:
        raise UsageError(
            "--host", f"{host} is no address", "name the one that this machine has in the network"
        ) from None
    if address.is_unspecified or address.is_multicast:
        raise UsageError("--host", f"{host} is no address of one network", "name one, or leave it out")
    if address.is_global:
        instead = "leave --lan out, and add --tls-cert and --tls-key, or --behind-proxy"
        raise UsageError("--lan", f"{host} can be reached from everywhere", instead)


def own_certificate(folder: Path, names: Sequence[str]) -> Path:
    """Return a file with a certificate for names and addresses, and its key: the one of last time, unless it is old.

    Whoever has accepted it need not do so again. Raises UsageError where none can be made.
    """
    file = folder / f"lan-{file_name(','.join(names))}.pem"
    if file.is_file() and time.time() - file.stat().st_mtime < _USED_DAYS * 24 * 3600:
        return file
    write_secret(file, _made(names))
    return file


def fingerprint(certificate: Path) -> str:
    """Return the SHA-256 of a certificate, as browsers show it."""
    pem = certificate.read_text()
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    content = ssl.PEM_cert_to_DER_cert(pem[pem.index(begin) : pem.index(end) + len(end)])
    return hashlib.sha256(content).digest().hex(":").upper()


def _made(names: Sequence[str]) -> bytes:
    program, instead = shutil.which("openssl"), "give --tls-cert and --tls-key, or --no-tls"
    if program is None:
        raise UsageError("--lan", "needs the program openssl, to make a certificate", f"install it, {instead}")
    with TemporaryDirectory() as scratch:  # which nobody else can read
        settings, key, certificate = (Path(scratch) / name for name in ("settings", "key", "certificate"))
        settings.write_text(_CONFIGURATION.format(names=", ".join(map(_alternative, names))))
        command = (
            *(program, "req", "-x509", *_KEY, "-nodes", "-sha256", "-days", str(_DAYS)),
            *("-config", str(settings), "-keyout", str(key), "-out", str(certificate)),
        )
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603  our own words
        if done.returncode != 0 or not certificate.is_file():
            raise UsageError("--lan", f"openssl has made no certificate (exit code {done.returncode})", instead)
        return certificate.read_bytes() + key.read_bytes()


def _alternative(name: str) -> str:
    with suppress(ValueError):
        return f"IP:{ip_address(name)}"
    if not _NAME.fullmatch(name):
        raise UsageError("--host-name", f"{name} is no name for a certificate", "use letters, digits, dots and -")
    return f"DNS:{name}"
