"""The examples of the guide do what it says, as they stand there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from execute.conftest import write_project
from serve.conftest import Server, wait_for
from test_docs import blocks
from watch.conftest import picture

from assetforge.serve.endpoints import BASE

GUIDE = ROOT / "docs" / "serve.md"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(write_project(tmp_path_factory.mktemp("examples") / "project", assets=0), "pipeline.yaml")
    with started.client() as client:
        wait_for(lambda: client.get(f"{BASE}/pipelines/pipeline").status_code == 200)
    yield started
    started.stop()


def run(command: list[str], server: Server, folder: Path) -> None:
    environment = {**os.environ, "ASSETFORGE_URL": server.base, "ASSETFORGE_TOKEN": server.token()}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_python_example_gets_maps_of_a_picture(server: Server, tmp_path: Path) -> None:
    (tmp_path / "moss.png").write_bytes(picture(1))
    (code,) = blocks(GUIDE, "python")
    run([sys.executable, "-c", code], server, tmp_path)
    result = server.folder / "build" / "moss" / "moss_base_color.png"
    assert (tmp_path / "moss_base_color.png").read_bytes() == result.read_bytes()


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
def test_the_javascript_example_gets_maps_of_a_picture(server: Server, tmp_path: Path) -> None:
    (tmp_path / "fern.png").write_bytes(picture(2))
    (code,) = blocks(GUIDE, "javascript")
    run(["node", "--input-type=module", "-e", code], server, tmp_path)
    result = server.folder / "build" / "fern" / "fern_base_color.png"
    assert (tmp_path / "fern_base_color.png").read_bytes() == result.read_bytes()
