"""The latest runs."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.responses import JSONResponse, Response

from assetforge.serve.endpoints.call import Call
from assetforge.serve.problems import ServeError
from assetforge.store.reader import RunRecord


async def latest(call: Call) -> Response:
    """Answer with the latest runs."""
    limit = call.number("limit", 50)
    found = await asyncio.to_thread(call.project.reader.runs, limit)
    return JSONResponse({"items": [_run_data(call, one) for one in found]})


def _run_data(call: Call, run: RunRecord) -> dict[str, Any]:
    """Return a run; how much others have had done is nobody's business where uploads are private."""
    return run.data | ({"counts": {}} if call.owner else {})


async def one(call: Call) -> Response:
    """Answer with one run, and how its jobs have ended."""
    project, name = call.project, str(call.request.path_params["run"])
    found = await asyncio.to_thread(project.reader.run, name)
    if found is None:
        raise ServeError(404, name[:200], "is no run, or is not remembered any more", "see the list of runs")
    shown = "asset", "state", "seconds", "error"
    jobs = await asyncio.to_thread(project.reader.finished_in, name)
    seen = {*await asyncio.to_thread(call.seen, [str(job.get("asset")) for job in jobs])}
    told = [{key: job.get(key) for key in shown} for job in jobs if str(job.get("asset")) in seen]
    return JSONResponse({**_run_data(call, found), "jobs": told})
