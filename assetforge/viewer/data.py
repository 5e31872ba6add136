"""What a page shows of assets, as JSON. The page and the static report read the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assetforge.flags import SEVERITIES, Flag
from assetforge.report import JobReport
from assetforge.viewer.pictures import Picture
from assetforge.viewer.previews import Preview

_FIRST = ("base_color", "diffuse_albedo", "render", "flash", "guide", "emission")
"""The maps that stand for an asset in lists, the best one first."""


@dataclass(frozen=True)
class ShownAsset:
    """An asset as a page shows it."""

    job: JobReport
    base: str = ""
    """The asset without its variant."""
    sources: tuple[Picture, ...] = ()
    outputs: tuple[Picture, ...] = ()
    log: str = ""
    """What its job printed when it was last built."""
    drawn: bytes = field(default=b"", repr=False)
    """A picture of its failure, as PNG."""


def picture_data(preview: Preview, href: str, shown: Mapping[str, str]) -> dict[str, Any]:
    """Return one map in one file; `href` leads to the file.

    shown: how the preview is had: `{"url": …}`, or `{"base64": …}`.
    """
    picture = preview.picture
    data = {
        "map": picture.spec.name,
        "kind": picture.spec.kind,
        "file": picture.file,
        "href": href,
        "channel": picture.reading.channel or "",
        "invert": picture.reading.invert,
        "green": picture.reading.green if picture.spec.kind == "vector" else "",
    }
    if preview.problem:
        return {**data, "problem": preview.problem}
    return {
        **data,
        "size": list(preview.size),
        "depth": preview.depth,
        "encoding": preview.encoding,
        **shown,
    }


def asset_data(
    asset: ShownAsset,
    sources: Sequence[Mapping[str, Any]],
    outputs: Sequence[Mapping[str, Any]],
    href: Callable[[str], str],
    drawn: str,
) -> dict[str, Any]:
    """Return all of an asset.

    sources, outputs: by `picture_data`. href: gives what leads to a file of the project. drawn: leads to the picture of
    its failure, or is empty.
    """
    job = asset.job
    return {
        "name": job.asset,
        "base": asset.base or job.asset,
        "state": job.state,
        "seconds": round(job.seconds, 2),
        "error": job.error,
        "reasons": list(job.reasons),
        "flags": [flag.data() for flag in _worst_first(job.flags)],
        "notes": dict(job.notes),
        "files": [{"file": name, "href": href(name)} for name in job.outputs],
        "log_text": asset.log,
        "drawn": drawn,
        "sources": list(sources),
        "outputs": list(outputs),
    }


def row_data(asset: ShownAsset, thumbs: Sequence[str], chunk: str) -> dict[str, Any]:
    """Return what a list shows of an asset; what is empty is left out, as there may be very many.

    thumbs: the files of two previews, of a source and of a result, either may be empty.
    """
    job = asset.job
    row = {
        "name": job.asset,
        "state": job.state,
        "seconds": round(job.seconds, 2),
        "error": job.error.partition("\n")[0][:200],
        "flags": len(job.flags),
        "worst": worst(job.flags),
        "before": thumbs[0],
        "after": thumbs[1],
        "chunk": chunk,
    }
    return {name: value for name, value in row.items() if value}


def worst(flags: Iterable[Flag]) -> str:
    """Return the greatest severity of flags, or nothing."""
    return max((flag.severity for flag in flags), key=SEVERITIES.index, default="")


def face(pictures: Iterable[Picture]) -> Picture | None:
    """Return the picture that stands for an asset in lists."""
    found = {picture.spec.name: picture for picture in reversed(tuple(pictures))}
    named = next((found[name] for name in _FIRST if name in found), None)
    return named or next(reversed(found.values()), None)


def _worst_first(flags: Iterable[Flag]) -> list[Flag]:
    return sorted(flags, key=lambda flag: -SEVERITIES.index(flag.severity))
