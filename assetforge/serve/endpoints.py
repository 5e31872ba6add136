"""The API, as a table: the routes are made of it, and so is the document that describes them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse

import assetforge
from assetforge.flags import SEVERITIES
from assetforge.serve.access import Right, User
from assetforge.serve.feed import MOST_STREAMS
from assetforge.serve.problems import ServeError
from assetforge.serve.project import Project, not_here
from assetforge.serve.service import Service
from assetforge.serve.uploads import json_of
from assetforge.store.description import KEY
from assetforge.store.reader import ENDED, MOST, STATES, AssetRecord, Row, RunRecord
from assetforge.store.requests import opened_requests
from assetforge.viewer.data import picture_data
from assetforge.viewer.pictures import Picture
from assetforge.viewer.previews import Preview, Wanted

BASE = "/api/v1"
_LONGEST_WAIT = 60.0
_ANSWER = 20.0
"""Seconds that an upload waits for the daemon to take it, which may be starting."""
_PAUSE = 0.05
_MAKING = 1.0
"""Seconds that a request waits for previews: browsers ask for six things of a server at a time, and no more."""
_FAILED = ("failed", "quarantined")
_SIDES = (256, 2048)
"""Pixels of previews: for lists, and for maps."""
Schema = Mapping[str, Any]
_LARGEST = 2**63
"""Numbers of requests are smaller."""
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}


@dataclass(frozen=True)
class Call:
    """One request to an endpoint."""

    service: Service
    request: Request

    @property
    def project(self) -> Project:
        """The pipeline that is meant."""
        return self.service.project(self.request.path_params["pipeline"])

    @property
    def asset(self) -> str:
        """The asset that is meant."""
        return str(self.request.path_params["asset"])

    @property
    def user(self) -> User:
        """Who asks."""
        found = self.request.state.user
        return found if found is not None else User("", ())

    @property
    def owner(self) -> str:
        """Whose assets alone are shown; empty where all are."""
        return self.user.name if self.project.private and "admin" not in self.user.may else ""

    @property
    def sender(self) -> str:
        """Whose uploads tell how it stands with an asset; empty where all do."""
        return self.user.name if self.project.private else ""

    def seen(self, assets: Iterable[str]) -> list[str]:
        """Return those of some assets that the user may see."""
        if not self.owner:
            return list(assets)
        listed = list(assets)
        mine = self.project.reader.owned(listed, self.owner)
        return [one for one in listed if one in mine]

    def text(self, name: str) -> str:
        """Return a value of the query."""
        return self.request.query_params.get(name, "")

    def number(self, name: str, default: int) -> int:
        """Return a number of the query; raise ServeError where it is none."""
        value = self.text(name)
        if not value:
            return default
        if not (value.isascii() and value.isdigit() and len(value) < 17):
            raise ServeError(400, name, "is no whole number", "see /docs")
        return int(value)


@dataclass(frozen=True)
class Endpoint:
    """One thing that can be asked for."""

    method: str
    path: str
    """Below the base, as Starlette spells it."""
    call: Callable[[Call], Awaitable[Response]]
    summary: str
    right: Right | None = "view"
    """What it takes to ask for it; None where nothing is."""
    query: Mapping[str, Schema] = field(default_factory=dict)
    body: Schema | str | None = None
    """A JSON schema, or a media type."""
    status: int = 200
    media: str = "application/json"
    waits: bool = False
    """Whether it is answered by 202 while it is being made."""
    checks_owner: bool = False
    """Whether it sees itself to what a user may see of an asset, as there is more to say than that there is none."""


async def check_seen(call: Call, endpoint: Endpoint) -> None:
    """Raise ServeError where an endpoint is about an asset that the user may not see, as if there were none."""
    if "asset" not in call.request.path_params or endpoint.checks_owner:
        return
    if not await asyncio.to_thread(call.seen, [call.asset]):
        raise not_here(call.asset)


async def _home(call: Call) -> Response:
    limits = call.service.limits
    return JSONResponse(
        {
            "version": assetforge.__version__,
            "pipelines": [one.place.about() for one in call.service.projects.values()],
            "you": {"name": call.user.name, "may": call.user.may},
            "limits": {"file": limits.file, "asset": limits.asset, "pixels": limits.pixels},
        }
    )


async def _session(call: Call) -> Response:
    data = await json_of(call.request, call.service.limits)
    access = call.service.access
    if access.is_barred(time.monotonic()):
        raise ServeError(429, "code", "cannot be tried now, as too many were wrong", "wait a minute, and try again")
    secret = await asyncio.to_thread(access.enter, str(data.get("code", "")))
    if secret is None:
        raise ServeError(403, "code", "is used up, too old or wrong", "start `assetforge serve` again")
    answer = JSONResponse({"entered": True}, 201)
    secure = call.service.secure
    answer.set_cookie(
        call.service.cookie, secret, max_age=30 * 24 * 3600, httponly=True, samesite="strict", secure=secure
    )
    return answer


async def _leave(call: Call) -> Response:
    cookie, secure = call.service.cookie, call.service.secure
    await asyncio.to_thread(call.service.access.leave, call.request.cookies.get(cookie, ""))
    answer = Response(status_code=204)
    answer.delete_cookie(cookie, secure=secure, httponly=True, samesite="strict")
    return answer


async def _pipeline(call: Call) -> Response:
    return JSONResponse(await asyncio.to_thread(_pipeline_data, call))


def _pipeline_data(call: Call) -> dict[str, Any]:
    project = call.project
    last, status, said = project.feed.last, project.status(), project.said(call.sender)
    about = project.description
    with opened_requests(project.reader.path, project.id) as log:
        paused = log.is_paused
    return {
        "name": project.slug,
        "title": about.name,
        "event": last,
        "fields": about.fields,
        "inputs": about.inputs,
        "steps": about.steps,
        "counts": project.reader.counts(said, call.owner),
        "private": bool(call.owner),
        "paused": paused,
        "problem": project.problem,
        "daemon": status
        and {
            "how": status["how"],
            "since": status["since"],
            "building": _building(call.seen(status["building"]), project),
            "waiting": call.seen(status["waiting"]),
            "waiting_count": status["waiting_count"],
            "arriving_count": status["arriving_count"],
        },
    }


def _building(assets: Sequence[str], project: Project) -> list[dict[str, Any]]:
    progress = project.reader.progress() if assets else {}
    steps = [progress.get(asset, ("", 0.0)) for asset in assets]
    return [
        {"asset": asset, "step": step, "fraction": fraction}
        for asset, (step, fraction) in zip(assets, steps, strict=True)
    ]


async def _assets(call: Call) -> Response:
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
            data["thumb"] = f"{_url(project, 'thumbs', row.asset)}?version={version}"
        elif row.asset in failures and (shown := [one for one in failures[row.asset].sources if any(one.holds)]):
            data["thumb"] = f"{_url(project, 'thumbs', row.asset)}?version={quote(shown[0].sha256[:16])}"
        if row.asset in flags:
            severities = [one.get("severity") for one in flags[row.asset]]
            data["flagged"] = {"count": len(severities), "worst": max(severities, key=_rank)}
        found.append(data)
    return found


def _rank(severity: object) -> int:
    """Tell how severe a severity is, beside others; no severity is the least one."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1


async def _asset(call: Call) -> Response:
    """Answer at once, or when the asset has ended."""
    project, until = call.project, time.monotonic() + min(call.number("wait", 0), _LONGEST_WAIT)
    wanted = call.text("until") or "done"
    if wanted != "done" and wanted not in STATES:
        raise ServeError(400, "until", "is none", f"done, or one of {', '.join(STATES)}")
    states = ENDED if wanted == "done" else (wanted,)
    while True:
        row, is_seen = await asyncio.to_thread(_seen_row, call, call.asset)
        left = until - time.monotonic()
        if row.state in states or left <= 0 or project.feed.is_ending:
            return JSONResponse(await asyncio.to_thread(_asset_data, call, row) if is_seen else _sent_data(row))
        await project.feed.wait(min(left, 1.0))


def _seen_row(call: Call, asset: str) -> tuple[Row, bool]:
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
    data |= {"sources": [], "outputs": [], "flags": _flags(row, record, last)}
    if last is not None:
        data["finished"], data["seconds"] = last[0], last[1].get("seconds", 0.0)
    data["log"] = _url(project, "logs", row.asset)
    for kind, files in (("sources", project.sources_of(row.asset)), ("outputs", record.outputs if record else ())):
        data[kind] = [
            {
                "file": one.name,
                "sha256": one.sha256,
                "maps": [held["map"] for held in one.holds if "map" in held],
                "href": _file_url(project, row.asset, one.name),
            }
            for one in files
        ]
    return data


def _flags(
    row: Row, record: AssetRecord | None, last: tuple[float, Mapping[str, Any]] | None
) -> list[Mapping[str, Any]]:
    """Return what is doubtful, the worst first: about the result, or as the step said that has failed."""
    failed = last[1].get("flags", ()) if last else ()
    found = failed if row.state in _FAILED else record.flags if record else ()
    return sorted(found, key=lambda flag: -_rank(flag.get("severity")))


async def _view(call: Call) -> Response:
    sources, outputs = await asyncio.to_thread(call.project.pictures, call.asset)
    made = await _made(call.project, [(one, _SIDES[1]) for one in (*sources, *outputs)])
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
        "flags": _flags(row, record, last),
        "notes": {},
        "files": [
            {"file": one.name, "href": _file_url(project, asset, one.name)}
            for one in (record.outputs if record else ())
        ],
        "log": "",
        "log_text": project.log(asset),
        "drawn": "",
        "sources": [_picture(project, asset, one) for one in sources],
        "outputs": [_picture(project, asset, one) for one in outputs],
    }


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
    query = f"file={quote(one.file)}&map={one.spec.name}&side={_SIDES[1]}&v={one.sha256}"
    return picture_data(
        preview, _file_url(project, asset, one.file), {"url": f"{_url(project, 'pictures', asset)}?{query}"}
    )


async def _log(call: Call) -> Response:
    await asyncio.to_thread(call.project.row, call.asset)
    return PlainTextResponse(await asyncio.to_thread(call.project.log, call.asset))


async def _file(call: Call) -> Response:
    found, path = await asyncio.to_thread(call.project.file, call.asset, call.text("name"))
    name = found.name.rpartition("/")[2]
    return FileResponse(path, media_type="application/octet-stream", filename=name)


async def _pictures(call: Call) -> Response:
    project, side = call.project, call.number("side", _SIDES[0])
    if side not in _SIDES:
        raise ServeError(400, "side", "is none", f"one of {_SIDES}")
    sources, outputs = await asyncio.to_thread(project.pictures, call.asset)
    wanted, name = call.text("file"), call.text("map")
    found = [one for one in (*outputs, *sources) if one.file == wanted and name in ("", one.spec.name)]
    if not found:
        raise ServeError(404, wanted[:200], "is no picture of this asset", "see the asset for its files")
    return await _preview(project, found[0], side, call)


async def _thumb(call: Call) -> Response:
    sources, outputs = await asyncio.to_thread(call.project.pictures, call.asset)
    if await asyncio.to_thread(call.project.failed_sources, call.asset):
        outputs = []  # they are of an earlier time
    if not (found := call.service.face(outputs) or call.service.face(sources)):
        raise ServeError(404, call.asset[:200], "has no picture", "build it")
    return await _preview(call.project, found, _SIDES[0], call)


async def _preview(project: Project, picture: Picture, side: int, call: Call) -> Response:
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


async def _put(call: Call) -> Response:
    project, key, name = call.project, _key(call), str(call.request.path_params["map"])
    known = [one["map"] for one in (await asyncio.to_thread(lambda: project.description)).inputs]
    if name not in known:
        raise ServeError(404, name[:200], "is no input of this pipeline", f"one of {', '.join(known)}")
    if await asyncio.to_thread(_find, project, key):
        raise ServeError(409, key, "was sent already", "make a new key for a new upload")
    incoming = await asyncio.to_thread(lambda: project.incoming)
    return JSONResponse(await incoming.take(call.request, call.user.name, key, name), 201)


async def _post(call: Call) -> Response:
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
    where = _url(project, "assets", asset)
    state = "received" if found.done is None else (await asyncio.to_thread(_seen_row, call, asset))[0].state
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


async def _request(call: Call) -> Response:
    data = await json_of(call.request, call.service.limits)
    verb, names = data.get("verb"), data.get("assets", [])
    if verb not in ("retry", "rebuild", "cancel", "hurry", "pause", "resume"):
        raise ServeError(422, "verb", "is none", "retry, rebuild, cancel, hurry, pause or resume")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ServeError(422, "assets", "is no list of names", "see /docs")
    if verb in ("rebuild", "cancel", "hurry") and not names:
        raise ServeError(422, "assets", "is empty", "name some")
    project, most = call.project, call.service.limits.waiting

    def ask() -> int:
        names = _asked_assets(call, verb, data.get("assets", []))
        with opened_requests(project.reader.path, project.id) as log:
            if log.waiting(call.user.name) >= most:
                raise ServeError(429, "requests", f"of yours that wait are {most} already", "wait for the daemon")
            return log.ask(verb, {"assets": names}, call.user.name)

    number = await asyncio.to_thread(ask)
    where = _url(project, "requests", str(number))
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


async def _answer(call: Call) -> Response:
    project, number = call.project, int(call.request.path_params["number"])

    def find() -> Any:
        with opened_requests(project.reader.path, project.id) as log:
            return log.find(number)

    found = await asyncio.to_thread(find) if number < _LARGEST else None
    if found is None or call.owner not in ("", found.who):
        raise ServeError(404, str(number)[:200], "is no request", "ask again")
    return JSONResponse({"id": number, "verb": found.verb, "done": found.done is not None, "answer": found.answer})


async def _runs(call: Call) -> Response:
    limit = call.number("limit", 50)
    found = await asyncio.to_thread(call.project.reader.runs, limit)
    return JSONResponse({"items": [_run_data(call, one) for one in found]})


def _run_data(call: Call, run: RunRecord) -> dict[str, Any]:
    """Return a run; how much others have had done is nobody's business where uploads are private."""
    return run.data | ({"counts": {}} if call.owner else {})


async def _run(call: Call) -> Response:
    project, name = call.project, str(call.request.path_params["run"])
    found = await asyncio.to_thread(project.reader.run, name)
    if found is None:
        raise ServeError(404, name[:200], "is no run, or is not remembered any more", "see the list of runs")
    shown = "asset", "state", "seconds", "error"
    jobs = await asyncio.to_thread(project.reader.finished_in, name)
    seen = {*await asyncio.to_thread(call.seen, [str(job.get("asset")) for job in jobs])}
    told = [{key: job.get(key) for key in shown} for job in jobs if str(job.get("asset")) in seen]
    return JSONResponse({**_run_data(call, found), "jobs": told})


async def _events(call: Call) -> Response:
    project, last = call.project, call.request.headers.get("last-event-id", "")
    feed = project.feed
    known = last.isascii() and last.isdigit() and len(last) < 17
    after = int(last) if known else call.number("after", feed.last)
    if after > feed.last:  # the state was made anew, and numbers begin again
        raise ServeError(410, "events", "have not come so far", "ask for the assets, then follow anew")
    if after and after + 1 < await asyncio.to_thread(project.reader.first_event):
        raise ServeError(410, "events", "are not kept any more from there on", "ask for the assets, then follow anew")
    if sum(one.feed.streams for one in call.service.projects.values()) >= MOST_STREAMS:
        raise ServeError(503, "events", "are followed by too many", "close a page")
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    may_stay = call.request.state.may_stay
    stream = feed.stream(after, call.text("asset"), call.seen if call.owner else None, may_stay)
    return StreamingResponse(stream, 200, headers, "text/event-stream")


def _url(project: Project, kind: str, asset: str) -> str:
    return f"{BASE}/pipelines/{quote(project.slug)}/{kind}/{quote(asset)}"


def _file_url(project: Project, asset: str, name: str) -> str:
    return f"{_url(project, 'files', asset)}?name={quote(name)}"


_PAGE: dict[str, Schema] = {
    "state": {"enum": list(STATES)}, "q": TEXT, "after": TEXT, "offset": NUMBER,
    "limit": {"type": "integer", "minimum": 1, "maximum": MOST},
}  # fmt: skip
_UPLOAD: Schema = {
    "type": "object",
    "properties": {
        "fields": {"type": "object", "additionalProperties": TEXT, "description": "A value of each placeholder."},
        "params": {"type": "object", "description": "Values of steps, such as upscale.scale."},
        "replace": {"type": "boolean", "description": "Replace sources that are there; they are kept for 30 days."},
    },
    "required": ["fields"],
}
_ASKED: Schema = {
    "type": "object",
    "properties": {
        "verb": {"enum": ["retry", "rebuild", "cancel", "hurry", "pause", "resume"]},
        "assets": {"type": "array", "items": TEXT},
    },
    "required": ["verb"],
}
_OF = "/pipelines/{pipeline}"
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "", _home, "The pipelines, and what you may do."),
    Endpoint("POST", "/session", _session, "Log a browser in by a code.", None, status=201,
             body={"type": "object", "properties": {"code": TEXT}, "required": ["code"]}),
    Endpoint("DELETE", "/session", _leave, "Log a browser out.", status=204),
    Endpoint("GET", _OF, _pipeline, "A pipeline: inputs, steps, counts, and what its daemon does."),
    Endpoint("GET", f"{_OF}/assets", _assets, "Assets by name, page by page.", query=_PAGE),
    Endpoint("GET", f"{_OF}/assets/{{asset:path}}", _asset, "One asset; with `wait`, when it has ended.",
             query={"wait": NUMBER, "until": {"enum": ["done", *STATES]}}, checks_owner=True),
    Endpoint("GET", f"{_OF}/views/{{asset:path}}", _view, "One asset with previews of all of its maps.", waits=True),
    Endpoint("GET", f"{_OF}/logs/{{asset:path}}", _log, "What its job printed.", media="text/plain"),
    Endpoint("GET", f"{_OF}/files/{{asset:path}}", _file, "One of its files.", query={"name": TEXT},
             media="application/octet-stream"),
    Endpoint("GET", f"{_OF}/pictures/{{asset:path}}", _pictures, "A preview of a map in one of its files.",
             query={"file": TEXT, "map": TEXT, "side": {"enum": list(_SIDES)}, "v": TEXT}, media="image/webp",
             waits=True),
    Endpoint("GET", f"{_OF}/thumbs/{{asset:path}}", _thumb, "The picture that stands for it.",
             query={"version": TEXT}, media="image/webp", waits=True),
    Endpoint("PUT", f"{_OF}/incoming/{{key}}/{{map}}", _put, "Send one file of an upload; KEY is a new UUID.", "upload",
             body="application/octet-stream", status=201),
    Endpoint("POST", f"{_OF}/incoming/{{key}}", _post, "Make an asset of what was sent; again is the same.", "upload",
             body=_UPLOAD, status=202),
    Endpoint("POST", f"{_OF}/requests", _request, "Ask the daemon for something.", "retry", body=_ASKED, status=202),
    Endpoint("GET", f"{_OF}/requests/{{number:int}}", _answer, "What became of that."),
    Endpoint("GET", f"{_OF}/runs", _runs, "The latest runs: when each began and ended, how, and whose it is.",
             query={"limit": {"type": "integer", "minimum": 1, "maximum": MOST}}),
    Endpoint("GET", f"{_OF}/runs/{{run}}", _run, "One run, and how its jobs have ended."),
    Endpoint("GET", f"{_OF}/events", _events, "What happens, as server-sent events with numbers.",
             query={"after": NUMBER, "asset": TEXT}, media="text/event-stream"),
)  # fmt: skip
