"""What happens, as server-sent events."""

from __future__ import annotations

import asyncio

from starlette.responses import Response, StreamingResponse

from assetforge.serve.endpoints.call import Call
from assetforge.serve.feed import MOST_STREAMS
from assetforge.serve.problems import ServeError


async def follow(call: Call) -> Response:
    """Answer with what happens, for as long as somebody listens."""
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
