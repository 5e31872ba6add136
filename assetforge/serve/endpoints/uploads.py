"""Uploads: files one by one, and then the request that makes an asset of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from assetforge.serve.endpoints.assets import seen_row
from assetforge.serve.endpoints.call import Call, url
from assetforge.serve.problems import ServeError
from assetforge.serve.project import Project
from assetforge.serve.uploads import json_of
from assetforge.store.description import KEY
from assetforge.store.requests import opened_requests

_ANSWER = 20.0
"""Seconds that an upload waits for the daemon to take it, which may be starting."""
_PAUSE = 0.05


async def put(call: Call) -> Response:
    """Take in one file of an upload."""
    project, key, name = call.project, _key(call), str(call.request.path_params["map"])
    known = [one["map"] for one in (await asyncio.to_thread(lambda: project.description)).inputs]
    if name not in known:
        raise ServeError(404, name[:200], "is no input of this pipeline", f"one of {', '.join(known)}")
    if await asyncio.to_thread(_find, project, key):
        raise ServeError(409, key, "was sent already", "make a new key for a new upload")
    incoming = await asyncio.to_thread(lambda: project.incoming)
    return JSONResponse(await incoming.take(call.request, call.user.name, key, name), 201)


async def post(call: Call) -> Response:
    """Ask the daemon to make an asset of what was sent, and wait until it has taken it."""
    project, key = call.project, _key(call)
    data = await json_of(call.request, call.service.limits)
    found = await asyncio.to_thread(_find, project, key) or await asyncio.to_thread(_ask, call, key, data)
    if found.who != call.user.name:
        raise ServeError(409, key, "is another user's upload", "make a new key for a new upload")
    began = time.monotonic()
    while found.done is None and (waited := time.monotonic() - began) < _ANSWER and not project.feed.is_ending:
        await asyncio.sleep(max(_PAUSE, waited / 10))
        found = await asyncio.to_thread(_find, project, key) or found
    asset = str(found.what.get("asset", ""))
    if (others := found.answer.get("exists")) or (error := found.answer.get("error")):
        await asyncio.to_thread(_forget, project, found.number)
        if others:
            raise ServeError(409, asset, f"{', '.join(others)} is there already", "send `replace: true`", exists=others)
        raise ServeError(422, error["where"], error["what"], error["instead"])
    where = url(project, "assets", asset)
    state = "received" if found.done is None else (await asyncio.to_thread(seen_row, call, asset))[0].state
    return JSONResponse({"asset": asset, "state": state, "href": where}, 202, {"location": where})


def _key(call: Call) -> str:
    key = str(call.request.path_params["key"])
    if not KEY.fullmatch(key):
        raise ServeError(400, "key", "is no UUID", "make one: uuid.uuid4(), crypto.randomUUID()")
    return key


def _find(project: Project, key: str) -> Any:
    with opened_requests(project.reader.path, project.id) as log:
        return log.find_key(f"{project.id}/{key}")


def _forget(project: Project, number: int) -> None:
    with opened_requests(project.reader.path, project.id) as log:
        log.forget(number)


def _ask(call: Call, key: str, data: Mapping[str, Any]) -> Any:
    project, user = call.project, call.user
    fields, params = data.get("fields", {}), data.get("params", {})
    if not isinstance(fields, dict) or not isinstance(params, dict):
        raise ServeError(422, "body", "`fields` and `params` must be objects", "see /docs")
    asset, files = project.asset_of(fields), project.incoming.files(key, user.name)
    missing = [one["map"] for one in project.description.inputs if not one["optional"] and one["map"] not in files]
    if missing and not (call.seen([asset]) and project.record(asset)):
        raise ServeError(422, asset, f"{', '.join(missing)} is missing", "send it first, by PUT")
    what = {
        "key": key,
        "asset": asset,
        "files": files,
        "fields": {name: fields[name] for name in project.description.fields},
        "params": params,
        "replace": data.get("replace") is True,
        "private": bool(call.owner),
    }
    with opened_requests(project.reader.path, project.id) as log:
        return log.find(log.ask("receive", what, user.name, f"{project.id}/{key}"))
