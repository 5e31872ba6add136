"""Devices of one's own network are let in on purpose: at one address, by TLS, with a code that a phone scans."""

from __future__ import annotations

import os
import pty
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from commands import shared
from execute.conftest import write_project
from serve.conftest import PATIENCE, Served, in_thread
from starlette.testclient import TestClient

from assetforge.errors import UsageError
from assetforge.serve.access import Access, User
from assetforge.serve.app import make_app
from assetforge.serve.endpoints.call import BASE
from assetforge.serve.lan import fingerprint, lan_address, own_certificate
from assetforge.serve.qr_code import BLOCKS, qr_code
from assetforge.serve.server import Address, entry, own_hosts
from assetforge.serve.service import Service

HOST = "127.0.0.2"
"""Another address than the usual one, as the one in a network is; every Linux has it."""


def scanned(printed: str) -> str:
    """Return what a phone reads of a terminal."""
    lines = [line for line in re.findall(r"\x1b\[30;107m(.*?)\x1b\[0m", printed) if set(line) <= set(BLOCKS)]
    codes = np.array([[BLOCKS.index(one) for one in line] for line in lines])
    dark = np.stack([codes % 2, codes // 2], 1).reshape(-1, codes.shape[1]).astype(np.uint8)
    pixels = np.kron(255 - 255 * dark, np.ones((8, 8), np.uint8))
    return cv2.QRCodeDetectorAruco().detectAndDecode(  # the other one does not read all of them
        cv2.copyMakeBorder(pixels, 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=255)
    )[0]


class LanServer:
    """`assetforge serve --lan` at a terminal."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.printed = folder, ""
        command = [sys.executable, "-m", "assetforge", "serve", "pipeline.yaml", "--lan", "--host", HOST, "--port", "0"]
        ours, theirs = pty.openpty()
        environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=theirs, stderr=theirs, stdin=theirs, env=environment
        )
        os.close(theirs)
        self._reading = in_thread(lambda: self._read(ours))
        until = time.monotonic() + PATIENCE
        while "Ctrl-C ends" not in self.printed:
            assert time.monotonic() < until and self.process.poll() is None, self.printed
            time.sleep(0.02)
        self.entries = re.findall(r"https://\S+/enter#[\w-]+", self.printed)
        self.base = self.entries[0].partition("/enter")[0]
        self.certificate = next((folder / ".assetforge").glob("lan-*.pem"))

    def _read(self, terminal: int) -> None:
        with open(terminal, "rb", buffering=0) as file, suppress(OSError):  # which a terminal says at its end
            while piece := file.read(65536):
                self.printed += piece.decode()

    def client(self) -> httpx.Client:
        """Return a client that trusts the server's certificate, and no other."""
        trusted = ssl.create_default_context(cafile=self.certificate)
        return httpx.Client(base_url=self.base, verify=trusted, timeout=PATIENCE)

    def stop(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()
            self._reading.join(30)


@pytest.fixture(scope="module")
def lan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanServer]:
    server = LanServer(write_project(tmp_path_factory.mktemp("lan") / "project", assets=0))
    yield server
    server.stop()


needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="others have 127.0.0.1 alone")


@needs_linux
def test_a_phone_scans_its_own_login_which_works_once(lan: LanServer) -> None:
    assert scanned(lan.printed) == lan.entries[1] != lan.entries[0]
    code = lan.entries[1].partition("#")[2]
    with lan.client() as client:
        assert client.get(BASE).status_code == 401
        answer = client.post(f"{BASE}/session", json={"code": code}, headers={"origin": lan.base})
        assert answer.status_code == 201
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-")
        assert all(part in cookie for part in ("Secure", "HttpOnly", "SameSite=strict"))
        assert client.get(BASE).json()["you"] == {"name": "phone", "may": ["view", "upload", "retry"]}
        again = client.post(f"{BASE}/session", json={"code": code}, headers={"origin": lan.base})
        assert again.status_code == 403


@needs_linux
def test_only_the_address_that_was_bound_is_answered(lan: LanServer) -> None:
    port = int(lan.base.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)
    with lan.client() as client:
        assert client.get("/healthz").text == "ok\n"
        others = ("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "192.168.1.5", "127.0.0.2.evil.example", "evil.example")
        for host in (HOST, f"{HOST}:{port + 1}", *(f"{other}:{port}" for other in others)):
            assert client.get("/healthz", headers={"host": host}).status_code == 421, host
        for origin in (f"http://{HOST}:{port}", f"https://127.0.0.1:{port}", "https://evil.example", "null"):
            answer = client.post(f"{BASE}/session", json={"code": "x"}, headers={"origin": origin})
            assert "another site" in answer.json()["detail"], origin


@needs_linux
def test_the_certificate_is_for_its_address_and_its_key_for_nobody_else(lan: LanServer) -> None:
    assert lan.certificate.stat().st_mode & 0o077 == 0
    assert fingerprint(lan.certificate) in lan.printed
    host, _, port = lan.base.removeprefix("https://").partition(":")
    shown = ssl.get_server_certificate((host, int(port)))
    assert shown.strip() in lan.certificate.read_text()
    with pytest.raises(httpx.ConnectError, match="certificate"):
        httpx.get(f"{lan.base}/healthz")
    with pytest.raises(httpx.HTTPError):  # what is not encrypted is answered by nothing
        httpx.get(f"http://{host}:{port}/healthz")


def test_a_certificate_is_kept_until_it_is_old(tmp_path: Path) -> None:
    first = own_certificate(tmp_path / "state", ("192.168.1.5", "forge.local"))
    content = first.read_bytes()
    assert first.parent.stat().st_mode & 0o077 == 0
    assert own_certificate(tmp_path / "state", ("192.168.1.5", "forge.local")).read_bytes() == content
    os.utime(first, (1, 1))
    assert own_certificate(tmp_path / "state", ("192.168.1.5", "forge.local")).read_bytes() != content
    assert own_certificate(tmp_path / "state", ("192.168.1.6",)) != first
    with pytest.raises(UsageError, match="is no name for a certificate"):
        own_certificate(tmp_path / "state", ("192.168.1.5", "forge\nlocal"))


def test_without_openssl_it_says_what_else_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="needs the program openssl") as told:
        own_certificate(tmp_path, ("192.168.1.5",))
    assert "--no-tls" in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_a_code_of_any_address_can_be_scanned() -> None:
    for host in ("10.0.0.1", "fd00::1", "192.168.178.125"):
        address = entry(Address(host, lan=True), 8765, "x" * 32)
        assert scanned(qr_code(address)) == address


def test_the_address_in_the_network_is_one_of_this_machine() -> None:
    try:
        host = lan_address()
    except UsageError as error:  # a machine that is in no network
        assert "--host" in str(error)
        return
    with socket.socket() as listening:
        listening.bind((host, 0))


@pytest.mark.parametrize("host", ["8.8.8.8", "2606:4700::1111", "0.0.0.0", "::", "224.0.0.1", "studio.example"])
def test_an_address_that_is_not_one_of_ones_own_network_is_refused(host: str) -> None:
    with pytest.raises(UsageError):
        Address(host, lan=True).check()


@pytest.mark.parametrize("host", ["192.168.1.5", "10.1.2.3", "100.64.0.7", "fd00::1"])
def test_an_address_of_ones_own_network_is_called_by_itself_alone(host: str) -> None:
    address = Address(host, lan=True)
    address.check()
    assert own_hosts(address, 8765) == {entry(address, 8765, "").removeprefix("http://").removesuffix("/enter#")}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--no-tls"], "--no-tls"),
        (["--lan", "--behind-proxy"], "--behind-proxy"),
        (["--lan", "--host", "8.8.8.8"], "reached from everywhere"),
        (["--lan", "--may", "all"], "is no right"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: list[str], told: str, tmp_path: Path) -> None:
    done = shared().run(write_project(tmp_path / "project", assets=0), "serve", "pipeline.yaml", *arguments)
    assert done.code == 2
    assert told in done.err


def test_without_tls_only_our_own_page_may_change_something(tmp_path: Path) -> None:
    """Browsers tell less of where a request comes from where there is no TLS; the origin they always tell."""
    served = Served(write_project(tmp_path / "project", assets=0))
    host = "192.168.1.5:8765"
    service = Service([served.project], served.access, served.limits, port=8765)
    client = TestClient(make_app(service, {host}), f"http://{host}", headers={"origin": f"http://{host}"})
    code = served.access.new_code(User("phone", ("view", "upload")))
    assert client.post(f"{BASE}/session", json={"code": code}).status_code == 201
    asked = f"{BASE}/pipelines/pipeline/requests", {"verb": "resume"}
    assert client.post(asked[0], json=asked[1]).status_code == 403  # it may view and upload
    assert client.get(BASE).json()["you"]["may"] == ["view", "upload"]
    del client.headers["origin"]
    assert client.delete(f"{BASE}/session").status_code == 403
    assert client.get(BASE, headers={"host": "127.0.0.1:8765"}).status_code == 421
    served.service.close()


def test_a_token_of_that_name_ends_the_sessions_of_phones(tmp_path: Path) -> None:
    access = Access(tmp_path / "serve.json")
    secret = access.enter(access.new_code(User("phone", ("view",)))) or ""
    assert access.user(secret)
    access.new_token("phone", ("view",))
    assert access.user(secret) is None
