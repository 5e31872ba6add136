"""An interrupt at any moment of a run ends it in good order: all who tell of it agree, and the next run goes on."""

from __future__ import annotations

import os
import random
from pathlib import Path

from commands import shared
from execute.conftest import REPORTS, Run, outputs, read_reports, write_project

MOMENTS = int(os.environ.get("ASSETFORGE_INTERRUPTS", "10"))
"""How many moments to try; over 200 were tried before this was published."""
LINES = 36_000
"""That a run of two assets executes."""


def test_an_interrupt_before_any_line_ends_a_run_in_good_order(tmp_path: Path, run: Run) -> None:
    project = write_project(tmp_path, assets=2)
    rng, length = random.Random(3), LINES // MOMENTS
    for begin in range(1, LINES, length):  # a moment of each part, as most of what goes wrong does so at the end
        for report in ("report.json", "junit.xml"):
            (project / report).unlink(missing_ok=True)
        line = rng.randrange(begin, begin + length)
        done = shared().run(project, "run", "pipeline.yaml", "--force", *REPORTS, interrupted_at=line)
        assert "Traceback" not in done.err, line
        if done.code == 130:
            assert "interrupted" in done.err, line
        if (project / "report.json").exists():  # else not even the options were read
            ran = read_reports(done.code, done.out, done.err, project)
            assert ran.code in (0, 130), line
        else:
            assert done.code == 130, line
    assert run(project).code == 0
    assert not list((project / ".assetforge" / "runs").glob("*/"))
    right = outputs(project)
    assert run(project, "--force").code == 0
    assert outputs(project) == right
