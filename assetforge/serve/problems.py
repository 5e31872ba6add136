"""Errors of the API, as RFC 9457 has them, with what would be right."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from assetforge.errors import AssetForgeError

MEDIA_TYPE = "application/problem+json"
_TITLES = {401: "login", 403: "not-allowed", 404: "not-found", 405: "method", 413: "too-large", 429: "too-often"}


class ServeError(Exception):
    """A request that cannot be answered as it was meant: where, what is wrong, what would be right."""

    def __init__(self, status: int, where: str, what: str, instead: str = "", **more: Any) -> None:
        super().__init__(f"{where}: {what}")
        self.status, self.where, self.what, self.instead, self.more = status, where, what, instead, more

    def response(self) -> Response:
        """Return the answer."""
        kind = f"/docs#{_TITLES.get(self.status, f'status-{self.status}')}"
        data = {"type": kind, "title": self.where, "detail": self.what, "instead": self.instead, "status": self.status}
        headers = {"www-authenticate": "Bearer"} if self.status == 401 else {}
        return JSONResponse({**data, **self.more}, self.status, headers, MEDIA_TYPE)


async def answer_serve_error(_: Request, error: Exception) -> Response:
    """Answer a request that raised a ServeError."""
    return error.response() if isinstance(error, ServeError) else await answer_crash(_, error)


async def answer_error(_: Request, error: Exception) -> Response:
    """Answer a request that raised an AssetForgeError: the state cannot be used just now."""
    what = error.problem.what if isinstance(error, AssetForgeError) else "is not available"
    return ServeError(503, "state", what, "try again").response()


async def answer_http(request: Request, error: Exception) -> Response:
    """Answer a request that no route, or no method of it, fits."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    what = {404: "is not here", 405: "has no such method"}.get(status, "cannot be answered")
    return ServeError(status, request.url.path[:200], what, "see /docs").response()


async def answer_crash(_: Request, __: Exception) -> Response:
    """Answer a request that a defect of AssetForge has ended; the log has the traceback."""
    return ServeError(500, "server", "has failed", "see what it printed").response()
