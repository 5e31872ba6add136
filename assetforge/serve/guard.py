"""Stands before all routes: which hosts, origins and users a request may come from."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assetforge.serve.access import Access, User
from assetforge.serve.problems import ServeError

COOKIE = "assetforge"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
API = "/api/"
SESSION = "/api/v1/session"
ENTER = "/enter"
"""Where a person logs in."""
OPEN = frozenset({ENTER, "/healthz"})
"""What may be read without a login, beside the static files, which hold nothing of anybody's."""
STATIC = "/static/"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src blob:; "
    "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
_LONGEST_PATH = 2048


@dataclass
class Guard:
    """An ASGI application around another one."""

    app: ASGIApp
    access: Access
    hosts: Collection[str]
    """The values of the header Host that are ours: `127.0.0.1:8765`."""
    cookie: str = COOKIE
    """The name of the session's cookie."""
    secure: bool = False
    """Whether browsers reach us by TLS."""
    headers: dict[str, str] = field(default_factory=lambda: dict(_HEADERS))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        try:
            state = scope.setdefault("state", {})
            state["user"] = self._admit(scope)
            secret = self._secret(scope)
            state["may_stay"] = lambda: self.access.user(secret) is not None
        except ServeError as error:
            # With an empty fragment, or the browser would add that of the page, and it would be taken for a code.
            answer = RedirectResponse(f"{ENTER}#", 303) if error.status == 401 and _is_page(scope) else error.response()
            await answer(scope, receive, send_guarded)
            return
        await self.app(scope, receive, send_guarded)

    def _admit(self, scope: Scope) -> User | None:
        """Return who asks; None where that does not matter. Raise ServeError where the request is refused."""
        headers, path, method = Headers(scope=scope), scope["path"], scope["method"]
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self.hosts:
            raise ServeError(421, "Host", "is none of this server's", "use the address that it printed, or --host-name")
        if len(path) > _LONGEST_PATH:
            raise ServeError(414, "path", "is too long", f"at most {_LONGEST_PATH} characters")
        self._check_origin(headers, hosts[0], method)
        is_safe = method in SAFE
        if is_safe and (path in OPEN or path.startswith(STATIC)):
            return None
        if not is_safe and _token(headers) is None:
            self._check_same_site(headers)
        if method == "POST" and path == SESSION:
            return None
        secret = self._secret(scope)
        user = self.access.user(secret) if secret else None
        if user is None:
            instead = "open the address that the server printed, or send `Authorization: Bearer TOKEN`"
            raise ServeError(401, "login", "is needed", instead)
        return user

    def _check_origin(self, headers: Headers, host: str, method: str) -> None:
        """Refuse all that another site's page sends, whatever it asks for."""
        own = {f"{'https' if self.secure else 'http'}://{host}".lower()}
        for origin in headers.getlist("origin"):
            if origin.lower() not in own:
                raise ServeError(403, "Origin", f"is another site's, which may not {method}", "open our own page")

    def _check_same_site(self, headers: Headers) -> None:
        """Let browsers change something only from our own page: they all say where a request comes from."""
        if headers.get("sec-fetch-site") != "same-origin" and "origin" not in headers:
            raise ServeError(403, "Origin", "is missing", "send `Authorization: Bearer TOKEN` from scripts")

    def _secret(self, scope: Scope) -> str:
        """Return the token that a request has, or else its session; nothing where it has neither."""
        headers = Headers(scope=scope)
        token = _token(headers)
        return cookie_parser(headers.get("cookie", "")).get(self.cookie, "") if token is None else token


def _token(headers: Headers) -> str | None:
    """Return the token of a request. What else is there may be a proxy's, and browsers add it by themselves."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    return bearer if scheme.lower() == "bearer" else None


def _is_page(scope: Scope) -> bool:
    """Tell whether a browser asks for a page to show, and no script for data."""
    accepts = Headers(scope=scope).get("accept", "")
    return scope["method"] in SAFE and not scope["path"].startswith(API) and "text/html" in accepts
