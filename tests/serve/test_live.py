"""A server over real HTTP: examples of the guide, and events and uploads that survive daemons which die."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from commands import shared
from conftest import ROOT
from execute.conftest import descendants, executions, write_project
from filelock import FileLock
from serve.conftest import PATIENCE, Server, in_thread, made, wait_for
from serve.test_api import SPELLINGS
from serve.test_uploads import BODIES, NO_PICTURES
from test_docs import blocks
from watch.conftest import picture
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from assetforge.events import JobFinished, StepProgress
from assetforge.serve.endpoints.call import BASE
from assetforge.store.daemon_status import _file
from assetforge.store.event_log import EventLog, events_after
from assetforge.store.requests import opened_requests
from assetforge.store.schema import open_database

P = f"{BASE}/pipelines/pipeline"
GUIDE = ROOT / "docs" / "serve.md"
STATE = Path(".assetforge") / "state.sqlite"


@contextmanager
def following(client: httpx.Client, after: int) -> Iterator[list[dict[str, Any]]]:
    """Follow events by a stream in a thread; gives the list that grows."""
    told: list[dict[str, Any]] = []
    ended = threading.Event()

    def follow() -> None:
        with (
            suppress(httpx.HTTPError),
            client.stream("GET", f"{P}/events", headers={"last-event-id": str(after)}) as answer,
        ):
            number = 0
            for line in answer.iter_lines():
                if ended.is_set():
                    return
                if line.startswith("id: "):
                    number = int(line[4:])
                elif line.startswith("data: "):
                    told.append({**json.loads(line[6:]), "id": number})

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    yield told
    ended.set()


def daemon_pid(folder: Path) -> int:
    """Return the process ID of the daemon, 0 where none has said what it does."""
    for file in (folder / ".assetforge").glob("daemon-*.json"):
        with suppress(OSError, ValueError):
            return int(json.loads(file.read_bytes())["pid"])
    return 0


def kill_daemon(folder: Path) -> None:
    """End the daemon at once, and wait for another one."""
    pid = wait_for(lambda: daemon_pid(folder))
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: daemon_pid(folder) not in (0, pid))


def ready(client: httpx.Client) -> dict[str, Any]:
    """Wait until the pipeline is open; return what it is."""

    def asked() -> dict[str, Any] | None:
        answer = client.get(P)
        return answer.json() if answer.status_code == 200 and answer.json()["daemon"] else None

    found: dict[str, Any] = wait_for(asked)
    return found


def upload(client: httpx.Client, name: str, content: bytes, key: str = "", again: int = 1) -> dict[str, Any]:
    """Do as a script does whose connection may fail: send again with the same key until it is answered.

    again: how many requests ask for the same at once, as of a script that does not wait long.
    """
    key, until = key or str(uuid.uuid4()), time.monotonic() + PATIENCE
    while True:
        try:
            client.put(f"{P}/incoming/{key}/base_color", content=content)
            with ThreadPoolExecutor(again) as pool:
                asked = [pool.submit(ask, client, key, name) for _ in range(again)]
            answers = [one.result() for one in asked]
        except httpx.TransportError:
            answers = []
        if answers and all(one.status_code == 202 for one in answers):
            found: dict[str, Any] = answers[0].json()
            return found
        assert time.monotonic() < until, [one.text for one in answers]


def ask(client: httpx.Client, key: str, name: str) -> httpx.Response:
    return client.post(f"{P}/incoming/{key}", json={"fields": {"name": name}})


def wait_until_done(client: httpx.Client, name: str) -> bytes:
    """Wait until an asset is done; return the file that was made of it."""
    until = time.monotonic() + 300
    while (asset := client.get(f"{P}/assets/{name}", params={"wait": 20}).json())["state"] != "done":
        assert asset["state"] not in ("failed", "quarantined"), asset
        assert time.monotonic() < until, asset
    return client.get(asset["outputs"][0]["href"]).content


@contextmanager
def watching_moves(folder: Path) -> Iterator[Counter[str]]:
    """Count how often each file of a folder is put in its place, as any other program would see it."""
    moves: Counter[str] = Counter()

    class Mover(FileSystemEventHandler):
        def on_moved(self, event: FileSystemEvent) -> None:
            moves[Path(os.fsdecode(event.dest_path)).name] += 1

    observer = Observer()
    observer.schedule(Mover(), str(folder))
    observer.start()
    try:
        yield moves
    finally:
        observer.stop()
        observer.join(30)


def check_uploads(folder: Path, client: httpx.Client, clients: int, kills: int, uploads: int) -> None:
    """Let clients upload at once while the daemon is killed: all is answered, right to the bit, and published once."""
    pictures = {f"asset{index:03}": picture(100 + index) for index in range(uploads)}
    keys = {name: str(uuid.uuid4()) for name in pictures}
    (folder / "build").mkdir()
    with watching_moves(folder / "build") as moves:
        with ThreadPoolExecutor(clients) as pool:
            answers = [
                pool.submit(upload, client, name, content, keys[name], again=1 + (index % 3 == 0))
                for index, (name, content) in enumerate(pictures.items())
            ]
            for part in range(kills):
                wait_for(lambda part=part: sum(one.done() for one in answers) >= uploads * (part + 1) // (kills + 2))
                kill_daemon(folder)
            assert [one.result()["asset"] for one in answers] == list(pictures)
        made = {f"{name}_base_color.png": wait_until_done(client, name) for name in pictures}
        for name, key in keys.items():  # what was answered is answered again, by what became of it
            assert client.put(f"{P}/incoming/{key}/base_color", content=picture(1)).status_code == 409
            again = ask(client, key, name)
            assert (again.status_code, again.json()["asset"], again.json()["state"]) == (202, name, "done")
        wait_for(lambda: sum(moves.values()) >= uploads)
    assert set(moves.values()) == {1}
    assert made == built_by_a_run(folder, pictures)
    assert {path.name: path.read_bytes() for path in (folder / "build").iterdir()} == made
    listed = client.get(f"{P}/assets", params={"limit": 500}).json()
    assert [(one["name"], one["state"]) for one in listed["items"]] == [(name, "done") for name in pictures]
    sources = {path.name: path.read_bytes() for path in (folder / "textures").glob("*.png")}
    assert sources == {f"{name}_d.png": content for name, content in pictures.items()}
    assert not list((folder / "textures" / ".incoming").iterdir())
    with opened_requests(folder / STATE, "pipeline.yaml") as log:
        assert log.pending() == []
        assert Counter(one.what["asset"] for one in log.latest("receive", most=1000)) == Counter(list(pictures))
    told = events_after(folder / STATE, "pipeline.yaml", 0, most=100_000)
    finished = Counter(one.event.asset for one in told if isinstance(one.event, JobFinished))
    assert set(finished) <= set(pictures)
    assert max(finished.values()) == 1
    assert executions(folder) <= uploads + kills * 8  # what was under way when a daemon died is done again


def built_by_a_run(folder: Path, pictures: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return what `assetforge run` makes of pictures, with the pipeline and the plugin of a project."""
    other = folder.with_name("by_a_run")
    shutil.copytree(folder / "plugins", other / "plugins")
    shutil.copy(folder / "pipeline.yaml", other)
    (other / "textures").mkdir()
    for name, content in pictures.items():
        (other / "textures" / f"{name}_d.png").write_bytes(content)
    assert shared().run(other, "run", "pipeline.yaml").code == 0
    return {path.name: path.read_bytes() for path in (other / "build").iterdir()}


def flat_project(folder: Path) -> Path:
    """Make a project without sources, whose outputs are in one folder, so that no move is missed by who watches it."""
    write_project(folder, assets=0)
    text = (folder / "pipeline.yaml").read_text()
    (folder / "pipeline.yaml").write_text(text.replace("build/{name}", "build"))
    return folder


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over a project without sources."""
    server = Server(write_project(tmp_path_factory.mktemp("live") / "project", assets=0), "pipeline.yaml")
    yield server
    server.stop()


def test_a_daemon_that_is_killed_loses_and_doubles_no_event_and_no_upload(live: Server) -> None:
    with live.client() as client:
        after = ready(client)["event"]
        with following(client, after) as first:
            upload(client, "live1", picture(1))
            wait_for(lambda: any(one["event"] == "JobFinished" for one in first))
        pid = wait_for(lambda: daemon_pid(live.folder))
        os.kill(pid, signal.SIGKILL)
        with following(client, first[-1]["id"]) as second:
            upload(client, "live2", picture(2))  # while there is none
            wait_for(lambda: daemon_pid(live.folder) not in (0, pid))
            wait_for(lambda: any(one["event"] == "JobFinished" and one["asset"] == "live2" for one in second))
    told = [one["id"] for one in (*first, *second)]
    written = [one.number for one in events_after(live.folder / STATE, "pipeline.yaml", after)]
    assert told == written[: len(told)]
    assert all("log" not in one for one in (*first, *second))


def some_events(client: httpx.Client, after: int, most: int, instead: Callable[[], object] | None = None) -> list[int]:
    """Follow as a page does that is closed after some events, or while which something happens to the server."""
    told: list[int] = []
    with (
        suppress(httpx.TransportError),
        client.stream("GET", f"{P}/events", headers={"last-event-id": str(after)}) as answer,
    ):
        for line in answer.iter_lines():
            if line.startswith("id: "):
                told.append(int(line[4:]))
            if len(told) == most and instead is None:
                break
            if len(told) == most // 2 and instead is not None:
                instead()
                instead = None
    return told


def test_reloads_sleep_and_a_server_that_is_killed_lose_and_double_no_event(tmp_path: Path) -> None:
    """All the while another process writes down what happens."""
    folder, total, told = write_project(tmp_path / "project", assets=0), 300, [0]

    def write() -> None:
        with closing(open_database(folder / STATE)) as database:
            log = EventLog(database, folder / STATE, "pipeline.yaml")
            log.begin("another process")
            for number in range(total):
                log.add(StepProgress(f"a{number}", "work", 0.5))
                if log.due <= 0:
                    log.write()
                time.sleep(0.01)
            log.end()

    (folder / STATE).parent.mkdir(mode=0o700)
    with ExitStack() as stack:
        stack.enter_context(FileLock(_file(folder / ".assetforge", "pipeline.yaml", "lock")))  # no daemon is needed
        servers = [Server(folder, "pipeline.yaml")]
        stack.callback(lambda: [one.stop() for one in servers])
        client = stack.enter_context(servers[0].client())
        writing = in_thread(write)
        while len(told) < 100:  # each time, it is asked anew for what comes after the last
            told += some_events(client, told[-1], 20)
        told += some_events(client, told[-1], 20, servers[0].process.kill)
        servers.append(Server(folder, "pipeline.yaml"))
        writing.join(PATIENCE)
        client = stack.enter_context(servers[1].client())
        while len(told) <= total:
            told += some_events(client, told[-1], min(70, total + 1 - len(told)))
    written = [one.number for one in events_after(folder / STATE, "pipeline.yaml", 0)]
    assert told[1:] == written
    assert len(written) == total


def test_events_that_are_not_kept_any_more_are_gone(live: Server) -> None:
    import sqlite3

    with live.client() as client:
        ready(client)
        upload(client, "old1", picture(3))
        wait_until_done(client, "old1")
        last = events_after(live.folder / STATE, "pipeline.yaml", 0)[-1].number
        database = sqlite3.connect(live.folder / STATE, timeout=30)
        database.execute("delete from events where n < ?", (last,))
        database.commit()
        database.close()
        assert client.get(f"{P}/events", params={"after": 1}).status_code == 410


HOSTILE = (
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: HOST\r\n\r\n",
    b"PUT /api/v1/pipelines/pipeline/incoming/x/y HTTP/1.1\r\nHost: HOST\r\nContent-Length: -5\r\n\r\n",
    b"POST /api/v1/session HTTP/1.1\r\nHost: HOST\r\nContent-Length: 10\r\nContent-Length: 20\r\n\r\n0123456789",
    b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: HOST\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: HOST\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    b"GET http://evil.example/ HTTP/1.1\r\nHost: HOST\r\n\r\n",
    b"GET /static/../../cli/serve.py HTTP/1.1\r\nHost: HOST\r\n\r\n",
    b"GET /static/%2e%2e%2f%2e%2e%2fcli/serve.py HTTP/1.1\r\nHost: HOST\r\n\r\n",
    b"CONNECT evil.example:443 HTTP/1.1\r\nHost: HOST\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\0" * 4096 + b"\r\n\r\n",
)


@pytest.mark.parametrize("request_bytes", HOSTILE, ids=range(len(HOSTILE)))
def test_broken_http_is_refused_and_the_server_lives(request_bytes: bytes, live: Server) -> None:
    address = live.base.removeprefix("http://")
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        with suppress(OSError):
            connection.sendall(request_bytes.replace(b"HOST", address.encode()))
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(OSError):
            while piece := connection.recv(65536):
                answer += piece
    assert not answer or int(answer.split()[1]) >= 400
    assert httpx.get(f"{live.base}/healthz").text == "ok\n"


def test_an_upload_that_is_cut_off_leaves_no_file(live: Server) -> None:
    with live.client() as client:
        ready(client)
    address, key = live.base.removeprefix("http://"), str(uuid.uuid4())
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        head = f"PUT {P}/incoming/{key}/base_color HTTP/1.1\r\nHost: {address}\r\nContent-Length: 9999\r\n"
        connection.sendall(f"{head}Authorization: Bearer {live.token()}\r\n\r\n".encode() + picture(1)[:100])
        folder = live.folder / "textures" / ".incoming" / key
        wait_for(lambda: list(folder.glob("*.part")))
    wait_for(lambda: not list(folder.iterdir()))


def test_pictures_that_are_being_made_are_asked_for_again_and_hold_nobody_up(live: Server) -> None:
    with live.client() as client, ThreadPoolExecutor(12) as pool:
        ready(client)
        for seed, name in enumerate(("pine", "larch"), 30):
            upload(client, name, picture(seed))
            wait_until_done(client, name)
        made(lambda: client.get(f"{P}/thumbs/pine"))
        (worker,) = [pid for pid in descendants(live.process.pid) if "preview_worker" in command_of(pid)]
        os.kill(worker, signal.SIGSTOP)
        try:
            asked = [pool.submit(client.get, f"{P}/{kind}/larch") for kind in ("thumbs", "views") for _ in range(6)]
            assert client.get(f"{P}/assets").json()["total"] >= 2  # though there are fewer threads than who waits
            answers = [one.result() for one in asked]
        finally:
            os.kill(worker, signal.SIGCONT)
        assert {(one.status_code, one.headers["retry-after"]) for one in answers} == {(202, "1")}
        assert made(lambda: client.get(f"{P}/thumbs/larch")).content[:4] == b"RIFF"
        assert made(lambda: client.get(f"{P}/views/larch")).json()["outputs"]


def command_of(process: int) -> str:
    return Path(f"/proc/{process}/cmdline").read_text()


def memory(process: int, which: str = "VmRSS") -> float:
    """Return the MiB that a process holds; `VmHWM` at most until now."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return int(status[which].split()[0]) / 1024


def test_the_server_is_light_and_never_loads_torch(live: Server) -> None:
    maps = Path(f"/proc/{live.process.pid}/maps").read_text()
    assert not [name for name in ("libtorch", "_multiarray_umath", "cv2") if name in maps]
    assert memory(live.process.pid) < 80


def test_an_answer_waits_for_no_acknowledgment(live: Server) -> None:
    """Where it does, each takes more than 40 ms, but for the first ones of a connection."""

    def seconds(client: httpx.Client) -> float:
        began = time.perf_counter()
        assert client.get("/healthz").text == "ok\n"
        return time.perf_counter() - began

    with httpx.Client(base_url=live.base) as client:
        assert min([seconds(client) for _ in range(60)][30:]) < 0.03


def test_a_large_file_passes_through_without_being_held(live: Server) -> None:
    """What comes after a picture's beginning is not looked at before `watch` reads it."""
    size = 60 * 2**20
    with live.client() as client:
        ready(client)
        before = memory(live.process.pid)
        content = iter([picture(1), *[bytes(2**16)] * (size // 2**16)])
        answer = client.put(f"{P}/incoming/{uuid.uuid4()}/base_color", content=content)
        assert answer.status_code == 201, answer.text
        assert memory(live.process.pid, "VmHWM") - before < 20
    shutil.rmtree(live.folder / "textures" / ".incoming")


def test_hostile_requests_are_refused_and_cost_no_memory(live: Server) -> None:
    """The same server takes all of them, one after the other, and is as it was before."""
    with live.client() as client:
        ready(client)
        before = memory(live.process.pid)
        incoming, statuses = f"{P}/incoming/{uuid.uuid4()}", []
        for content, _ in NO_PICTURES:
            statuses.append(client.put(f"{incoming}/base_color", content=content).status_code)
        with suppress(httpx.WriteError):  # it hangs up on who sends more than is taken
            endless = iter([b"\x89PNG\r\n\x1a\n", *[bytes(2**20)] * 80])
            statuses.append(client.put(f"{incoming}/base_color", content=endless).status_code)
        for body, _ in BODIES:
            sent = {"content": body} if isinstance(body, str) else {"json": body}
            statuses.append(client.post(incoming, **sent).status_code)
        for name in SPELLINGS:
            statuses.append(client.get(f"{P}/files/a01", params={"name": name}).status_code)
            statuses.append(client.get(f"{P}/logs/{quote(name, safe='')}").status_code)
        for headers in ({"host": "evil.example"}, {"origin": "http://evil.example"}, {"authorization": "Bearer x"}):
            methods = ("GET", "POST", "PUT", "DELETE", "PATCH")
            statuses += [client.request(one, f"{P}/requests", headers=headers).status_code for one in methods]
        assert len(statuses) >= 60
        assert [status for status in statuses if not 400 <= status < 500] == []
        assert client.get("/healthz").text == "ok\n"
        assert memory(live.process.pid) - before < 50
    assert not [path for path in (live.folder / "textures" / ".incoming").rglob("*") if path.is_file()]


def run_example(command: list[str], server: Server, folder: Path) -> None:
    environment = {**os.environ, "ASSETFORGE_URL": server.base, "ASSETFORGE_TOKEN": server.token()}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_python_example_gets_maps_of_a_picture(live: Server, tmp_path: Path) -> None:
    (tmp_path / "moss.png").write_bytes(picture(1))
    (code,) = blocks(GUIDE, "python")
    run_example([sys.executable, "-c", code], live, tmp_path)
    result = live.folder / "build" / "moss" / "moss_base_color.png"
    assert (tmp_path / "moss_base_color.png").read_bytes() == result.read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
def test_the_javascript_example_gets_maps_of_a_picture(live: Server, tmp_path: Path) -> None:
    (tmp_path / "fern.png").write_bytes(picture(2))
    (code,) = blocks(GUIDE, "javascript")
    run_example(["node", "--input-type=module", "-e", code], live, tmp_path)
    result = live.folder / "build" / "fern" / "fern_base_color.png"
    assert (tmp_path / "fern_base_color.png").read_bytes() == result.read_bytes()


@pytest.mark.slow
def test_a_server_that_is_stopped_ends_its_daemon_and_the_next_one_answers_as_before(tmp_path: Path) -> None:
    folder = write_project(tmp_path / "project", assets=1)
    first = Server(folder, "pipeline.yaml")
    try:
        with first.client() as client:
            ready(client)
            wait_for(lambda: client.get(f"{P}/assets/a00?wait=10").json().get("state") == "done")
            before = client.get(f"{P}/assets/a00").json()
            with following(client, 0) as told:
                wait_for(lambda: told)
                assert first.stop() == 0
    finally:
        first.stop()
    assert not daemon_pid(folder)
    assert first.output.read_text().splitlines()[2:] == []  # that somebody followed is no error
    second = Server(folder, "pipeline.yaml")
    try:
        with second.client() as client:
            assert client.get(f"{P}/assets/a00").json() == before
            with following(client, told[0]["id"]) as again:  # as a page does that was open all the time
                wait_for(lambda: len(again) >= len(told) - 1)
            written = [one.number for one in events_after(folder / STATE, "pipeline.yaml", told[0]["id"])]
            assert [one["id"] for one in again] == written[: len(again)]
    finally:
        second.stop()


@pytest.mark.slow
def test_a_server_that_is_killed_while_files_come_leaves_no_source_and_an_hour_later_no_file(tmp_path: Path) -> None:
    folder = write_project(tmp_path / "project", assets=0)
    first, content = Server(folder, "pipeline.yaml"), picture(1)
    incoming = folder / "textures" / ".incoming"
    with first.client() as client:
        ready(client)
    head = f"Host: {first.base.removeprefix('http://')}\r\nAuthorization: Bearer {first.token()}\r\n"
    host, _, port = first.base.removeprefix("http://").partition(":")
    with ExitStack() as stack:
        for sent in (0, 1, len(content) // 2, len(content) - 1):
            connection = stack.enter_context(socket.create_connection((host, int(port)), 10))
            start = (
                f"PUT {P}/incoming/{uuid.uuid4()}/base_color HTTP/1.1\r\nContent-Length: {len(content)}\r\n{head}\r\n"
            )
            connection.sendall(start.encode() + content[:sent])
        wait_for(lambda: len(list(incoming.rglob("*.part"))) == 4)
        first.process.kill()
        first.process.wait(30)
    for path in (*incoming.rglob("*"), incoming):
        os.utime(path, (time.time() - 3700,) * 2)
    second = Server(folder, "pipeline.yaml")
    try:
        wait_for(lambda: not list(incoming.iterdir()))
        assert [path for path in (folder / "textures").rglob("*") if path.is_file()] == []
    finally:
        second.stop()
        os.kill(daemon_pid(folder), signal.SIGTERM)  # which the first one has started
        wait_for(lambda: not daemon_pid(folder))


@pytest.mark.slow
def test_ctrl_c_twice_leaves_no_daemon_behind(tmp_path: Path) -> None:
    folder = write_project(tmp_path / "project", assets=0)
    server = Server(folder, "pipeline.yaml")
    try:
        with server.client() as client:
            ready(client)
        pid = daemon_pid(folder)
        for _ in range(2):
            server.process.send_signal(signal.SIGINT)
        assert server.process.wait(30) == 0
    finally:
        server.process.kill()
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.slow
def test_a_daemon_that_runs_already_is_used_and_left_running(tmp_path: Path) -> None:
    folder = write_project(tmp_path / "project", assets=1)
    daemon = shared().start(folder, "watch", "pipeline.yaml", out=folder / "daemon.txt")
    try:
        pid = wait_for(lambda: daemon_pid(folder))
        server = Server(folder, "pipeline.yaml")
        try:
            with server.client() as client:
                ready(client)
        finally:
            server.stop()
        assert daemon_pid(folder) == pid
        assert daemon.poll() is None
    finally:
        daemon.kill_group()
        daemon.wait(30)


@pytest.mark.slow
def test_a_hundred_uploads_by_ten_clients_survive_three_kills(tmp_path: Path) -> None:
    folder = flat_project(tmp_path / "project")
    server = Server(folder, "pipeline.yaml")
    try:
        with server.client() as client:
            ready(client)
            check_uploads(folder, client, clients=10, kills=3, uploads=100)
    finally:
        server.stop()
