"""A run and a watch are shown as they go: as lines, as a bar, and as a table."""

from __future__ import annotations

import io
from pathlib import Path
from unicodedata import category

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.live import Live
from rich.progress import Progress

from assetforge import events
from assetforge.cli.console import _ROWS, _Board, console
from assetforge.cli.reporter import _Bar, reporter, show_line, summary
from assetforge.flags import Flag
from assetforge.store.daemon_status import DaemonStatus

DOUBTFUL, TOLD = Flag("has a seam", "warning"), Flag("has 16 bits", "info")
ON_OUT: list[tuple[events.Event, str]] = [
    (events.JobFinished("brick", "done", 1.25), "done     brick (1.2 s)"),
    (events.JobFinished("brick", "up to date", 0), "up to date brick (0.0 s)"),
    (
        events.OutputRemoved("brick", "build/brick.png", "its sources are gone"),
        "removed  build/brick.png: its sources are gone",
    ),
    (events.RunFinished(1, 2, 3, 0, 4.0), "1 done, 2 failed, 3 up to date (4.0 s)"),
    (events.RunFinished(1, 2, 3, 4, 5.0, 6), "1 done, 2 failed, 4 quarantined, 3 up to date, 6 flagged (5.0 s)"),
    (events.Watching("textures", "events"), "watching textures"),
    (events.Watching("textures", "polling", "it is a share"), "watching textures, looking now and then: it is a share"),
    (events.NothingToDo(("brick", "tiles"), 2), "seen     brick, tiles: nothing to do"),
    (events.NothingToDo(("brick", "tiles"), 9), "seen     brick, tiles and 7 more: nothing to do"),
    (events.PipelineChanged("p.yaml"), "changed  p.yaml: planning anew"),
]
ON_ERR: list[tuple[events.Event, str]] = [
    (events.JobFinished("brick", "failed", 1, "no luck"), "failed   brick: no luck"),
    (events.JobFinished("brick", "failed", 1, "no luck", "a.log"), "failed   brick: no luck\n         its log: a.log"),
    (events.JobFinished("brick", "quarantined", 0, "failed 3 times"), "skipped  brick: failed 3 times"),
    (events.AttemptFailed("brick", "no luck"), "trouble  brick: no luck"),
    (events.StillWorking("brick", "upscale", 60.4, 600), "working  brick: upscale, 60 s so far (at most 600 s)"),
    (events.SourcesAway("textures"), "away     textures: it is not there; waiting until it is"),
    (events.Waiting("brick", "brick_n.png"), "waiting  brick: for brick_n.png"),
    (events.Ignored("a.part", "it is half a file"), "ignored  a.part: it is half a file"),
    (events.PipelineChanged("p.yaml", "no step"), "changed  p.yaml, but all goes on as before: no step"),
    (events.Trouble("the disk is full"), "trouble  the disk is full"),
]  # fmt: skip
SILENT: list[events.Event] = [
    events.RunStarted(1, 2),
    events.JobStarted("brick", ()),
    events.StepStarted("brick", "upscale", 60),
    events.StepProgress("brick", "upscale", 0.5),
    events.OutputWritten("brick", "build/brick.png"),
]


def shown(event: events.Event, capsys: pytest.CaptureFixture[str], *, verbose: bool = False) -> tuple[str, str]:
    show_line(event, verbose=verbose)
    out, err = capsys.readouterr()
    return out, err


@pytest.mark.parametrize(("event", "line"), ON_OUT, ids=str)
def test_results_are_lines_of_standard_output(
    event: events.Event, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(event, capsys) == (f"{line}\n", "")


@pytest.mark.parametrize(("event", "line"), ON_ERR, ids=str)
def test_trouble_is_lines_of_standard_error(event: events.Event, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(event, capsys) == ("", f"{line}\n")


@pytest.mark.parametrize("event", SILENT, ids=str)
def test_what_goes_on_is_no_line(event: events.Event, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(event, capsys) == ("", "")


def test_flags_follow_their_asset_and_tell_doubts_from_remarks(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = shown(events.JobFinished("brick", "done", 1, flags=(DOUBTFUL, TOLD)), capsys)
    assert out == "done     brick (1.0 s)\n"
    assert err == f"flagged  brick: {DOUBTFUL}\ninfo     brick: {TOLD}\n"


def test_what_steps_print_is_shown_on_demand_line_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "brick.log"
    log.write_bytes(b"first\n::error::second\n\xff")
    event = events.JobFinished("brick", "done", 1, log=str(log))
    assert shown(event, capsys)[1] == ""
    lines = shown(event, capsys, verbose=True)[1].splitlines()
    assert lines == ["         | first", "         | ::error::second", "         | \ufffd"]
    log.unlink()
    assert shown(event, capsys, verbose=True)[1] == ""


@given(st.text(min_size=1))
def test_no_name_makes_a_line_more_or_orders_a_terminal_about(name: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        out, err = io.StringIO(), io.StringIO()
        patch.setattr("sys.stdout", out)
        patch.setattr("sys.stderr", err)
        for event in (events.Waiting(name, name), events.JobFinished(name, "done", 1), events.SourcesAway(name)):
            show_line(event, verbose=False)
    assert out.getvalue().count("\n") == 1
    assert err.getvalue().count("\n") == 2
    printed = (out.getvalue() + err.getvalue()).replace("\n", "")
    assert not any(category(character) in ("Cc", "Cs", "Zl", "Zp") for character in printed)


@given(st.tuples(*[st.integers(0, 9)] * 4), st.integers(0, 9))
def test_the_summary_counts_all(counts: tuple[int, int, int, int], flagged: int) -> None:
    done, failed, current, quarantined = counts
    line = summary(events.RunFinished(done, failed, current, quarantined, 1.0, flagged))
    assert f"{done} done, {failed} failed" in line
    assert f"{current} up to date" in line
    assert ("quarantined" in line) == bool(quarantined)
    assert ("flagged" in line) == bool(flagged)


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=80, legacy_windows=False)


@settings(max_examples=20)
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True), st.data())
def test_the_bar_moves_by_parts_of_jobs_and_ends_full(assets: list[str], data: st.DataObject) -> None:
    progress = Progress(console=terminal())
    bar = _Bar(progress, verbose=False)
    bar.show(events.RunStarted(len(assets), 0))
    for asset in assets:
        bar.show(events.JobStarted(asset, ()))
    sums = dict.fromkeys(assets, 0.0)
    for asset, fraction in data.draw(st.lists(st.tuples(st.sampled_from(assets), st.floats(0, 1)), max_size=9)):
        bar.show(events.StepProgress(asset, "dim", fraction))
        sums[asset] = fraction
        assert progress.tasks[0].completed == pytest.approx(sum(sums.values()))
        assert progress.tasks[0].description == f"{asset}: dim"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", io.StringIO())
        for asset in assets:
            bar.show(events.JobFinished(asset, "done", 1.0))
    progress.stop()
    assert progress.tasks[0].completed == progress.tasks[0].total == len(assets)


def test_a_job_that_was_not_begun_does_not_move_the_bar(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(console=terminal())
    bar = _Bar(progress, verbose=False)
    bar.show(events.RunStarted(1, 1))
    bar.show(events.JobFinished("moss", "quarantined", 0, "failed before"))
    progress.stop()
    assert progress.tasks[0].completed == 0
    assert "skipped  moss: failed before" in capsys.readouterr().err


def test_without_a_terminal_there_is_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with reporter(verbose=False) as show:
        for event in SILENT:
            show(event)
        show(events.RunFinished(1, 0, 0, 0, 2.0))
    assert capsys.readouterr() == ("1 done, 0 failed, 0 up to date (2.0 s)\n", "")


def status(**changes: object) -> DaemonStatus:
    known: dict[str, object] = {
        "pid": 1, "since": 0.0, "folder": "textures", "how": "events", "building": (), "waiting": (),
        "waiting_count": 0, "arriving_count": 0, "incomplete": {}, "failed": {}, "done_count": 0,
    }  # fmt: skip
    return DaemonStatus(**{**known, **changes})  # type: ignore[arg-type]


def table(board: _Board, width: int = 80) -> list[str]:
    screen = Console(file=io.StringIO(), width=width, legacy_windows=False)
    screen.print(board._table())
    return [" ".join(line.split()) for line in screen.file.getvalue().splitlines()]  # type: ignore[attr-defined]


@pytest.fixture
def board() -> _Board:
    return _Board(Live(console=terminal(), auto_refresh=False), verbose=False)


def test_the_table_tells_what_is_built_what_waits_and_what_for(board: _Board) -> None:
    assert table(board) == ["looking at everything"]
    board.event(events.JobStarted("brick[seed=1]", ()))
    assert table(board)[-1] == "brick[seed=1] reading 0%"
    board.event(events.StepStarted("brick[seed=1]", "dim", 60))
    board.event(events.StepProgress("brick[seed=1]", "dim", 0.25))
    now = status(
        building=("brick[seed=1]",), waiting=("moss",), waiting_count=1, arriving_count=2, done_count=3,
        incomplete={"sand": "textures/sand_n.png"}, failed={"clay": "no luck"},
    )  # fmt: skip
    board.status(now)
    assert table(board) == [
        "textures (events): 1 waiting, 2 files arriving, 3 done, 1 failed",
        "brick[seed=1] dim 25%",
        "sand waiting for sand_n.png",
        "moss next",
    ]


def test_what_has_ended_leaves_the_table_whether_told_or_not(board: _Board, capsys: pytest.CaptureFixture[str]) -> None:
    for asset in ("brick", "moss"):
        board.event(events.JobStarted(asset, ()))
    board.event(events.JobFinished("brick", "done", 1.0))
    assert [line.split()[0] for line in table(board)[1:]] == ["moss"]
    board.status(status())  # it says that nothing is being built
    assert len(table(board)) == 1
    assert capsys.readouterr().out == "done     brick (1.0 s)\n"


def test_the_table_is_no_longer_than_a_terminal(board: _Board) -> None:
    many = tuple(f"a{n}" for n in range(100))
    for asset in many[:5]:
        board.event(events.JobStarted(asset, ()))
    board.status(status(building=many[:5], waiting=many[5:], incomplete=dict.fromkeys(many, "x.png")))
    assert len(table(board)) == 1 + 5 + _ROWS + (_ROWS - 5)


def test_without_a_terminal_there_is_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    with console(io.StringIO(), verbose=False) as (show, tell):
        show(events.Watching("textures", "events"))
        tell(status())
    assert capsys.readouterr().out == "watching textures\n"
