"""Previews of the maps of an asset, which are made when they are first asked for."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

from starlette.responses import FileResponse, JSONResponse, Response

from assetforge.serve.endpoints.assets import flags_of
from assetforge.serve.endpoints.call import Call, file_url, url
from assetforge.serve.problems import ServeError
from assetforge.serve.project import Project
from assetforge.viewer.data import picture_data
from assetforge.viewer.pictures import Picture
from assetforge.viewer.previews import Preview, Wanted

_MAKING = 1.0
"""Seconds that a request waits for previews: browsers ask for six things of a server at a time, and no more."""
SIDES = (256, 2048)
"""Pixels of previews: for lists, and for maps."""


async def view(call: Call) -> Response:
    """Answer with all that the viewer shows of an asset, once there are previews of its maps."""
    sources, outputs = await asyncio.to_thread(call.project.pictures, call.asset)
    made = await _made(call.project, [(one, SIDES[1]) for one in (*sources, *outputs)])
    if made is None:
        return _later()
    before, after = made[: len(sources)], made[len(sources) :]
    return JSONResponse(await asyncio.to_thread(_view_data, call, before, after))


def _view_data(call: Call, sources: list[Preview], outputs: list[Preview]) -> dict[str, Any]:
    """Return an asset as the elements of the viewer take it, with previews of all maps."""
    project, asset = call.project, call.asset
    row, last = project.row(asset, call.sender), project.last_finish(asset)
    record = project.record(asset)
    seconds = float(last[1].get("seconds", 0.0)) if last else 0.0
    return {
        "name": asset,
        "base": asset,
        "state": row.state,
        "error": row.error,
        "seconds": round(seconds, 2),
        "reasons": [],
        "flags": flags_of(row, record, last),
        "notes": {},
        "files": [
            {"file": one.name, "href": file_url(project, asset, one.name)} for one in (record.outputs if record else ())
        ],
        "log": "",
        "log_text": project.log(asset),
        "drawn": "",
        "sources": [_picture(project, asset, one) for one in sources],
        "outputs": [_picture(project, asset, one) for one in outputs],
    }


async def preview(call: Call) -> Response:
    """Answer with the preview of a map in one of the files of an asset."""
    project, side = call.project, call.number("side", SIDES[0])
    if side not in SIDES:
        raise ServeError(400, "side", "is none", f"one of {SIDES}")
    sources, outputs = await asyncio.to_thread(project.pictures, call.asset)
    wanted, name = call.text("file"), call.text("map")
    found = [one for one in (*outputs, *sources) if one.file == wanted and name in ("", one.spec.name)]
    if not found:
        raise ServeError(404, wanted[:200], "is no picture of this asset", "see the asset for its files")
    return await _answer(project, found[0], side, call)


async def thumbnail(call: Call) -> Response:
    """Answer with the picture that stands for an asset."""
    sources, outputs = await asyncio.to_thread(call.project.pictures, call.asset)
    if await asyncio.to_thread(call.project.failed_sources, call.asset):
        outputs = []  # they are of an earlier time
    if not (found := call.service.face(outputs) or call.service.face(sources)):
        raise ServeError(404, call.asset[:200], "has no picture", "build it")
    return await _answer(call.project, found, SIDES[0], call)


async def _answer(project: Project, picture: Picture, side: int, call: Call) -> Response:
    await asyncio.to_thread(project.file, call.asset, picture.file)
    found = await _made(project, [(picture, side)])
    if found is None:
        return _later()
    (made,) = found
    if made.problem:
        raise ServeError(415, picture.file, made.problem, "download the file")
    same = call.text("v") == picture.sha256
    headers = {"cache-control": "private, max-age=31536000, immutable" if same else "private, no-cache"}
    return FileResponse(made.path, media_type="image/webp", headers=headers)


async def _made(project: Project, wanted: list[Wanted]) -> list[Preview] | None:
    """Return previews, or None where they are still being made; no thread waits for them."""
    begun = await asyncio.to_thread(lambda: [project.previews.begin(*one) for one in wanted])
    futures = [one for one in begun if one is not None]
    waited_for = [asyncio.wrap_future(one) for one in futures if not one.done()]
    pending = (await asyncio.wait(waited_for, timeout=_MAKING))[1] if waited_for else ()
    if pending or len(futures) < len(wanted):
        return None
    made = [one.result() for one in futures]
    for picture, side in wanted:
        project.previews.told(picture, side)
    return made


def _later() -> Response:
    """Return the answer that says when to ask again."""
    return JSONResponse({"detail": "is being made"}, 202, {"retry-after": "1"})


def _picture(project: Project, asset: str, preview: Preview) -> dict[str, Any]:
    one = preview.picture
    query = f"file={quote(one.file)}&map={one.spec.name}&side={SIDES[1]}&v={one.sha256}"
    return picture_data(
        preview, file_url(project, asset, one.file), {"url": f"{url(project, 'pictures', asset)}?{query}"}
    )
