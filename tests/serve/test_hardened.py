"""What goes wrong around the service: lost connections, full disks, dead daemons, strange names, other programs."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import socket
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from commands import shared
from execute.conftest import write_project
from filelock import FileLock
from serve.conftest import HOST, Served, Server, in_thread, made, wait_for
from starlette.requests import Request
from starlette.testclient import TestClient
from watch.conftest import picture

from assetforge.events import JobFinished, StepProgress
from assetforge.serve import feed as feeding
from assetforge.serve import supervisor as supervising
from assetforge.serve import uploads
from assetforge.serve.access import Access, User
from assetforge.serve.app import make_app
from assetforge.serve.connections import PATIENCE, Connection
from assetforge.serve.endpoints.call import BASE
from assetforge.serve.feed import Feed
from assetforge.serve.guard import COOKIE
from assetforge.serve.limits import ServeLimits
from assetforge.serve.project import Place, Project
from assetforge.serve.server import Address, bind, configure, entry, own_hosts
from assetforge.serve.service import Service
from assetforge.serve.supervisor import Supervisor
from assetforge.serve.uploads import Incoming
from assetforge.snapshot import DATABASE
from assetforge.store.daemon_status import _file
from assetforge.store.event_log import EventLog
from assetforge.store.reader import Reader
from assetforge.store.requests import opened_requests
from assetforge.store.schema import open_database

P = f"{BASE}/pipelines/pipeline"
KEY = "01234567-89ab-cdef-0123-456789abcdef"


# Who may


def session(served: Served) -> str:
    """Return the secret of a new session."""
    return served.access.enter(served.code()) or ""


def test_cookies_of_other_programs_on_this_machine_do_not_hide_ours(served: Served) -> None:
    cookie = f'a[b]={{"x": 1}}; grafana session=1; {COOKIE}={session(served)}; "'
    assert served.client("").get(BASE, headers={"cookie": cookie}).status_code == 200


def test_a_login_at_a_proxy_is_no_token(served: Served) -> None:
    """Browsers send it by themselves, so that it proves nothing of where a request comes from."""
    headers = {"authorization": "Basic eDp5", "cookie": f"{COOKIE}={session(served)}"}
    client = served.client("")
    assert client.get(BASE, headers=headers).status_code == 200
    assert client.post(f"{P}/requests", json={"verb": "resume"}, headers=headers).status_code == 403


def test_two_servers_on_one_machine_have_a_cookie_each(served: Served) -> None:
    names = {Service([], served.access, served.limits, port=port).cookie for port in (8765, 8766)}
    assert len(names) == 2
    assert Service([], served.access, served.limits, port=8765, secure=True).cookie == "__Host-assetforge-8765"


def test_a_new_token_ends_the_sessions_of_the_one_before(tmp_path: Path) -> None:
    access = Access(tmp_path / "serve.json")
    secret = access.enter(access.new_token("anna", ("view",))) or ""
    assert access.user(secret) == User("anna", ("view",))
    access.new_token("ben", ("view",))
    assert access.user(secret)
    access.new_token("anna", ("view",))
    assert access.user(secret) is None


def test_who_logs_in_again_and_again_ends_nobody_elses_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assetforge.serve.access._MOST_SESSIONS", 3)
    access = Access(tmp_path / "serve.json")
    others = access.enter(access.new_token("ben", ("view",))) or ""
    token = access.new_token("anna", ("view",))
    sessions = [access.enter(token) or "" for _ in range(4)]
    assert access.user(others) == User("ben", ("view",))
    assert access.user(token) == access.user(sessions[-1]) == User("anna", ("view",))
    assert access.user(sessions[0]) is None  # there is an end to them


def test_who_follows_events_does_so_until_the_token_is_ended(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "KEEP_ALIVE", 0.05)
    served = Served(shutil.copytree(built, tmp_path / "project"))
    with served.client(served.access.new_token("ben", ("view",))) as client:
        answers: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: answers.append(client.get(f"{P}/events")))
        thread.start()
        wait_for(lambda: served.project.feed.streams == 1)
        served.access.new_token("ben", ("view",))
        thread.join(10)
        ended = bool(answers)
        served.service.hang_up()
        thread.join(10)
    assert ended


def test_without_its_file_nobody_may_anything(tmp_path: Path) -> None:
    access = Access(tmp_path / "serve.json")
    token = access.new_token("anna", ("view",))
    (tmp_path / "serve.json").unlink()
    assert access.user(token) is None


def test_tokens_that_are_made_at_once_are_all_kept(tmp_path: Path) -> None:
    """Each has an Access of its own, as each process has."""
    made: dict[str, str] = {}

    def make(name: str) -> None:
        made[name] = Access(tmp_path / "serve.json").new_token(name, ("view",))

    threads = [threading.Thread(target=make, args=(f"n{index}",)) for index in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    access = Access(tmp_path / "serve.json")
    assert [name for name, token in made.items() if access.user(token) is None] == []


def test_too_many_wrong_codes_say_so(tmp_path: Path, served: Served) -> None:
    service = Service([served.project], Access(tmp_path / "serve.json"), served.limits)
    client = TestClient(make_app(service, {HOST}), f"http://{HOST}", headers={"origin": f"http://{HOST}"})
    answers = [client.post(f"{BASE}/session", json={"code": "x"}) for _ in range(11)]
    assert [one.status_code for one in answers] == [403] * 10 + [429]
    assert "wait a minute" in answers[-1].json()["instead"]


# Addresses


@pytest.mark.parametrize(
    ("address", "printed", "host"),
    [
        (Address(), "http://127.0.0.1:8765/enter#code", "127.0.0.1:8765"),
        (Address("::1"), "http://[::1]:8765/enter#code", "[::1]:8765"),
        (Address("fd00::1", behind_proxy=True), "https://[fd00::1]:8765/enter#code", "[fd00::1]:8765"),
        (Address(names=("forge.example",), behind_proxy=True), "https://forge.example/enter#code", "forge.example"),
        (Address("10.0.0.1", names=("f.example",), certificate=Path("c")), "https://f.example:8765/enter#code",
         "f.example:8765"),
    ],
)  # fmt: skip
def test_the_address_that_is_printed_is_one_that_is_answered(address: Address, printed: str, host: str) -> None:
    assert entry(address, 8765, "code") == printed
    assert host in own_hosts(address, 8765)


def test_who_opens_the_printed_address_at_once_is_waited_for() -> None:
    with bind(Address(port=0)) as listening:
        socket.create_connection(listening.getsockname(), 5).close()


def test_a_pipeline_may_have_any_name_that_a_file_may(built: Path, served: Served) -> None:
    project = Project(Place("木 #2%", built / "pipeline.yaml"), ServeLimits())
    service = Service([project], served.access, served.limits)
    headers = {"authorization": f"Bearer {served.token}"}
    client = TestClient(make_app(service, {HOST}), f"http://{HOST}", headers=headers)
    answer = client.post(f"{BASE}/pipelines/%E6%9C%A8%20%232%25/requests", json={"verb": "resume"})
    assert answer.status_code == 202, answer.text
    assert client.get(answer.headers["location"]).json()["verb"] == "resume"
    service.close()


def test_a_pipeline_that_cannot_be_read_just_now_keeps_the_page(built: Path, client: TestClient) -> None:
    file = built / "pipeline.yaml"
    text = file.read_text()
    try:
        file.write_text("name: [")
        assert client.get(BASE).json()["pipelines"][0]["title"] == "pipeline"
    finally:
        file.write_text(text)


# Uploads


def body(pieces: list[bytes], gate: asyncio.Event | None = None) -> Request:
    """Return a request whose body comes piece by piece, the last one once the gate opens."""
    left = list(pieces)

    async def receive() -> dict[str, Any]:
        if len(left) == 1 and gate is not None:
            await gate.wait()
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    return Request({"type": "http", "method": "PUT", "headers": [], "path": "/"}, receive)


def test_a_file_that_is_sent_again_while_the_first_try_hangs_is_taken(tmp_path: Path) -> None:
    old, new = picture(1), picture(2)

    async def both() -> None:
        incoming, gate = Incoming(tmp_path, ServeLimits()), asyncio.Event()
        hanging = asyncio.create_task(incoming.take(body([old[:10], old[10:20]], gate), "anna", KEY, "base_color"))
        while not list(tmp_path.glob("*/*.part")):
            await asyncio.sleep(0.01)
        taken = await incoming.take(body([new]), "anna", KEY, "base_color")
        gate.set()
        with pytest.raises(Exception, match="damaged"):
            await hanging
        assert incoming.files(KEY, "anna")["base_color"]["sha256"] == taken["sha256"]
        assert (tmp_path / KEY / "base_color").read_bytes() == new

    asyncio.run(both())
    assert sorted(path.name for path in (tmp_path / KEY).iterdir()) == ["base_color", "base_color.json"]


def test_the_files_of_one_upload_have_a_limit_together(tmp_path: Path) -> None:
    one, large = picture(1), picture(2, size=64)
    incoming = Incoming(tmp_path, ServeLimits(asset=len(large) + len(one)))

    def take(content: bytes, name: str, key: str = KEY) -> None:
        asyncio.run(incoming.take(body([content]), "anna", key, name))

    take(large, "flash")
    take(large, "flash")  # what is sent again counts once
    take(one, "guide")
    for content, name in ((one, "normal"), (large, "guide")):
        with pytest.raises(uploads.ServeError, match="would make the upload") as told:
            take(content, name)
        assert told.value.status == 413
    assert incoming.files(KEY, "anna").keys() == {"flash", "guide"}
    assert (tmp_path / KEY / "guide").read_bytes() == one
    assert not list(tmp_path.rglob("*.part"))
    take(one, "normal", KEY.replace("0", "f"))


def test_a_disk_that_is_full_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(uploads.shutil, "disk_usage", lambda _: SimpleNamespace(free=2**62))
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(uploads.ServeError, match="No space left") as told:
        asyncio.run(Incoming(tmp_path, ServeLimits()).take(body([picture(1)]), "anna", KEY, "base_color"))
    assert told.value.status == 507


def test_uploads_that_fill_the_disk_together_are_refused_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is a small one: what is free on it is what no upload takes."""
    limits, piece = ServeLimits(file=2**20, free=2**20), bytes(2**18)

    def usage(_: object) -> SimpleNamespace:
        return SimpleNamespace(free=9 * 2**18 - sum(one.stat().st_size for one in tmp_path.rglob("*.part")))

    async def both() -> list[Any]:
        incoming, gate = Incoming(tmp_path, limits), asyncio.Event()
        keys = [str(uuid.uuid4()) for _ in range(2)]
        sent = [asyncio.ensure_future(incoming.take(body([piece] * 4, gate), "anna", key, "flash")) for key in keys]
        while len(list(tmp_path.rglob("*.part"))) < 2 and not any(one.done() for one in sent):
            await asyncio.sleep(0.01)
        gate.set()
        return await asyncio.gather(*sent, return_exceptions=True)

    monkeypatch.setattr(uploads.shutil, "disk_usage", usage)
    refused = [one for one in asyncio.run(both()) if isinstance(one, uploads.ServeError)]
    assert [one.status for one in refused if "almost full" in one.what] != []
    assert not list(tmp_path.rglob("*.part"))
    assert len(list(tmp_path.iterdir())) == len([one for one in refused if one.status != 507])


def test_uploads_that_end_while_they_are_counted_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "gone").symlink_to(tmp_path / "nowhere")  # as a file that was there when the folder was listed
    (tmp_path / "a" / "there").write_bytes(b"12345")
    assert uploads._bytes_in(tmp_path / "a") == 5


def test_a_slow_upload_is_not_taken_for_a_forgotten_one(tmp_path: Path) -> None:
    incoming = Incoming(tmp_path, ServeLimits())
    (tmp_path / KEY).mkdir()
    (tmp_path / KEY / "base_color.part").write_bytes(b"being written")
    os.utime(tmp_path / KEY, (1, 1))
    incoming.prune(set())
    assert (tmp_path / KEY).exists()


def test_previews_that_nobody_looks_at_are_removed_while_serving(served: Served) -> None:
    old = served.project.previews.folder / "old.webp"
    old.parent.mkdir(exist_ok=True)
    old.write_bytes(b"")
    os.utime(old, (1, 1))
    served.project.prune()
    assert not old.exists()


def asked(served: Served, asset: str, answer: dict[str, Any] | None) -> int:
    """Ask for an upload to be received as the API does, and answer as a daemon does."""
    with opened_requests(served.project.reader.path, served.project.id) as log:
        number = log.ask(
            "receive", {"asset": asset, "files": {"base_color": {"sha256": "0"}}}, "anna", str(uuid.uuid4())
        )
        if answer is not None:
            log.finish(number, answer)
    return number


def test_an_upload_that_was_refused_late_is_not_taken_for_the_asset_that_is_there(
    served: Served, client: TestClient
) -> None:
    number = asked(served, "a01", {"asset": "a01", "exists": ["a01_d.png"]})
    try:
        told = client.get(f"{P}/assets/a01?wait=5").json()
        assert (told["state"], told["error"]) == ("failed", "the upload was refused: a01_d.png is there already")
        assert client.get(f"{P}/assets?state=received").json()["total"] == 0
    finally:
        with opened_requests(served.project.reader.path, served.project.id) as log:
            log.forget(number)
    assert client.get(f"{P}/assets/a01").json()["state"] == "done"


def test_a_thumb_of_other_sources_has_another_address(served: Served, client: TestClient) -> None:
    """Browsers do not ask again for a picture that the page shows already."""
    shown = [one["thumb"] for one in client.get(f"{P}/assets?state=done").json()["items"]]
    assert len({one.partition("?version=")[2] for one in shown} - {""}) == len(shown) == 3
    assert made(lambda: client.get(shown[0])).headers["content-type"] == "image/webp"


def test_an_upload_is_received_until_it_is_seen(served: Served, client: TestClient) -> None:
    numbers = [asked(served, f"new{index}", {"asset": f"new{index}"}) for index in range(3)]
    try:
        assert client.get(f"{P}/assets?state=received").json()["total"] == 3
        assert client.get(f"{P}/assets/new1").json()["state"] == "received"
    finally:
        with opened_requests(served.project.reader.path, served.project.id) as log:
            for number in numbers:
                log.forget(number)


def test_an_asset_beyond_those_that_the_status_names_is_queued(
    served: Served, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload of long ago still waits for its turn, behind many others."""
    number = asked(served, "late", {"asset": "late"})
    monkeypatch.setattr("assetforge.serve.project._RECENT", -1.0)
    assert client.get(f"{P}/assets/late").status_code == 404
    status = {
        "waiting": ["x"],
        "waiting_count": 2,
        "failed": {},
        "incomplete": {},
        "building": [],
        "written": time.time(),
    }
    monkeypatch.setattr(served.project, "status", lambda: status)
    assert client.get(f"{P}/assets/late").json()["state"] == "queued"
    with opened_requests(served.project.reader.path, served.project.id) as log:
        log.forget(number)


# Events


def test_a_number_that_has_not_come_yet_is_answered_by_gone(client: TestClient) -> None:
    """The state was made anew, so that numbers begin again: who waited for the next one would wait for ever."""
    for headers in ({"last-event-id": "999999999"}, {}):
        answer = client.get(f"{P}/events", params={"after": "999999999"}, headers=headers)
        assert (answer.status_code, answer.json()["instead"]) == (410, "ask for the assets, then follow anew")


def test_a_number_with_many_digits_is_none(client: TestClient) -> None:
    after = {"after": "999999999"}
    assert client.get(f"{P}/events", params=after, headers={"last-event-id": "9" * 5000}).status_code == 410
    assert client.get(f"{P}/requests/{'9' * 30}").status_code == 404


def follow_once(feed: Feed, after: int) -> list[str]:
    """Return what a stream says that begins after a number, and is ended then."""

    async def read() -> list[str]:
        feed.start()
        task = asyncio.create_task(feed.run())
        stream: AsyncIterator[str] = feed.stream(after)
        said = [await anext(stream)]
        ending = asyncio.get_running_loop().call_later(0.3, feed.hang_up)
        async with asyncio.timeout(60):
            said += [piece async for piece in stream]
        ending.cancel()
        task.cancel()
        feed.close()
        return said

    return asyncio.run(read())


def test_a_stream_ends_when_the_server_does(built: Path) -> None:
    feed = Feed(Reader(built / ".assetforge", "pipeline.yaml"))
    said = follow_once(feed, 0)
    finished = [one for one in said if '"JobFinished"' in one]
    assert len(finished) == 4
    assert feed.streams == 0


def test_events_of_another_pipeline_are_waited_out_and_not_read_again_and_again(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a page that comes back after the server was started anew, where two pipelines share a state."""
    state = tmp_path / ".assetforge"
    shutil.copytree(built / ".assetforge", state)
    with closing(open_database(state / DATABASE)) as database:
        log = EventLog(database, state / DATABASE, "other.yaml")
        log.begin("another run")
        log.add(StepProgress("theirs", "work", 0.5))
        log.end()
    feed, reads = Feed(Reader(state, "pipeline.yaml")), []
    read = feed._read_after
    monkeypatch.setattr(feed, "_read_after", lambda *which: reads.append(which) or read(*which))
    said = follow_once(feed, 0)
    assert sum('"JobFinished"' in one for one in said) == 4
    assert not [one for one in said if "theirs" in one]
    assert len(reads) <= 6


def test_who_leaves_while_something_happens_keeps_nobody_waiting(built: Path) -> None:
    """A connection that ends is canceled, again and again until it has ended."""
    feed = Feed(Reader(built / ".assetforge", "pipeline.yaml"))

    async def pause(count: int = 3) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    async def leave_and_look() -> None:
        for later in range(8):
            leaving = [asyncio.create_task(feed.wait(60)) for _ in range(5)]
            await pause()
            feed.wake()
            await pause(later)
            while not all(one.done() for one in leaving):
                for one in leaving:
                    one.cancel()
                await pause(1)
        staying = asyncio.create_task(feed.wait(60))
        await pause()
        feed.wake()
        async with asyncio.timeout(10):
            assert await staying

    asyncio.run(leave_and_look())


def test_the_database_is_not_closed_under_the_thread_that_reads_it(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite would end the process, before it has ended its daemons."""
    feed = Feed(Reader(built / ".assetforge", "pipeline.yaml"))
    reads, may_end = threading.Event(), threading.Event()
    monkeypatch.setattr(feed, "_has_changed", lambda: reads.set() or not may_end.wait(60))
    reading = in_thread(feed.look)
    assert reads.wait(60)
    closing = in_thread(feed.close)
    closing.join(0.1)
    assert closing.is_alive()
    may_end.set()
    closing.join(60)
    reading.join(60)
    assert not closing.is_alive()


def test_events_are_read_by_a_thread_and_kept_by_the_loop_alone(built: Path) -> None:
    """What a thread changed while a stream goes through it would end that stream."""
    feed = Feed(Reader(built / ".assetforge", "pipeline.yaml"))
    found = feed.look()
    assert found
    assert len(feed._rows) == feed.last == 0
    feed._take(found)
    assert [row.number for row in feed._rows] == [row.number for row in found]
    assert asyncio.run(feed._after(found[-3].number)) == found[-2:]
    assert JobFinished.__name__ in found[-1].text or json.loads(found[-1].text)
    feed.close()


# Daemons


class Daemons(Supervisor):
    """Starts a small program in place of the daemon."""

    def __init__(self, folder: Path, program: str) -> None:
        super().__init__(folder / "pipeline.yaml", folder, "pipeline.yaml")
        self.program, self.starts = program, 0

    def _start(self) -> None:
        self.starts += 1
        super()._start()

    def until(self, starts: int) -> None:
        """Look after it until it was started so often."""

        def looked() -> bool:
            self.check()
            return self.starts >= starts

        wait_for(looked)


@pytest.fixture
def popen(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Let supervisors run their own program; gives the options that each was started with."""
    options: list[dict[str, Any]] = []
    real = supervising.subprocess.Popen

    def start(command: list[str], **more: Any) -> Any:
        options.append(more)
        return real([sys.executable, "-S", "-c", Path(command[-1]).with_name("program").read_text()], **more)

    monkeypatch.setattr(supervising.subprocess, "Popen", start)
    return options


def daemons(folder: Path, program: str) -> Daemons:
    (folder / "program").write_text(program)
    return Daemons(folder, program)


def test_a_daemon_that_crashes_again_and_again_is_started_less_and_less(
    tmp_path: Path, popen: list[dict[str, Any]]
) -> None:
    supervisor = daemons(tmp_path, "import os; os.kill(os.getpid(), 11)")
    supervisor.until(2)  # once, it may have been killed by somebody
    wait_for(lambda: supervisor._child and supervisor._child.poll() is not None)
    supervisor.check()
    assert supervisor._due - supervisor._began >= 0.5
    assert supervisor.problem == "the daemon was ended by signal 11"
    supervisor.stop()


def test_ctrl_c_is_for_the_server_which_ends_the_daemon_in_good_order(
    tmp_path: Path, popen: list[dict[str, Any]]
) -> None:
    """A second signal would end it at once, in the middle of its work."""
    supervisor = daemons(tmp_path, "import time; time.sleep(60)")
    supervisor.until(1)
    child = supervisor._child
    assert child is not None
    assert os.getpgid(child.pid) == child.pid != os.getpgid(0)
    supervisor.stop()
    assert child.poll() == -15
    supervisor.check()
    assert supervisor.starts == 1  # none begins after the end


def test_a_daemon_that_runs_already_is_left_to_its_work(tmp_path: Path, popen: list[dict[str, Any]]) -> None:
    supervisor = daemons(tmp_path, "")
    with FileLock(_file(tmp_path, "pipeline.yaml", "lock")):
        supervisor.check()
        assert supervisor.starts == 0
    supervisor.until(1)
    supervisor.stop()


def test_a_daemon_that_cannot_be_started_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(supervising.subprocess, "Popen", full)
    supervisor = Supervisor(tmp_path / "pipeline.yaml", tmp_path, "pipeline.yaml")
    supervisor.check()
    assert "Cannot allocate memory" in supervisor.problem


def test_an_old_problem_is_not_told_while_a_daemon_runs(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served.project.supervisor, "problem", "no such step")
    assert served.project.problem == "no such step"
    monkeypatch.setattr(served.project, "status", lambda: {"pid": 1})
    assert served.project.problem == ""


def test_a_service_whose_tasks_have_died_still_ends_its_daemons(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[bool] = []
    service = Service([], served.access, served.limits)

    async def dies() -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(service, "run", dies)
    monkeypatch.setattr(service, "close", lambda: ended.append(True))
    with pytest.raises(RuntimeError), TestClient(make_app(service, {HOST}), f"http://{HOST}") as client:
        assert client.get("/healthz").status_code == 200
    assert ended == [True]


# Connections


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def trickle(port: int, start: bytes, drop: bytes) -> bytes:
    """Send the start of a request, and then a drop again and again; return the answer once the server has hung up."""
    answer = b""
    async with connected(port) as (reader, writer):
        writer.write(start.replace(b"PORT", str(port).encode()))
        with suppress(ConnectionError):
            while True:
                writer.write(drop)
                with suppress(TimeoutError):
                    piece = await asyncio.wait_for(reader.read(65536), 0.1)
                    if not piece:
                        break
                    answer += piece
    return answer


HOST_LINE = b"Host: 127.0.0.1:PORT\r\n"
SILENT: tuple[tuple[bytes, bytes], ...] = (
    (b"", b""),
    (b"GET / HT", b""),
    (b"GET /healthz HTTP/1.1\r\n" + HOST_LINE + b"\r\n", b"200 OK"),
    (b"GET /healthz HTTP/1.1\r\n" + HOST_LINE + b"\r\nGET /", b"200 OK"),
    (b"PUT / HTTP/1.1\r\nContent-Length: 999999\r\n" + HOST_LINE + b"\r\n", b"403 Forbidden"),
    (
        b"POST /api/v1/session HTTP/1.1\r\nOrigin: http://127.0.0.1:PORT\r\nContent-Length: 99\r\n"
        + HOST_LINE
        + b"\r\n",
        b"408 Request Timeout",
    ),
)
"""Starts of requests, each with what is answered before the server hangs up."""


def test_who_sends_no_request_or_takes_no_answer_is_hung_up_on(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """And who trickles: all connections are counted together, so that a stranger's would keep others out."""
    import uvicorn

    monkeypatch.setattr(Connection, "patience", 0.4)
    monkeypatch.setattr(served.service, "limits", ServeLimits(patience=0.4))
    monkeypatch.setattr(served.service, "run", lambda: asyncio.sleep(60))
    monkeypatch.setattr(served.service, "close", lambda: None)

    async def reads_nothing(port: int, connections: set[Any]) -> None:
        ask = b"GET /static/three.js HTTP/1.1\r\n" + HOST_LINE.replace(b"PORT", str(port).encode()) + b"\r\n"
        async with connected(port) as (_, writer):
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(40 * ask)
            while not connections:
                await asyncio.sleep(0.01)
            while connections:
                await asyncio.sleep(0.01)

    async def all_of_them(server: uvicorn.Server, listening: socket.socket) -> None:
        running = asyncio.create_task(server.serve([listening]))
        port = listening.getsockname()[1]
        async with asyncio.timeout(60):
            for drop in (b"", b"x"):
                answers = await asyncio.gather(*(trickle(port, start, drop) for start, _ in SILENT))
                assert [said in answer for answer, (_, said) in zip(answers, SILENT, strict=True)] == [True] * len(
                    SILENT
                )
                assert answers[:2] == [b"", b""]
            await reads_nothing(port, server.server_state.connections)
        server.should_exit = True
        await running

    with bind(Address(port=0)) as listening:
        app = make_app(served.service, own_hosts(Address(), listening.getsockname()[1]))
        asyncio.run(all_of_them(uvicorn.Server(configure(app, Address())), listening))


def test_connections_without_end_leave_files_for_those_that_are_there(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is an open file: without any more, the state could not be read."""
    import uvicorn

    monkeypatch.setattr("assetforge.serve.server._MOST_CONNECTIONS", 4)
    monkeypatch.setattr("assetforge.serve.connections.SPARE", 3)
    monkeypatch.setattr(served.service, "run", lambda: asyncio.sleep(60))
    monkeypatch.setattr(served.service, "close", lambda: None)

    async def health(port: int, connection: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bytes:
        reader, writer = connection
        with suppress(ConnectionError):
            writer.write(b"GET /healthz HTTP/1.1\r\n" + HOST_LINE.replace(b"PORT", str(port).encode()) + b"\r\n")
            return (await reader.readline()).strip()
        return b""

    async def all_of_them(server: uvicorn.Server, listening: socket.socket) -> None:
        running = asyncio.create_task(server.serve([listening]))
        port = listening.getsockname()[1]
        async with asyncio.timeout(PATIENCE / 2), AsyncExitStack() as stack:  # sooner than who says nothing
            there = [await stack.enter_async_context(connected(port)) for _ in range(20)]
            for reader, _ in there[7:]:
                with suppress(ConnectionError):
                    assert await reader.read() == b""  # hung up on, without a word
            assert await health(port, there[6]) == b"HTTP/1.1 503 Service Unavailable"
        async with asyncio.timeout(60):
            while server.server_state.connections:
                await asyncio.sleep(0.01)
            async with connected(port) as connection:
                assert await health(port, connection) == b"HTTP/1.1 200 OK"
        server.should_exit = True
        await running

    with bind(Address(port=0)) as listening:
        app = make_app(served.service, own_hosts(Address(), listening.getsockname()[1]))
        asyncio.run(all_of_them(uvicorn.Server(configure(app, Address())), listening))


# Pipelines of strangers


def test_a_confined_pipeline_keeps_its_state_inside_and_its_daemon_is_confined(
    tmp_path: Path, serve: Callable[..., Server]
) -> None:
    folder = write_project(tmp_path / "project", assets=0)
    text = (folder / "pipeline.yaml").read_text()
    (folder / "pipeline.yaml").write_text(f"{text}state: ../elsewhere\n")
    refused = shared().run(folder, "serve", "pipeline.yaml", "--confine", ".", "--new-token", "anna")
    assert (refused.code, "state: leads out of" in refused.err) == (2, True)
    assert not (tmp_path / "elsewhere").exists()
    (folder / "pipeline.yaml").write_text(f"{text}watch: {{on_done: {{run: [touch, x]}}}}\n")
    server = serve(folder, "pipeline.yaml", "--confine", ".")
    log = folder / ".assetforge" / "serve-watch.log"
    wait_for(lambda: log.exists() and "is not allowed by --confine" in log.read_text())
    assert server.stop() == 0


def test_a_state_that_a_profile_names_is_the_one_that_is_served(tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text("version: 1\nprofiles: {night: {state: dark, sources: moon}}\n")
    served = Place("pipeline", tmp_path / "pipeline.yaml", "night")
    assert (served.state, served.sources) == (tmp_path / "dark", tmp_path / "moon")
    assert Place("pipeline", tmp_path / "pipeline.yaml").state == tmp_path / ".assetforge"
