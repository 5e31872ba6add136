"""The daemon notices what its pipeline is made of, and itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from execute.conftest import write_project

from assetforge.build import Build
from assetforge.watch.references import References


def test_another_version_of_assetforge_is_noticed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Build(write_project(tmp_path / "project", assets=1) / "pipeline.yaml") as build:
        references = References(build)
    assert references.upgrade() == ""
    installed = tmp_path / "site" / "assetforge-99.1.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: assetforge\nVersion: 99.1\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert references.upgrade() == "99.1"
    assert references.upgrade() == ""


def test_modules_that_plugins_share_are_watched(tmp_path: Path) -> None:
    project = write_project(tmp_path, assets=1)
    plugin = project / "plugins" / "work.py"
    plugin.write_text(plugin.read_text().replace("class Params", "from .shared import x\n\n\nclass Params"))
    (project / "plugins" / "shared").mkdir()
    shared = project / "plugins" / "shared" / "__init__.py"
    shared.write_text("x = 1")
    with Build(project / "pipeline.yaml") as build:
        references = References(build)
    assert references.changed() is None
    shared.write_text("x = 10")
    assert references.changed() == shared
