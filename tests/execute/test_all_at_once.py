"""All commands against each other, in two pipelines of one project, while sources change: nobody hangs or breaks."""

from __future__ import annotations

import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from commands import shared
from conftest import Forge, write_texture

SECONDS = float(os.environ.get("ASSETFORGE_TOGETHER", "40"))
"""How long; 300 it was, before this was published."""
AT_ONCE = 5
PATIENCE = 120.0
"""Seconds that a command may take among so many others."""
BURST, REST = 5.0, 20.0
"""Seconds for which sources are changed, and are not: `watch --once` rightly waits while they are."""
COMMANDS = (
    ("run", "PIPELINE"), ("run", "PIPELINE", "--force"), ("run", "PIPELINE", "--only", "moss", "-D", "upscale.scale=4"),
    ("run", "PIPELINE", "--workers", "0"), ("watch", "PIPELINE", "--once"), ("plan", "PIPELINE"), ("check", "PIPELINE"),
    ("why", "PIPELINE", "brick"), ("status", "PIPELINE"), ("status", "PIPELINE", "--json"),
    ("store", "info", "PIPELINE"), ("store", "verify", "PIPELINE"), ("store", "prune", "PIPELINE", "--to-size", "0"),
    ("store", "prune", "PIPELINE", "--unused-for", "0d"),
)  # fmt: skip


@pytest.mark.slow
def test_all_commands_at_once_disturb_nobody(project: Path, forge: Forge) -> None:
    text = (project / "pipeline.yaml").read_text()
    (project / "other.yaml").write_text(text.replace("dir: build", "dir: other"))
    until = time.monotonic() + SECONDS
    with ThreadPoolExecutor(AT_ONCE + 1) as pool:
        changes = pool.submit(_change_sources, project, until)
        counts = list(pool.map(lambda seed: _commands(project, random.Random(seed), until), range(AT_ONCE)))
        changes.result()
    assert sum(counts) > AT_ONCE
    for pipeline, folder in (("pipeline.yaml", "build"), ("other.yaml", "other")):
        done = forge("run", pipeline)
        assert done.returncode == 0, done.stderr
        assert len([path for path in (project / folder).iterdir() if path.suffix == ".png"]) == 4
        assert forge("store", "verify", pipeline).returncode == 0
    assert not list((project / ".assetforge" / "runs").glob("*/"))


def _change_sources(project: Path, until: float) -> None:
    draw = random.Random(0)
    began = time.monotonic()
    while (now := time.monotonic()) < until:
        if (now - began) % (BURST + REST) > BURST:
            time.sleep(0.1)
            continue
        beside = write_texture(project / "new.png", draw.randrange(1000))
        beside.replace(project / "textures" / draw.choice(("moss_d.png", "sand_d.png")))
        time.sleep(draw.random() * 3)


def _commands(project: Path, draw: random.Random, until: float) -> int:
    count = 0
    while time.monotonic() < until:
        pipeline = draw.choice(("pipeline.yaml", "other.yaml"))
        arguments = [pipeline if part == "PIPELINE" else part for part in draw.choice(COMMANDS)]
        done = shared().run(project, *arguments)
        said = done.out + done.err
        assert "Traceback" not in said, (arguments, said)
        assert "damaged  " not in said, (arguments, said)
        expected = any(text in said for text in ("changed while it was", "is being watched already"))
        assert done.code == 0 or expected, (arguments, done.code, said)
        count += 1
    return count
