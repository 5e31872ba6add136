"""What is printed orders nobody about, and what is written goes where it was asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Forge

from assetforge.cli.options import check_report, write_as_asked
from assetforge.cli.output import say


@pytest.mark.parametrize("order", ["::error file=a.py::no", "  ::add-mask::x", "##[error]no"])
def test_no_line_is_an_order_to_a_build_server(order: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(order)
    say(f"failed   brick: {order}\n{order}\nand std::vector", err=True)
    out, err = capsys.readouterr()
    for line in [*out.splitlines(), *err.splitlines()]:
        assert not line.strip().startswith(("::", "##["))
    assert order.strip() in err
    assert "std::vector" in err


@pytest.mark.parametrize("name", ["textures/brick_d.png", "pipeline.yaml"])
def test_a_report_replaces_no_source_and_no_pipeline(project: Path, forge: Forge, name: str) -> None:
    before = (project / name).read_bytes()
    for option in ("--report", "--junit"):
        done = forge("run", "pipeline.yaml", option, name)
        assert done.returncode == 2
        assert f"{option}: {name} is there already, and is no report" in done.stderr
    assert (project / name).read_bytes() == before
    assert not (project / "build").exists()


def test_a_report_goes_into_a_pipe_and_does_not_replace_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    check_report("--report", pipe)
    write_as_asked(pipe, "{}\n")
    assert os.read(reader, 100) == b"{}\n"
    os.close(reader)
    assert pipe.is_fifo()


def test_a_report_replaces_the_file_that_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "report.json")
    for text in ("{}\n", "{ }\n"):
        check_report("--report", tmp_path / "link")
        write_as_asked(tmp_path / "link", text)
        assert (tmp_path / "report.json").read_text() == text
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_a_command_whose_standard_streams_are_closed_goes_well(project: Path, closed: str) -> None:
    script = f'exec "$@" {closed}'
    done = subprocess.run(
        ["sh", "-c", script, "sh", sys.executable, "-m", "assetforge", "status", "pipeline.yaml", "--json"],
        cwd=project, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0
