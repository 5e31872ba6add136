"""The report is a folder that needs no server, no network and no script."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from looks import asset, flat, gray, many, picture, report_of

from assetforge.errors import OutputError, UsageError
from assetforge.flags import Flag
from assetforge.viewer.data import ShownAsset
from assetforge.viewer.pictures import Picture
from assetforge.viewer.previews import Previews
from assetforge.viewer.write import INDEX, MARK, side_for, write_report

HOSTILE = "<img src=x onerror=alert(1)>\"'&</script><script>alert(1)</script>"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def previews(home: Path) -> Iterator[Previews]:
    with Previews(home / "previews") as made:
        yield made


@pytest.fixture(scope="module")
def brick(home: Path) -> ShownAsset:
    source = picture(home, "textures/brick_d", "base_color", flat(150, 60, 40))
    outputs = {
        "base_color": picture(home, "build/brick_base_color", "base_color", flat(160, 70, 50)),
        "height": picture(home, "build/brick_height", "height", gray(90)),
    }
    return asset("brick", outputs, (source,), seconds=1.5, reasons=("it is new",), notes={"upscale": {"psnr": 31.5}})


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(folder: Path) -> Page:
    return Page((folder / INDEX).read_text())


def chunk_of(folder: Path, name: str) -> dict[str, Any]:
    """Return what the chunk of an asset hands over."""
    (row,) = [row for row in rows_of(folder)["rows"] if row["name"] == name]
    text = (folder / "data" / f"{row['chunk']}.js").read_text()
    given = re.fullmatch(r'assetforge\.asset\("([0-9a-f]+)", (.*)\);\n', text)
    assert given is not None
    assert given[1] == row["chunk"]
    data: dict[str, Any] = json.loads(given[2])
    return data


def rows_of(folder: Path) -> dict[str, Any]:
    (index,) = (folder / "data").glob("index-*.js")
    run: dict[str, Any] = json.loads(index.read_text().removeprefix("assetforge.index(").removesuffix(");\n"))
    return run


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def report(home: Path, previews: Previews, brick: ShownAsset) -> Path:
    flag = Flag("is the same everywhere", "warning", "height", check="constant", by="validate")
    moss = replace(
        asset("moss", {}, state="failed", error="step `upscale`: crashed", flags=(flag,)), log="line 1\nline 2"
    )
    write_report(home / "report", report_of([brick, moss]), [brick, moss], previews, home)
    return home / "report"


def test_the_first_page_is_a_table_with_pictures(report: Path) -> None:
    page = page_of(report)
    assert len(page.of("tr")) == 3
    pictures = page.of("img")
    assert [image["alt"] for image in pictures] == ["Before", "After"]
    assert all((report / str(image["src"])).is_file() for image in pictures)
    for text in ("brick", "moss", "Failed", "step `upscale`: crashed", "is the same everywhere", "2 assets"):
        assert text in page.text


def test_the_table_links_to_logs(report: Path) -> None:
    (link,) = page_of(report).of("a")
    assert (report / str(link["href"])).read_text() == "line 1\nline 2"


def test_the_first_page_has_no_code_and_no_styles_in_it(report: Path) -> None:
    page = page_of(report)
    assert all(script["src"] for script in page.of("script"))
    assert not page.of("style")
    assert not any(name == "style" or name.startswith("on") for _, found in page.elements for name in found)


def test_all_that_the_first_page_names_is_in_the_folder(report: Path) -> None:
    page = page_of(report)
    named = [one["href"] for one in (*page.of("link"), *page.of("a"))]
    named += [one["src"] for one in (*page.of("script"), *page.of("img"))]
    assert all((report / str(name)).is_file() for name in named)


def test_an_asset_s_data_has_its_maps_as_base64(report: Path) -> None:
    data = chunk_of(report, "brick")
    assert [one["map"] for one in data["outputs"]] == ["base_color", "height"]
    assert [one["encoding"] for one in data["outputs"]] == ["plain", "height16"]
    assert all(one["base64"].startswith("UklGR") for one in (*data["sources"], *data["outputs"]))  # RIFF
    assert data["notes"] == {"upscale": {"psnr": 31.5}}


def test_links_to_real_files_are_relative(report: Path) -> None:
    data = chunk_of(report, "brick")
    links = [one["href"] for one in (*data["sources"], *data["outputs"], *data["files"])]
    assert "../build/brick_height.png" in links
    assert all((report / link).is_file() for link in links)


def test_a_failure_has_its_log_and_flags(report: Path) -> None:
    data = chunk_of(report, "moss")
    assert data["log_text"] == "line 1\nline 2"
    assert data["flags"][0]["check"] == "constant"


def test_a_report_says_nothing_of_where_it_was_made(report: Path, home: Path) -> None:
    texts = [content for name, content in files_of(report).items() if name.endswith((".html", ".js", ".txt"))]
    assert not any(str(home).encode() in text for text in texts)


def test_the_same_run_gives_the_same_files(tmp_path: Path, home: Path, previews: Previews, brick: ShownAsset) -> None:
    for name in ("one", "other"):
        write_report(home / name, report_of([brick]), [brick], previews, home)
    assert files_of(home / "one") == files_of(home / "other")


def test_a_report_written_anew_keeps_what_is_the_same_and_drops_the_rest(
    home: Path, previews: Previews, brick: ShownAsset
) -> None:
    folder = home / "again"
    gone = asset("gone", {}, state="failed", error="no")
    write_report(folder, report_of([brick, gone]), [brick, gone], previews, home)
    before = {name: (folder / name).stat().st_mtime_ns for name in files_of(folder)}
    write_report(folder, report_of([brick]), [brick], previews, home)
    after = {name: (folder / name).stat().st_mtime_ns for name in files_of(folder)}
    assert len([name for name in after if name.startswith("data/")]) == 2
    chunk = f"data/{rows_of(folder)['rows'][0]['chunk']}.js"
    assert after[chunk] == before[chunk]
    assert after["viewer/three.js"] == before["viewer/three.js"]


def test_the_first_page_is_written_last(home: Path, brick: ShownAsset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks at the old report meanwhile sees all of it: nothing that it names is gone."""
    from assetforge.viewer import write

    folder = home / "meanwhile"
    write_report(folder, report_of([brick]), [brick], None, home)
    old = {name for name in files_of(folder) if not name.startswith("viewer/")}
    written = write.write_atomically

    def watched(path: Path, data: bytes) -> None:
        if path.name == INDEX:
            assert old <= files_of(folder).keys()
            assert len(list((folder / "data").glob("index-*.js"))) == 2
        written(path, data)

    monkeypatch.setattr(write, "write_atomically", watched)
    other = asset("other", {})
    write_report(folder, report_of([other]), [other], None, home)
    assert "other" in page_of(folder).text


def test_a_report_that_was_cut_off_is_finished_by_the_next(home: Path, brick: ShownAsset) -> None:
    folder = home / "cut"
    (folder / "data").mkdir(parents=True)
    (folder / MARK).touch()
    (folder / "data" / "half.js").write_text("assetforge.ass")
    write_report(folder, report_of([brick]), [brick], None, home)
    assert not (folder / "data" / "half.js").exists()
    assert (folder / INDEX).is_file()


def test_a_folder_of_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "precious.js").touch()
    with pytest.raises(UsageError, match=r"holds other files \(data\); name a new or empty folder"):
        write_report(tmp_path, report_of([]), [], None, tmp_path)
    assert (tmp_path / "data" / "precious.js").exists()


def test_a_file_in_the_folder_s_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report").touch()
    with pytest.raises(UsageError, match="is a file; name a folder"):
        write_report(tmp_path / "report", report_of([]), [], None, tmp_path)


def test_a_report_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / MARK).touch()
    (tmp_path / INDEX).mkdir()
    with pytest.raises(OutputError, match=r"index\.html"):
        write_report(tmp_path, report_of([]), [], None, tmp_path)


@pytest.mark.parametrize("place", ["name", "error", "flag", "log", "reason", "problem"])
def test_no_text_becomes_html(tmp_path: Path, place: str) -> None:
    text = {key: HOSTILE if key == place else "text" for key in ("name", "error", "flag", "log", "reason", "problem")}
    flags = (Flag(text["flag"]),)
    one = asset(text["name"], {}, state="failed", error=text["error"], flags=flags, reasons=(text["reason"],))
    write_report(
        tmp_path,
        report_of([one.job and one], problems=(text["problem"],)),
        [replace(one, log=text["log"])],
        None,
        tmp_path,
    )
    page = page_of(tmp_path)
    assert len(page.of("script")) == 3
    assert not any("onerror" in attributes for _, attributes in page.elements)
    for path in (tmp_path / "data").glob("*.js"):
        assert "<" not in path.read_text()


def test_names_that_are_not_utf8_are_spelled(tmp_path: Path) -> None:
    one = asset("caf\udce9", {})
    write_report(tmp_path, report_of([one]), [one], None, tmp_path)
    assert "caf\\xe9" in page_of(tmp_path).text


def test_what_cannot_be_shown_says_why(home: Path, previews: Previews) -> None:
    broken = home / "broken.png"
    broken.write_bytes(b"no picture")
    shown = picture(home, "whole", "base_color", flat(1, 2, 3))
    bad = Picture("broken.png", broken, "3" * 64, shown.spec)
    one = asset("broken", {"base_color": bad}, (shown,))
    write_report(home / "problem", report_of([one]), [one], previews, home)
    data = chunk_of(home / "problem", "broken")
    assert "broken.png: is not a PNG" in data["outputs"][0]["problem"]
    assert "base64" in data["sources"][0]


def test_a_run_that_could_not_take_place_has_a_report(tmp_path: Path) -> None:
    write_report(tmp_path, report_of([], problems=("pipeline.yaml:3:1: unknown field",)), [], None, tmp_path)
    assert "pipeline.yaml:3:1: unknown field" in page_of(tmp_path).text
    assert rows_of(tmp_path)["problems"] == ["pipeline.yaml:3:1: unknown field"]


def test_an_interrupted_run_says_so(tmp_path: Path) -> None:
    write_report(tmp_path, report_of([], interrupted=True), [], None, tmp_path)
    assert "The run was interrupted." in page_of(tmp_path).text


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_the_index_of_many_assets_is_small(tmp_path: Path, home: Path, previews: Previews, count: int) -> None:
    shown = picture(home, "shown", "base_color", flat(90, 120, 60))
    assets = many(count, shown)
    write_report(tmp_path, report_of(assets), assets, previews, home)
    (index,) = (tmp_path / "data").glob("index-*.js")
    assert (tmp_path / INDEX).stat().st_size + index.stat().st_size < 3_000 * count
    assert len(page_of(tmp_path).of("tr")) == count + 1
    assert len(rows_of(tmp_path)["rows"]) == count


def test_previews_of_many_assets_are_smaller() -> None:
    assert [side_for(count) for count in (1, 200, 201, 1000, 1001)] == [1024, 1024, 768, 768, 512]
