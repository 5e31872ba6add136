"""Fails benchmarks whose bars are missed, and writes what all have measured as a page."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from benchmarks.figures import Figures, Page

PAGE = pytest.StashKey[Page]()


class MissedError(pytest.fail.Exception):
    """Bars are missed."""


class NotJudgedError(pytest.skip.Exception):
    """Bars cannot be judged now."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--figures", type=Path, metavar="FILE", help="write what is measured into this page of Markdown")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("figures", None):
        config.stash[PAGE] = Page()


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Where a test tells what it measures, with the bars."""
    made = Figures()
    if page := request.config.stash.get(PAGE, None):
        page.section(request.module).tests.append(made)
    return made


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Judge a test when it has measured everything."""
    result = yield
    figures = pyfuncitem.funcargs.get("figures")
    if isinstance(figures, Figures) and figures.missed:
        raise MissedError("\n".join(figures.missed), pytrace=False)
    if isinstance(figures, Figures) and figures.doubtful:
        raise NotJudgedError("; ".join(figures.doubtful))
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note what could not be measured; no message of an error, as it may name files of this machine."""
    report = yield
    page, error = item.config.stash.get(PAGE, None), call.excinfo
    if page and error and not error.errisinstance((MissedError, NotJudgedError)):
        why = error.exconly().partition(": ")[2] if report.skipped else f"failed ({error.typename})"
        page.section(item.module).not_measured.append(f"`{item.name}`: {why}")
    return report


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the page, also of what a run that is interrupted has measured until then."""
    page, file = session.config.stash.get(PAGE, None), session.config.getoption("figures", None)
    if page and file and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        text = file.read_text(encoding="utf-8")
        file.write_text(page.written_into(text), encoding="utf-8")
