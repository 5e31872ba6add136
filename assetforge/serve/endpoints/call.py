"""What an endpoint is, and one request to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from assetforge.serve.access import Right, User
from assetforge.serve.problems import ServeError
from assetforge.serve.project import Project, not_here
from assetforge.serve.service import Service

BASE = "/api/v1"
Schema = Mapping[str, Any]
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


def url(project: Project, kind: str, asset: str) -> str:
    """Return the address of what a pipeline has of a kind, such as an asset."""
    return f"{BASE}/pipelines/{quote(project.slug)}/{kind}/{quote(asset)}"


def file_url(project: Project, asset: str, name: str) -> str:
    """Return the address of one of the files of an asset."""
    return f"{url(project, 'files', asset)}?name={quote(name)}"
