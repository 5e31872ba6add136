"""Logging browsers in and out."""

from __future__ import annotations

import asyncio
import time

from starlette.responses import JSONResponse, Response

from assetforge.serve.endpoints.call import Call
from assetforge.serve.problems import ServeError
from assetforge.serve.uploads import json_of


async def enter(call: Call) -> Response:
    """Log a browser in by a code."""
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


async def leave(call: Call) -> Response:
    """Log a browser out."""
    cookie, secure = call.service.cookie, call.service.secure
    await asyncio.to_thread(call.service.access.leave, call.request.cookies.get(cookie, ""))
    answer = Response(status_code=204)
    answer.delete_cookie(cookie, secure=secure, httponly=True, samesite="strict")
    return answer
