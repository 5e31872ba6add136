"""The API, as a table: the routes are made of it, and so is the document that describes them."""

from __future__ import annotations

from assetforge.serve.endpoints import assets, events, pictures, pipelines, requests, runs, sessions, uploads
from assetforge.serve.endpoints.call import NUMBER, TEXT, Endpoint, Schema
from assetforge.store.reader import MOST, STATES

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
    Endpoint("GET", "", pipelines.home, "The pipelines, and what you may do."),
    Endpoint("POST", "/session", sessions.enter, "Log a browser in by a code.", None, status=201,
             body={"type": "object", "properties": {"code": TEXT}, "required": ["code"]}),
    Endpoint("DELETE", "/session", sessions.leave, "Log a browser out.", status=204),
    Endpoint("GET", _OF, pipelines.about, "A pipeline: inputs, steps, counts, and what its daemon does."),
    Endpoint("GET", f"{_OF}/assets", assets.page, "Assets by name, page by page.", query=_PAGE),
    Endpoint("GET", f"{_OF}/assets/{{asset:path}}", assets.about, "One asset; with `wait`, when it has ended.",
             query={"wait": NUMBER, "until": {"enum": ["done", *STATES]}}, checks_owner=True),
    Endpoint("GET", f"{_OF}/views/{{asset:path}}", pictures.view, "One asset with previews of all of its maps.",
             waits=True),
    Endpoint("GET", f"{_OF}/logs/{{asset:path}}", assets.log, "What its job printed.", media="text/plain"),
    Endpoint("GET", f"{_OF}/files/{{asset:path}}", assets.file, "One of its files.", query={"name": TEXT},
             media="application/octet-stream"),
    Endpoint("GET", f"{_OF}/pictures/{{asset:path}}", pictures.preview, "A preview of a map in one of its files.",
             query={"file": TEXT, "map": TEXT, "side": {"enum": list(pictures.SIDES)}, "v": TEXT}, media="image/webp",
             waits=True),
    Endpoint("GET", f"{_OF}/thumbs/{{asset:path}}", pictures.thumbnail, "The picture that stands for it.",
             query={"version": TEXT}, media="image/webp", waits=True),
    Endpoint("PUT", f"{_OF}/incoming/{{key}}/{{map}}", uploads.put, "Send one file of an upload; KEY is a new UUID.",
             "upload", body="application/octet-stream", status=201),
    Endpoint("POST", f"{_OF}/incoming/{{key}}", uploads.post, "Make an asset of what was sent; again is the same.",
             "upload", body=_UPLOAD, status=202),
    Endpoint("POST", f"{_OF}/requests", requests.ask, "Ask the daemon for something.", "retry", body=_ASKED,
             status=202),
    Endpoint("GET", f"{_OF}/requests/{{number:int}}", requests.answer, "What became of that."),
    Endpoint("GET", f"{_OF}/runs", runs.latest, "The latest runs: when each began and ended, how, and whose it is.",
             query={"limit": {"type": "integer", "minimum": 1, "maximum": MOST}}),
    Endpoint("GET", f"{_OF}/runs/{{run}}", runs.one, "One run, and how its jobs have ended."),
    Endpoint("GET", f"{_OF}/events", events.follow, "What happens, as server-sent events with numbers.",
             query={"after": NUMBER, "asset": TEXT}, media="text/event-stream"),
)  # fmt: skip
