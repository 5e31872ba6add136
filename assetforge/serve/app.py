"""The ASGI application: routes made of the table of endpoints, the page, and the guard around all of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from assetforge.errors import AssetForgeError
from assetforge.serve import openapi
from assetforge.serve.endpoints.call import BASE, Call, Endpoint, check_seen
from assetforge.serve.endpoints.table import ENDPOINTS
from assetforge.serve.guard import Guard
from assetforge.serve.problems import ServeError, answer_crash, answer_error, answer_http, answer_serve_error
from assetforge.serve.service import Service
from assetforge.viewer.bundle import STATIC as VIEWER

STATIC = Path(__file__).parent / "static"
_THREADS = 8
"""That read the state: each keeps some memory, and machines with many cores would have many of them."""
_MEDIA = {".js": "text/javascript", ".css": "text/css", ".png": "image/png", ".html": "text/html"}


def make_app(service: Service, hosts: Collection[str]) -> Guard:
    """Return the application; `hosts` are the values of the header Host that are ours."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "serve"))
        task = asyncio.create_task(service.run())
        try:
            yield
        finally:
            task.cancel()
            try:
                with suppress(asyncio.CancelledError):
                    await task
            finally:
                await asyncio.to_thread(service.close)

    app = Starlette(
        routes=[*(_route(service, endpoint) for endpoint in ENDPOINTS), *_pages()],
        lifespan=lifespan,
        exception_handlers={
            ServeError: answer_serve_error,
            AssetForgeError: answer_error,
            HTTPException: answer_http,
            Exception: answer_crash,
        },
    )
    app.router.redirect_slashes = False
    return Guard(app, service.access, hosts, service.cookie, service.secure)


def _route(service: Service, endpoint: Endpoint) -> Route:
    async def answer(request: Request) -> Response:
        call = Call(service, request)
        if endpoint.right is not None and endpoint.right not in call.user.may:
            raise ServeError(403, call.user.name, f"may not {endpoint.right}", "ask who runs the server for a token")
        await check_seen(call, endpoint)
        return await endpoint.call(call)

    return Route(BASE + endpoint.path, answer, methods=[endpoint.method])


def _pages() -> list[Route]:
    files = {path.name: path for folder in (VIEWER, STATIC) for path in folder.iterdir() if path.suffix in _MEDIA}
    return [
        Route("/", _file(STATIC / "app.html")),
        Route("/enter", _file(STATIC / "enter.html")),
        Route("/docs", _docs),
        Route("/openapi.json", _openapi),
        Route("/healthz", _health),
        *(Route(f"/static/{name}", _file(path)) for name, path in files.items() if path.suffix != ".html"),
    ]


def _file(path: Path) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_: Request) -> Response:
        return FileResponse(path, media_type=_MEDIA[path.suffix], headers={"cache-control": "no-cache"})

    return answer


async def _docs(_: Request) -> Response:
    return HTMLResponse(openapi.page())


async def _openapi(_: Request) -> Response:
    return JSONResponse(openapi.document())


async def _health(_: Request) -> Response:
    return PlainTextResponse("ok\n")
