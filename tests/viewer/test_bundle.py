"""Our modules become one classic script, and what is vendored is what was recorded."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
from conftest import ROOT

from assetforge.viewer.bundle import STATIC, classic_script

OURS = sorted(path for path in STATIC.glob("*.js") if path.name != "three.js")


def write(folder: Path, **modules: str) -> Path:
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text)
    return folder


def test_a_module_comes_after_what_it_imports_and_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        a='import { b } from "./b.js";\nimport { c } from "./c.js";\nb(c);\n',
        b='import { c } from "./c.js";\nexport function b() { return c; }\n',
        c="export const c = 1;\n",
    )
    script = classic_script("a", tmp_path)
    places = [script.index(f"const module_{name} = ") for name in "cba"]
    assert places == sorted(places)
    assert script.count("const module_c = ") == 1
    assert "import" not in script
    assert "export" not in script


def test_a_module_gives_what_it_exports(tmp_path: Path) -> None:
    write(tmp_path, a="export const one = 1;\nexport async function two() {}\nexport class Three {}\nconst four = 4;\n")
    assert "return { one, two, Three };" in classic_script("a", tmp_path)


def test_an_import_for_its_effect_is_taken_in(tmp_path: Path) -> None:
    write(tmp_path, a='import "./b.js";\n', b="globalThis.b = 1;\n")
    assert "globalThis.b = 1" in classic_script("a", tmp_path)


def test_imports_in_a_circle_are_refused(tmp_path: Path) -> None:
    write(tmp_path, a='import "./b.js";\n', b='import "./a.js";\n')
    with pytest.raises(ValueError, match=r"a\.js: imports itself by way of a, b"):
        classic_script("a", tmp_path)


@pytest.mark.parametrize("line", ['import x from "./b.js";', "export default 1;", "export { a };", "import.meta.url;"])
def test_what_no_classic_script_can_have_is_refused(tmp_path: Path, line: str) -> None:
    write(tmp_path, a=line + "\n", b="")
    with pytest.raises(ValueError, match=r"a\.js: uses a kind"):
        classic_script("a", tmp_path)


def test_the_report_s_script_can_be_made() -> None:
    script = classic_script("report")
    assert not re.search(r"^(import|export)\b", script, re.MULTILINE)
    for element in ("af-grid", "af-compare", "af-tile", "af-material"):
        assert f'customElements.define("{element}"' in script


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_no_text_becomes_html_or_code(path: Path) -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|setAttribute\(\"style"
    assert not re.search(forbidden, path.read_text())


@pytest.mark.parametrize("path", [*OURS, STATIC / "viewer.css"], ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    assert not re.search(r"https?:|url\(|@import", path.read_text())


def test_three_is_what_was_recorded_and_has_its_license() -> None:
    recorded = json.loads((STATIC.parent / "vendor.json").read_text())
    content = (STATIC / "three.js").read_bytes()
    assert hashlib.sha256(content).hexdigest() == recorded["sha256"], "run `make viewer`"
    assert recorded["version"] in (STATIC.parent / "build" / "package.json").read_text()
    end = content[-1500:].decode()
    for words in ("The MIT License", "three.js authors", "WITHOUT WARRANTY OF ANY KIND"):
        assert words in end


def test_the_wheel_has_the_static_files_and_not_what_builds_them() -> None:
    import tomllib

    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert "assetforge" in built["packages"]
    assert built["exclude"] == ["assetforge/viewer/build"]
