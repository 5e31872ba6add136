"""What README and docs show is so: pipelines are right, commands exist, plugins load, examples run, links resolve."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from commands import shared
from conftest import ROOT

from assetforge.cli.group import COMMANDS, cli
from assetforge.cli.reference import update
from assetforge.pipeline.load import load, read_document, special_variants
from assetforge.plugins import load as load_plugins

README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, ROOT / "CONTRIBUTING.md", *DOCS]
LONGEST_README = 200
BASE: dict[str, Any] = {"version": 1, "inputs": {"base_color": "{name}_d.png"}}
"""What a page leaves out where it shows a part of a pipeline."""
RUN = "<!-- run -->\n"
"""Stands before a block of commands that run as they stand; all blocks of a page run in one folder."""
FOREIGN = ("python", "python3", "pip", "git", "pytest", "cd", "ruff", "mypy", "lint-imports")
"""Commands of others, of which only the name is checked."""


def blocks(page: Path, language: str, before: str = "") -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^{re.escape(before)}```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def ids(page: Path) -> str:
    return page.stem


def having(language: str, before: str = "") -> list[Path]:
    return [page for page in PAGES if blocks(page, language, before)]


def commands(page: Path) -> list[list[str]]:
    lines = [line for block in blocks(page, "console") for line in block.splitlines() if line.startswith("$ ")]
    return [shlex.split(line[2:], comments=True) for line in lines]


def project(folder: Path) -> Path:
    """Give a folder all plugins that the pages show, so that their pipelines may use them."""
    (folder / "plugins").mkdir()
    for page in PAGES:
        for number, source in enumerate(plugins_on(page)):
            (folder / "plugins" / f"{page.stem}_{number}.py").write_text(source, encoding="utf-8")
    return folder


def plugins_on(page: Path) -> list[str]:
    return [source for source in blocks(page, "python") if "@af.hookimpl" in source]


def touch_files_in(text: str, folder: Path) -> None:
    """Let the files be there that a pipeline names in its parameters."""
    for name in re.findall(r"(?<![\w}*?])[\w/-]+\.(?:png|safetensors|pth)\b(?!\.)", text):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= LONGEST_README


def test_the_reference_is_that_of_the_code() -> None:
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert update(text) == text, "run `make docs`"


@pytest.mark.parametrize("page", having("yaml"), ids=ids)
def test_pipelines_are_right(page: Path, tmp_path: Path) -> None:
    registry = load_plugins(project(tmp_path))
    assert registry.broken == ()
    for number, text in enumerate(blocks(page, "yaml")):
        touch_files_in(text, tmp_path)
        shown = yaml.safe_load(text)
        file = tmp_path / f"{number}.yaml"
        if "forge.yaml" in text.partition("\n")[0]:  # values of one asset
            steps = [{"use": key.partition(".")[0]} for key in shown if "." in key]
            file.write_text(yaml.safe_dump({**BASE, "steps": steps}), encoding="utf-8")
            (tmp_path / "own.forge.yaml").write_text(text, encoding="utf-8")
            assert special_variants(load(read_document(file), registry), registry, [tmp_path / "own.forge.yaml"])
            continue
        part = {**BASE, "steps": [{"use": "upscale"}], **shown}
        file.write_text(text if "version" in shown else yaml.safe_dump(part), encoding="utf-8")
        assert load(read_document(file), registry).variants


def test_plugins_load(tmp_path: Path) -> None:
    registry = load_plugins(project(tmp_path), training=True)
    assert registry.broken == ()
    assert {"bake_occlusion", "brighten", "wetness"} <= {*registry.steps, *registry.recipes, *registry.maps}


@pytest.mark.parametrize("page", [page for page in having("python") if len(blocks(page, "python")) > 1], ids=ids)
def test_tests_of_plugins_pass(page: Path, tmp_path: Path) -> None:
    project(tmp_path)
    tests = [source for source in blocks(page, "python") if "def test_" in source]
    assert tests
    for number, source in enumerate(tests):
        (tmp_path / f"test_{number}.py").write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", having("console"), ids=ids)
def test_commands_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for words in commands(page):
        match words:
            case ["assetforge" | ".venv/bin/assetforge", *arguments]:
                check_call(arguments)
            case ["make", *targets]:
                assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets), words
            case ["pip", "install", what]:
                check_extras(what)
            case [program, *_]:
                assert program.rpartition("/")[2] in FOREIGN, words


def check_call(arguments: list[str]) -> None:
    """Check that a command and its options exist, and that the pipelines that we ship are there."""
    command: click.Command = cli
    with click.Context(cli) as context:
        words = iter(arguments)
        for word in words:
            if isinstance(command, click.Group) and not word.startswith("-"):
                found = command.get_command(context, word)
                assert found is not None, arguments
                command = found
            elif word.startswith("pipelines/"):
                assert (ROOT / word).is_file(), arguments
            elif word.startswith("-") and word != "-":
                known = {option for one in command.params for option in one.opts} | {"--help", "-h"}
                assert word.partition("=")[0] in known, arguments


def check_extras(what: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra in re.findall(r"\[([\w,]+)\]", what):
        assert set(extra.split(",")) <= extras.keys(), what


def forge(arguments: list[str], folder: Path) -> list[str]:
    done = shared().run(folder, *arguments)
    assert done.code == 0, done.err
    return done.out.splitlines()


@pytest.mark.parametrize("page", having("console", RUN), ids=ids)
def test_commands_do_what_is_shown(page: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "pipelines", tmp_path / "pipelines", ignore=shutil.ignore_patterns(".assetforge"))
    for block in blocks(page, "console", RUN):
        for call, *shown in calls_in(block):
            [program, *arguments] = shlex.split(call, comments=True)
            assert program == "assetforge"
            printed = iter(forge(arguments, tmp_path))
            for line in shown:
                pattern = ".*".join(map(re.escape, line.split("…")))
                assert any(re.fullmatch(pattern, one) for one in printed), f"{call} does not print {line!r}"


def calls_in(block: str) -> Iterator[list[str]]:
    """Give each command of a block with the lines that it prints."""
    for call in block.removeprefix("$ ").split("\n$ "):
        yield call.splitlines()


def test_examples_for_build_servers_call_what_there_is() -> None:
    page = ROOT / "docs" / "build_servers.md"
    [actions], [jenkins] = blocks(page, "yml"), blocks(page, "groovy")
    runs = [step["run"] for step in yaml.safe_load(actions)["jobs"]["textures"]["steps"] if "run" in step]
    calls = re.findall(r"assetforge (run [^'\n]*)", "\n".join(runs) + jenkins)
    assert len(calls) == 2
    for call in calls:
        check_call(call.split())
    assert not {int(code) for code in re.findall(r"^\| (\d+) \|", page.read_text(encoding="utf-8"), re.MULTILINE)} ^ {
        0, 1, 2, 3, 4, 130
    }  # fmt: skip


def test_the_service_calls_what_there_is() -> None:
    [service] = blocks(ROOT / "docs" / "watching.md", "ini")
    [call] = re.findall(r"^ExecStart=\S+/assetforge (.*)$", service, re.MULTILINE)
    check_call(call.split())


def test_commands_that_text_names_exist() -> None:
    for page in PAGES:
        for name in re.findall(r"`assetforge ([a-z]+)", page.read_text(encoding="utf-8")):
            assert name in COMMANDS, f"{page.name}: assetforge {name}"


def slug(heading: str) -> str:
    """Return the anchor of a heading, as GitHub and mkdocs make it."""
    text = re.sub(r"[^\w\- ]", "", heading.replace("`", "").strip().lower())
    return re.sub(r"\s", "-", text)


def anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_resolve(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert page not in DOCS or target.is_relative_to(ROOT / "docs"), f"{link} is not on the web site"
        assert not anchor or anchor in anchors(target), link


def test_the_web_site_has_every_page() -> None:
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))

    def pages(entry: Any) -> Iterator[str]:
        if isinstance(entry, str):
            yield entry
        for inner in entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ():
            yield from pages(inner)

    assert sorted(pages(config["nav"])) == [page.name for page in DOCS]


def test_the_first_page_leads_to_every_page() -> None:
    links = set(re.findall(r"\]\((\w+\.md)", (ROOT / "docs" / "index.md").read_text(encoding="utf-8")))
    assert links == {page.name for page in DOCS} - {"index.md"}


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_nothing_of_one_machine_is_shown(page: Path) -> None:
    assert not re.search(r"(?<![\w.])/(home|root|work|tmp)/", page.read_text(encoding="utf-8"))


def texts_of_the_code() -> str:
    """Return all texts in the code, with what is filled in left out."""
    found = []
    for file in [*(ROOT / "assetforge").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("\0".join(part.value for part in node.values if isinstance(part, ast.Constant)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\0".join(found)


def test_messages_of_troubleshooting_are_those_of_the_program() -> None:
    """Between `…` and `; `, which parts of a message are put together with, each piece is a text in the code."""
    texts = texts_of_the_code()
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    messages = re.findall(r"^\| `(.+?)` \| ", page, re.MULTILINE)
    assert len(messages) > 50
    for message in messages:
        for piece in re.split(r"…|; |\(|\)", message):
            assert piece.strip(" ?,.:×") in texts, f"{message}: {piece!r} is no text of the program"


def test_the_layers_are_those_of_the_import_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = [re.findall(r"`(\w+)`", cell) for cell in re.findall(r"^\| \d+ \| (.*?) \|", page, re.MULTILINE)]
    assert [sorted(names) for names in shown] == [sorted(layer.split(" | ")) for layer in layers]


LONGEST = {"run": 25, "nothing": 3, "watch": 8, "upload": 18, "multiply": 14}
"""Files that each journey of CONTRIBUTING.md passes at most: who reads the code reads them."""


def test_the_journeys_are_short_and_pass_files_that_are_there() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    journeys = re.findall(r"<!-- journey: (\w+) -->\n(.*?)\n#", page, re.DOTALL)
    assert [name for name, _ in journeys] == list(LONGEST)
    for name, text in journeys:
        folder = ROOT / ("plugins/assetforge_multiply" if name == "multiply" else "assetforge")
        files = set(re.findall(r"`([\w/]+\.py)`", text))
        assert not [file for file in files if not (folder / file).is_file()]
        assert len(files) <= LONGEST[name]
