"""Assets, in lists and one by one: state, files, flags and logs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response

from assetforge.flags import SEVERITIES
from assetforge.serve.endpoints.call import Call, file_url, url
from assetforge.serve.problems import ServeError
from assetforge.serve.project import Project
from assetforge.store.reader import ENDED, STATES, AssetRecord, Row

_LONGEST_WAIT = 60.0
_FAILED = ("failed", "quarantined")


async def page(call: Call) -> Response:
    """Answer with assets by name, page by page."""
    state, limit = call.text("state"), call.number("limit", 100)
    if state and state not in STATES:
        raise ServeError(400, "state", "is none", f"one of {', '.join(STATES)}")
    project = call.project

    def found() -> dict[str, Any]:
        page = project.reader.assets(
            project.said(call.sender),
            state=state,
            text=call.text("q"),
            after=call.text("after"),
            offset=call.number("offset", 0),
            limit=limit,
            who=call.owner,
        )
        return {"items": _rows(page.rows, project), "next": page.next, "total": page.total}

    return JSONResponse(await asyncio.to_thread(found))


def _rows(rows: Sequence[Row], project: Project) -> list[dict[str, Any]]:
    """Return what lists show of assets."""
    reader, built = project.reader, [row.asset for row in rows if row.state == "done"]
    progress = reader.progress() if any(row.state == "building" for row in rows) else {}
    versions, flags = reader.versions(built), reader.flags_of(built)
    failures = {row.asset: reader.failure(row.asset) for row in rows if row.state in _FAILED}
    flags |= {asset: [dict(flag) for flag in one.flags] for asset, one in failures.items() if one.flags}
    found = []
    for row in rows:
        data: dict[str, Any] = {"name": row.asset, "state": row.state}
        if row.error:
            data["error"] = row.error
        if row.state == "building" and row.asset in progress:
            data["step"], data["fraction"] = progress[row.asset]
        if row.state == "done":
            version = quote(versions.get(row.asset, "")[:16])  # or browsers show the picture that they have
            data["thumb"] = f"{url(project, 'thumbs', row.asset)}?version={version}"
        elif row.asset in failures and (shown := [one for one in failures[row.asset].sources if any(one.holds)]):
            data["thumb"] = f"{url(project, 'thumbs', row.asset)}?version={quote(shown[0].sha256[:16])}"
        if row.asset in flags:
            severities = [one.get("severity") for one in flags[row.asset]]
            data["flagged"] = {"count": len(severities), "worst": max(severities, key=_rank)}
        found.append(data)
    return found


def _rank(severity: object) -> int:
    """Tell how severe a severity is, beside others; no severity is the least one."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1


async def about(call: Call) -> Response:
    """Answer at once, or when the asset has ended."""
    project, until = call.project, time.monotonic() + min(call.number("wait", 0), _LONGEST_WAIT)
    wanted = call.text("until") or "done"
    if wanted != "done" and wanted not in STATES:
        raise ServeError(400, "until", "is none", f"done, or one of {', '.join(STATES)}")
    states = ENDED if wanted == "done" else (wanted,)
    while True:
        row, is_seen = await asyncio.to_thread(seen_row, call, call.asset)
        left = until - time.monotonic()
        if row.state in states or left <= 0 or project.feed.is_ending:
            return JSONResponse(await asyncio.to_thread(_asset_data, call, row) if is_seen else _sent_data(row))
        await project.feed.wait(min(left, 1.0))


def seen_row(call: Call, asset: str) -> tuple[Row, bool]:
    """Return how it stands with an asset, and whether the user may see it, or only what they have sent to be it."""
    if call.seen([asset]):
        return call.project.row(asset, call.sender), True
    return call.project.sent_row(asset, call.owner), False


def _sent_data(row: Row) -> dict[str, Any]:
    data: dict[str, Any] = {"name": row.asset, "state": row.state, "sources": [], "outputs": [], "flags": []}
    return data | ({"error": row.error} if row.error else {})


def _asset_data(call: Call, row: Row) -> dict[str, Any]:
    project = call.project
    record, last, jobs = project.record(row.asset), project.last_finish(row.asset), project.jobs_of(row.asset)
    (data,) = _rows([row], project)
    if row.state == "queued":
        data["queue"] = project.place_in_queue(row.asset)
    if jobs != [row.asset]:
        data["variants"] = _rows(project.rows(jobs, call.sender), project)
    data |= {"sources": [], "outputs": [], "flags": flags_of(row, record, last)}
    if last is not None:
        data["finished"], data["seconds"] = last[0], last[1].get("seconds", 0.0)
    data["log"] = url(project, "logs", row.asset)
    for kind, files in (("sources", project.sources_of(row.asset)), ("outputs", record.outputs if record else ())):
        data[kind] = [
            {
                "file": one.name,
                "sha256": one.sha256,
                "maps": [held["map"] for held in one.holds if "map" in held],
                "href": file_url(project, row.asset, one.name),
            }
            for one in files
        ]
    return data


def flags_of(
    row: Row, record: AssetRecord | None, last: tuple[float, Mapping[str, Any]] | None
) -> list[Mapping[str, Any]]:
    """Return what is doubtful, the worst first: about the result, or as the step said that has failed."""
    failed = last[1].get("flags", ()) if last else ()
    found = failed if row.state in _FAILED else record.flags if record else ()
    return sorted(found, key=lambda flag: -_rank(flag.get("severity")))


async def log(call: Call) -> Response:
    """Answer with what the job of an asset printed."""
    await asyncio.to_thread(call.project.row, call.asset)
    return PlainTextResponse(await asyncio.to_thread(call.project.log, call.asset))


async def file(call: Call) -> Response:
    """Answer with one of the files of an asset."""
    found, path = await asyncio.to_thread(call.project.file, call.asset, call.text("name"))
    name = found.name.rpartition("/")[2]
    return FileResponse(path, media_type="application/octet-stream", filename=name)
