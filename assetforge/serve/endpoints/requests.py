"""What the daemon is asked to do, and what became of it."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.responses import JSONResponse, Response

from assetforge.serve.endpoints.call import Call, url
from assetforge.serve.problems import ServeError
from assetforge.serve.project import not_here
from assetforge.serve.uploads import json_of
from assetforge.store.requests import opened_requests

_LARGEST = 2**63
"""Numbers of requests are smaller."""


async def ask(call: Call) -> Response:
    """Write down what the daemon is asked to do."""
    data = await json_of(call.request, call.service.limits)
    verb, names = data.get("verb"), data.get("assets", [])
    if verb not in ("retry", "rebuild", "cancel", "hurry", "pause", "resume"):
        raise ServeError(422, "verb", "is none", "retry, rebuild, cancel, hurry, pause or resume")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ServeError(422, "assets", "is no list of names", "see /docs")
    if verb in ("rebuild", "cancel", "hurry") and not names:
        raise ServeError(422, "assets", "is empty", "name some")
    project, most = call.project, call.service.limits.waiting

    def written_down() -> int:
        names = _asked_assets(call, verb, data.get("assets", []))
        with opened_requests(project.reader.path, project.id) as log:
            if log.waiting(call.user.name) >= most:
                raise ServeError(429, "requests", f"of yours that wait are {most} already", "wait for the daemon")
            return log.ask(verb, {"assets": names}, call.user.name)

    number = await asyncio.to_thread(written_down)
    where = url(project, "requests", str(number))
    return JSONResponse({"id": number, "href": where}, 202, {"location": where})


def _asked_assets(call: Call, verb: str, names: list[str]) -> list[str]:
    """Return the assets that something is asked for; raise ServeError where that is not the user's business."""
    if not call.owner:
        return names
    if verb in ("pause", "resume"):
        raise ServeError(403, call.user.name, f"may not {verb} what others have uploaded", "ask who runs the server")
    unseen = {*names} - {*call.seen(names)}
    if unseen:
        raise not_here(min(unseen))
    names = names or call.project.reader.all_owned(call.owner)  # as no names would be everybody's
    if not names:
        raise ServeError(422, "assets", "are none of yours", "upload some")
    return names


async def answer(call: Call) -> Response:
    """Answer with what became of a request."""
    project, number = call.project, int(call.request.path_params["number"])

    def find() -> Any:
        with opened_requests(project.reader.path, project.id) as log:
            return log.find(number)

    found = await asyncio.to_thread(find) if number < _LARGEST else None
    if found is None or call.owner not in ("", found.who):
        raise ServeError(404, str(number)[:200], "is no request", "ask again")
    return JSONResponse({"id": number, "verb": found.verb, "done": found.done is not None, "answer": found.answer})
