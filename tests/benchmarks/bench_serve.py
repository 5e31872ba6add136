"""The web service under load: how soon it is there, how soon it tells, how many it carries, and whether it grows.

What takes minutes has the mark `slow`: `make soak` runs it.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from benchmarks.figures import Figures
from commands import shared
from execute.conftest import write_project
from filelock import FileLock
from looks import start_browser
from serve.conftest import Server, made, serve, wait_for
from serve.test_browser import CARDS
from serve.test_browser import wait_for as seen
from serve.test_live import STATE, P, daemon_pid, following, memory, ready
from watch.conftest import picture

from assetforge.events import StepProgress
from assetforge.store.daemon_status import _file
from assetforge.store.event_log import PERIOD, EventLog, events_after
from assetforge.store.schema import open_database

FIRST_PAGE, MEMORY = 1.0, 80.0
LATE = 1.0
ASSETS, LIST, ROWS, FIRST_ANSWER = 10_000, 1.5, 300, 60_000
STREAMS, RATE, STREAM_SECONDS, CORE = 50, 10, 15, 0.05
ACCEPTED = QUEUED = 1.0
SOAK, GROWTH = 600.0, 10.0
CPU = "s CPU"

__all__ = ["serve"]
Serve = Callable[..., Server]


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def p95(taken: list[float]) -> float:
    return sorted(taken)[int(0.95 * len(taken))]


def test_start(tmp_path: Path, serve: Serve, figures: Figures) -> None:
    folder = write_project(tmp_path / "project", assets=1)
    taken, computed, held = [], [], []
    for _ in range(3):
        began = time.monotonic()
        server = serve(folder, "pipeline.yaml")
        assert httpx.get(f"{server.base}/enter").status_code == 200
        taken.append(time.monotonic() - began)
        computed.append(cpu_seconds(server.process.pid))
        with server.client() as client:
            ready(client)
            made(partial(client.get, f"{P}/views/a00"))
        held.append(memory(server.process.pid))
        server.stop()
    figures.measured("the first page is there after", min(taken), most=FIRST_PAGE, on_clock=True)
    figures.measured("for that, the service computes", min(computed), CPU)
    figures.measured("the service holds", max(held), "MiB", most=MEMORY)


@pytest.mark.browser
def test_what_happens_is_on_screen_soon(tmp_path: Path, serve: Serve, figures: Figures) -> None:
    """From the event of another process to the card of the page that says so."""
    server = serve(write_project(tmp_path / "project", assets=0), "pipeline.yaml")
    watch_cards = """
        window.at = {};
        const look = () => document.querySelectorAll(".af-card").forEach((card) => {
            if (!card.querySelector("[data-state=done]")) return;
            window.at[card.querySelector(".af-name").textContent] ??= Date.now() / 1000;
        });
        new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
    """
    with ExitStack() as stack:
        browser = start_browser()
        stack.callback(browser.quit)
        browser.get(server.entry)
        seen(browser, "return document.querySelector('.af-count')?.textContent.startsWith('No asset')")
        browser.execute_script(watch_cards)
        for number in range(60):
            (server.folder / "textures" / f"n{999 - number}_d.png").write_bytes(picture(number))  # so it comes first
            time.sleep(0.25 + 0.01 * number)
        seen(browser, "return Object.keys(window.at).length === 60", 120)
        shown = browser.execute_script("return window.at")
    ended = {
        one.event.asset: one.time  # type: ignore[union-attr]
        for one in events_after(server.folder / STATE, "pipeline.yaml", 0, 10_000)
        if type(one.event).__name__ == "JobFinished"
    }
    taken = [shown[name] - ended[name] for name in shown]
    figures.measured("what happens is on screen after, median", sorted(taken)[len(taken) // 2])
    figures.measured("the same, 95th percentile", p95(taken), most=LATE, on_clock=True)


@pytest.fixture
def large(tmp_path: Path, serve: Serve) -> Iterator[Server]:
    """A server over a state of many assets, all of them rows like that of one which was built. Its daemon is away."""
    folder = write_project(tmp_path / "project", assets=1)
    assert shared().run(folder, "watch", "pipeline.yaml", "--once").code == 0
    with closing(sqlite3.connect(folder / STATE)) as database:
        for table, columns in (("jobs", "signature, sources, facts"),
                               ("outputs", "path, key, sha256, size, mtime_ns, ctime_ns, inode")):  # fmt: skip
            database.execute(f"""
                with recursive n(i) as (select 1 union all select i + 1 from n where i < {ASSETS - 1})
                insert into {table} (pipeline, asset, {columns})
                select pipeline, printf('material_%05d', i), {columns} from {table}, n
            """)
        database.commit()
    with FileLock(_file(folder / ".assetforge", "pipeline.yaml", "lock")):
        yield serve(folder, "pipeline.yaml")


@pytest.mark.browser
def test_many_assets_are_listed_fast(large: Server, figures: Figures) -> None:
    with large.client() as client:
        began, computed = time.monotonic(), cpu_seconds(large.process.pid)
        answer = client.get(f"{P}/assets")
        taken, computed = time.monotonic() - began, cpu_seconds(large.process.pid) - computed
        assert answer.json()["total"] == ASSETS
    figures.measured(f"the first answer about {ASSETS} assets is there after", taken)
    figures.measured("for that, the service computes", computed, CPU)
    figures.measured("the answer has", len(answer.content), "bytes", most=FIRST_ANSWER)
    with ExitStack() as stack:
        browser = start_browser(1600, 1200)
        stack.callback(browser.quit)
        browser.get(large.entry)
        loaded = f"return {CARDS}.length >= 20 && document.querySelector('.af-count').textContent === '{ASSETS} assets'"
        seen(browser, loaded)
        browser.get("about:blank")
        began = time.monotonic()
        browser.get(f"{large.base}/")
        seen(browser, loaded)
        listed = time.monotonic() - began
        most = browser.execute_script("return document.querySelectorAll('.af-card').length")
        for part in range(1, 6):
            browser.execute_script(
                "const grid = document.querySelector('af-grid'); grid.scrollTop = grid.scrollHeight * arguments[0]",
                part / 5,
            )
            seen(browser, f"return {CARDS}.length >= 20")
            most = max(most, browser.execute_script("return document.querySelectorAll('.af-card').length"))
    figures.measured(f"{ASSETS} assets are listed after", listed, most=LIST, on_clock=True)
    figures.measured("rows in the page, at most", most, "", most=ROWS)


def test_many_followers_cost_little(tmp_path: Path, serve: Serve, figures: Figures) -> None:
    """Another process writes events as a run does, in batches; each arrives at each follower."""
    server = serve(write_project(tmp_path / "project", assets=0), "pipeline.yaml")
    host, _, port = server.base.removeprefix("http://").partition(":")
    arrived: list[list[tuple[int, float]]] = [[] for _ in range(STREAMS)]
    with server.client() as client:
        after = ready(client)["event"]
    head = f"GET {P}/events?after={after} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {server.token()}"

    async def follow(into: list[tuple[int, float]]) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"{head}\r\n\r\n".encode())
        while len(into) < RATE * STREAM_SECONDS:
            line = await reader.readline()
            if line.startswith(b"id: "):
                into.append((int(line[4:]), time.time()))
        writer.close()

    async def write() -> None:
        with closing(open_database(server.folder / STATE)) as database:
            log = EventLog(database, server.folder / STATE, "pipeline.yaml")
            log.begin("bench")
            for number in range(RATE * STREAM_SECONDS):
                log.add(StepProgress(f"a{number}", "work", number / 1000))
                _write_due(log)
                await asyncio.sleep(1 / RATE)
            await asyncio.sleep(PERIOD)
            log.write()

    async def both() -> tuple[float, float]:
        followers = [asyncio.create_task(follow(into)) for into in arrived]
        await asyncio.sleep(1)
        began, computed = time.monotonic(), cpu_seconds(server.process.pid)
        async with asyncio.timeout(120):
            await asyncio.gather(write(), *followers)
        return cpu_seconds(server.process.pid) - computed, time.monotonic() - began

    computed, taken = asyncio.run(both())
    written = {one.number: one.time for one in events_after(server.folder / STATE, "pipeline.yaml", after, 10_000)}
    late = [at - written[number] for into in arrived for number, at in into]
    what = f"{len(late)} events to {STREAMS} followers"
    for into in arrived:
        assert [number for number, _ in into] == list(written)[: RATE * STREAM_SECONDS]
    figures.measured(f"{what}, part of a core", computed / taken, "", most=CORE)
    figures.measured(f"{what} arrive after, 95th percentile", p95(late), most=LATE, on_clock=True)


def photograph(seed: int) -> bytes:
    """Return a JPEG of 12 million pixels, as a phone makes them."""
    rough = np.random.default_rng(seed).integers(0, 255, (756, 1008, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", cv2.resize(rough, (4032, 3024), interpolation=cv2.INTER_CUBIC))[1].tobytes()


def test_two_photographs_are_taken_at_once(tmp_path: Path, serve: Serve, figures: Figures) -> None:
    folder = write_project(tmp_path / "project", assets=0)
    text = (folder / "pipeline.yaml").read_text()
    (folder / "pipeline.yaml").write_text(text.replace('"{name}_d.png"', '"{name}_d.*", guide: "{name}_guide.*"'))
    photos = {"base_color": photograph(1), "guide": photograph(2)}
    server = serve(folder, "pipeline.yaml")
    accepted, queued = [], []
    with server.client() as client:
        ready(client)
        cpu = cpu_seconds(server.process.pid)
        for number in range(5):
            key, began = uuid.uuid4(), time.monotonic()
            for name, content in photos.items():
                assert client.put(f"{P}/incoming/{key}/{name}", content=content).status_code == 201
            answer = client.post(f"{P}/incoming/{key}", json={"fields": {"name": f"wall{number}"}})
            assert answer.status_code == 202, answer.text
            accepted.append(time.monotonic() - began)
            where, began = answer.json()["href"], time.monotonic()
            wait_for(lambda where=where: client.get(where).json()["state"] in ("queued", "building", "done"))
            queued.append(time.monotonic() - began)
            wait_for(lambda where=where: client.get(where, params={"wait": 30}).json()["state"] == "done")
        cpu = cpu_seconds(server.process.pid) - cpu
    size = sum(map(len, photos.values())) / 1e6
    what = f"two photographs of {size:.0f} MB"
    figures.measured(f"{what} are accepted after", sorted(accepted)[2], most=ACCEPTED, on_clock=True)
    figures.measured(f"{what} are queued after, from there", sorted(queued)[2], most=QUEUED, on_clock=True)
    figures.measured("for that, the service computes", cpu / 5, CPU)


@contextmanager
def many_following(client: httpx.Client, count: int) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(following(client, client.get(P).json()["event"]))
        yield


@pytest.mark.slow
def test_soak(tmp_path: Path, serve: Serve, figures: Figures) -> None:
    """Uploads, pages, previews and followers that come and go: what the server holds must not grow."""
    server = serve(write_project(tmp_path / "project", assets=0), "pipeline.yaml")
    held: list[tuple[float, float]] = []
    limits = httpx.Limits(max_connections=None)
    with (
        server.client() as client,
        httpx.Client(base_url=server.base, headers=client.headers, timeout=60, limits=limits) as followers,
    ):
        ready(client)
        began = time.monotonic()
        for round_ in itertools.count():
            name = f"m{round_ % 20:03}"
            key = uuid.uuid4()
            client.put(f"{P}/incoming/{key}/base_color", content=picture(round_))
            sent = client.post(f"{P}/incoming/{key}", json={"fields": {"name": name}, "replace": True})
            assert sent.status_code == 202, sent.text
            with many_following(followers, 5):
                for path in (P, f"{P}/assets?limit=500", f"{P}/assets/{name}?wait=5", f"{P}/views/{name}", f"{P}/runs"):
                    assert made(partial(client.get, path)).status_code == 200, path
                for shown in made(partial(client.get, f"{P}/views/{name}")).json()["outputs"]:
                    client.get(shown["url"])
            client.put(f"{P}/incoming/{uuid.uuid4()}/base_color", content=b"no picture")
            at = time.monotonic() - began
            held.append((at, memory(server.process.pid)))
            if at > SOAK:
                break
            time.sleep(max(0.0, round_ + 1 - at))
    quarters = [max(mib for at, mib in held if at <= SOAK * part / 4) for part in (1, 2, 3)] + [held[-1][1]]
    files = len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
    assert daemon_pid(server.folder)
    times = ("at first", "after a quarter", "after a half", "after three quarters", "at last")
    for when, mib in zip(times, (held[0][1], *quarters), strict=True):
        figures.measured(f"held in {len(held)} rounds of {SOAK:.0f} s, {when}", mib, "MiB")
    figures.measured("grown from a quarter to the end", quarters[-1] - quarters[0], "MiB", most=GROWTH)
    figures.measured("open files", files, "", most=60)


def _write_due(log: EventLog) -> None:
    if log.due <= 0:
        log.write()
