"""A service over a small project, without a socket; and one that is a process of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from commands import Started, shared
from execute.conftest import write_project

pytest.importorskip("starlette", reason="the service needs the extra `serve`")
import httpx

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its client may be of httpx, or of what follows that
    from starlette.testclient import TestClient


from assetforge.serve.access import RIGHTS, Access, User
from assetforge.serve.app import make_app
from assetforge.serve.limits import ServeLimits
from assetforge.serve.project import Place, Project
from assetforge.serve.service import Service

HOST = "127.0.0.1:8765"
PATIENCE = 120.0


class Served:
    """A service that is called in this process, and the folder that it serves."""

    def __init__(self, folder: Path, limits: ServeLimits | None = None, *, private: bool = False) -> None:
        self.folder, self.limits = folder, limits or ServeLimits()
        self.project = Project(Place("pipeline", folder / "pipeline.yaml"), self.limits, private=private)
        self.project.supervisor.check = lambda: None  # type: ignore[method-assign]  # tests start daemons themselves
        self.access = Access(folder / ".assetforge" / "serve.json")
        self.service = Service([self.project], self.access, self.limits)
        self.app = make_app(self.service, {HOST})
        self.token = self.access.new_token("anna", RIGHTS)

    def client(self, token: str | None = None, **headers: str) -> TestClient:
        """Return a client with a token; `token=""` has none."""
        bearer = {} if token == "" else {"authorization": f"Bearer {token or self.token}"}
        return TestClient(self.app, f"http://{HOST}", headers={**bearer, **headers}, raise_server_exceptions=False)

    def code(self) -> str:
        return self.access.new_code(User("anna", RIGHTS))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that a run has built: a00 to a02 are done, a03 is quarantined and has a log."""
    always = 'print("<script>alert(1)</script>"); raise ValueError("<img onerror=x>")'
    folder = write_project(tmp_path_factory.mktemp("built") / "project", always, assets=4)
    assert shared().run(folder, "watch", "pipeline.yaml", "--once").code == 1
    return folder


@pytest.fixture(scope="module")
def served(built: Path) -> Iterator[Served]:
    served = Served(built)
    yield served
    served.service.close()


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[TestClient]:
    with served.client() as client:
        yield client


class Server:
    """`assetforge serve` in a process of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.output = folder / "serve.txt"
        command = [sys.executable, "-m", "assetforge", "serve", *arguments, "--port", "0", "--device", "cpu"]
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
        self.entry = self._entry()
        self.base = self.entry.partition("/enter")[0]

    def _entry(self) -> str:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self.process.poll() is None:
            if found := re.search(r"https?://\S+/enter#\S+", self.output.read_text()):
                return found.group()
            time.sleep(0.02)
        raise AssertionError(self.output.read_text())

    def token(self, *more: str) -> str:
        """Return a new token, made as a user would; of the name `script`, or as options say."""
        arguments = ("serve", *(["pipeline.yaml"] if (self.folder / "pipeline.yaml").exists() else []))
        done = shared().run(self.folder, *arguments, *(more or ("--new-token", "script")))
        assert done.code == 0, done.err
        return done.out.strip()

    def client(self, token: str = "") -> httpx.Client:
        headers = {"authorization": f"Bearer {token or self.token()}"}
        return httpx.Client(base_url=self.base, headers=headers, timeout=PATIENCE)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Start servers, and see that none is left."""
    with ExitStack() as stack:

        def begin(folder: Path, *arguments: str) -> Server:
            server = Server(folder, *arguments)
            stack.callback(server.stop)
            return server

        yield begin


def wait_for(condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Wait until something holds, and return it; fail where it never does."""
    until = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found


def made(ask: Callable[[], Any]) -> Any:
    """Ask again and again while the answer is that something is being made; return what follows."""
    return wait_for(lambda: found if (found := ask()).status_code != 202 else None)


@pytest.fixture(scope="module")
def daemon(built: Path) -> Iterator[Started]:
    """A daemon of the built project."""
    started = shared().start(built, "watch", "pipeline.yaml", out=built / "daemon.txt")
    yield started
    started.kill_group()
    started.wait(30)


def in_thread(action: Callable[[], object]) -> threading.Thread:
    """Start a thread."""
    thread = threading.Thread(target=action)
    thread.start()
    return thread
