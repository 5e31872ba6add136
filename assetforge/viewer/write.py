"""Writes the report of a run as a folder that opens from a file, and without scripts as a table.

What belongs to a run is in files that are named by their content, and the first page is written last: who looks at a
report while it is written anew sees the old one or the new one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from assetforge.codecs.atomic import write_atomically, write_errors_of
from assetforge.errors import UsageError, printable
from assetforge.report import Report
from assetforge.viewer.bundle import STATIC, classic_script
from assetforge.viewer.data import ShownAsset, asset_data, face, picture_data, row_data
from assetforge.viewer.page import Row, problems_of, report_page, summary_of
from assetforge.viewer.preview import LIST_SIDE
from assetforge.viewer.previews import Preview, Previews

INDEX = "index.html"
MARK = ".assetforge-report"
"""Tells that a folder is a report, so that its files may be replaced."""
PARTS = ("data", "logs", "thumbs", "viewer")
"""The folders of a report, which hold nothing else."""
PICTURES = ("thumbs/0.webp", "logs/0.png", "viewer/icon.png")
"""Files that are like those of any report, which a pattern of sources may match."""
SIDES = ((200, 1024), (1000, 768))
"""The side of previews of maps for so many assets at most; `LEAST_SIDE` for more."""
LEAST_SIDE = 512
_COPIED = ("viewer.css", "theme.js", "three.js", "icon.png")
_AHEAD = 32
"""Assets whose previews are made at once."""


def check_report_folder(option: str, folder: Path) -> None:
    """Raise UsageError where a folder may not become a report: it is a file, or holds what is not ours."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(option, f"{folder} is a file", "name a folder")
    if (folder / MARK).exists() or not folder.is_dir():
        return
    first = next((path.name for path in sorted(folder.iterdir())), None)
    if first is not None:
        raise UsageError(option, f"{folder} holds other files ({first})", "name a new or empty folder, or a report")


def side_for(assets: int) -> int:
    """Return the longer side of previews of maps: of many assets they are smaller, so that a report can be sent."""
    return next((side for most, side in SIDES if assets <= most), LEAST_SIDE)


def write_report(
    folder: Path, report: Report, assets: Sequence[ShownAsset], previews: Previews | None, home: Path
) -> None:
    """Write the report of a run into a folder; what is there already and the same is left alone.

    assets: as `shown_assets` gives them. previews: None where pictures are not wanted. home: the folder that names of
    files are relative to. Raises UsageError or OutputError where the folder cannot be written.
    """
    check_report_folder("--html", folder)
    writer = _Writer(folder, home, side_for(len(assets)))
    writer.put_named(MARK, b"")
    rows: list[Row] = []
    listed = []
    for asset, made in _with_previews(assets, previews, writer.side):
        row, shown = writer.asset(asset, made)
        listed.append(row)
        rows.append(shown)
    index = writer.put("data", "index-", ".js", _call("index", _run(report, listed)))
    writer.put_static()
    page = report_page(report, report.pipeline, rows, index)
    writer.put_named(INDEX, page.encode(errors="backslashreplace"))
    writer.prune()


@dataclass(frozen=True)
class _Made:
    """The previews of an asset."""

    sources: Sequence[Preview] = ()
    outputs: Sequence[Preview] = ()
    thumbs: Mapping[str, Preview] | None = None


def _with_previews(
    assets: Sequence[ShownAsset], previews: Previews | None, side: int
) -> Iterator[tuple[ShownAsset, _Made]]:
    """Yield each asset with its previews, some at a time, so that memory does not grow with their number."""
    if previews is None:
        yield from ((asset, _Made()) for asset in assets)
        return
    for start in range(0, len(assets), _AHEAD):
        some = assets[start : start + _AHEAD]
        wanted = [want for asset in some for want in _wanted(asset, side)]
        made = {(one.picture, one.side): one for one in previews.make(dict.fromkeys(wanted))}
        for asset in some:
            faces = {"before": face(asset.sources), "after": face(asset.outputs)}
            yield (
                asset,
                _Made(
                    [made[picture, side] for picture in asset.sources],
                    [made[picture, side] for picture in asset.outputs],
                    {name: made[picture, LIST_SIDE] for name, picture in faces.items() if picture},
                ),
            )


def _wanted(asset: ShownAsset, side: int) -> Iterator[tuple[Any, int]]:
    """Yield the previews of an asset, those of one file together."""
    faces = (face(asset.sources), face(asset.outputs))
    for picture in (*asset.sources, *asset.outputs):
        yield picture, side
        if picture in faces:
            yield picture, LIST_SIDE


def _run(report: Report, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "title": printable(report.pipeline),
        "summary": summary_of(report),
        "counts": {state: count for state, count in report.counts.items() if count},
        "flagged": report.flagged,
        "problems": list(problems_of(report)),
        "rows": rows,
    }


class _Writer:
    """Puts files into the folder of a report."""

    def __init__(self, folder: Path, home: Path, side: int) -> None:
        self.folder, self.side = folder, side
        self._up = os.path.relpath(home, folder)
        self._kept: set[Path] = set()

    def put(self, part: str, prefix: str, suffix: str, content: bytes) -> str:
        """Put a file that is named by its content into a part of the report; return its name."""
        name = f"{prefix}{hashlib.blake2b(content, digest_size=10).hexdigest()}{suffix}"
        path = self.folder / part / name
        self._kept.add(path)
        if not path.exists():
            write_atomically(path, content)
        return name

    def put_named(self, name: str, content: bytes) -> None:
        """Put a file of a fixed name there, unless it is there already."""
        path = self.folder / name
        self._kept.add(path)
        with write_errors_of(path):
            same = path.is_file() and path.read_bytes() == content
        if not same:
            write_atomically(path, content)

    def put_static(self) -> None:
        """Put what all reports share there."""
        for name in _COPIED:
            self.put_named(f"viewer/{name}", (STATIC / name).read_bytes())
        self.put_named("viewer/report.js", classic_script("report").encode())

    def asset(self, asset: ShownAsset, made: _Made) -> tuple[dict[str, Any], Row]:
        """Put an asset's data, thumbnails and log there; return its row of the list, and of the table."""
        thumbs = [self._thumb((made.thumbs or {}).get(name)) for name in ("before", "after")]
        log = self._beside("logs", ".txt", asset.log.encode(errors="backslashreplace"))
        drawn = self._beside("logs", ".png", asset.drawn)
        sources, outputs = ([self._picture(one) for one in some] for some in (made.sources, made.outputs))
        data = asset_data(asset, sources, outputs, self._href, drawn)
        chunk = hashlib.blake2b(_json(data), digest_size=10).hexdigest()
        self.put_named(f"data/{chunk}.js", _call("asset", chunk, data))
        return row_data(asset, thumbs, chunk), (asset.job, thumbs, log)

    def _beside(self, part: str, suffix: str, content: bytes) -> str:
        return f"{part}/{self.put(part, '', suffix, content)}" if content else ""

    def _thumb(self, preview: Preview | None) -> str:
        content = _content(preview) if preview else b""
        return self.put("thumbs", "", ".webp", content) if content else ""

    def _picture(self, preview: Preview) -> dict[str, Any]:
        content = _content(preview)
        shown = {"base64": base64.b64encode(content).decode()} if content else {}
        return picture_data(preview, self._href(preview.picture.file), shown)

    def _href(self, file: str) -> str:
        """Return what leads from the report to a file of the project."""
        return quote(os.path.normpath(f"{self._up}/{file}").replace(os.sep, "/"), errors="surrogateescape")

    def prune(self) -> None:
        """Remove the files of an earlier report that this one has not."""
        for part in PARTS:
            for path in (self.folder / part).glob("*"):
                if path not in self._kept:
                    with suppress(OSError):
                        path.unlink()


def _content(preview: Preview) -> bytes:
    """Return a preview's file; nothing where there is none, or it was removed meanwhile."""
    try:
        return b"" if preview.problem else preview.path.read_bytes()
    except OSError:
        return b""


def _call(function: str, *arguments: Any) -> bytes:
    """Return a script that hands values over; no text in it can end the script."""
    given = b", ".join(map(_json, arguments))
    return b"assetforge." + function.encode() + b"(" + given + b");\n"


def _json(data: Any) -> bytes:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str)
    text = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return text.encode(errors="backslashreplace")
