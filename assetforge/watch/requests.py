"""Does what other processes ask for: retry, rebuild, cancel, hurry, pause, resume, and receive what was uploaded."""

from __future__ import annotations

from typing import Any

from assetforge.build import Build
from assetforge.errors import AssetForgeError
from assetforge.execute.session import Session
from assetforge.store.requests import Request
from assetforge.watch.build_queue import BuildQueue
from assetforge.watch.receive import receive

_LONGEST = 300
"""Characters of an answer that says what went wrong."""


class RequestHandler:
    """Takes up the requests of one opened pipeline."""

    def __init__(self, build: Build, session: Session, queue: BuildQueue) -> None:
        self._build, self._session, self._queue = build, session, queue
        self._log = build.state.requests

    def handle(self, *, may_pause: bool = True) -> None:
        """Do what is asked, in order, and answer it. A request that is cut off is done again by the next daemon."""
        for request in self._log.pending():
            self._log.finish(request.number, self._answer(request))
        self._session.paused = may_pause and self._log.is_paused

    def _answer(self, request: Request) -> dict[str, Any]:
        try:
            return self._do(request)
        except AssetForgeError as error:
            problem = error.problem
            return {"error": {"where": problem.where, "what": problem.what, "instead": problem.instead}}
        except Exception as error:  # noqa: BLE001  one that ended the daemon would end the next one, too
            what = f"cannot be done ({type(error).__name__}: {error})"[:_LONGEST].encode(errors="replace").decode()
            return {"error": {"where": request.verb, "what": what, "instead": "ask for something else"}}

    def _do(self, request: Request) -> dict[str, Any]:
        names = _names(request)
        match request.verb:
            case "retry":
                return {"assets": self._queue.retry(names)}
            case "rebuild":
                return {"assets": self._queue.rebuild(names)}
            case "cancel":
                by = f" by {request.who}" if request.who else ""
                return {"assets": self._queue.cancel(names, f"canceled{by}")}
            case "hurry":
                return {"assets": self._queue.hurry(names)}
            case "receive":
                return receive(self._build, self._queue.catalog, request.what, request.who)
            case _:  # to pause is to have asked for it
                return {"assets": []}


def _names(request: Request) -> dict[str, None]:
    """Return the assets that are named, each once, in their order."""
    names = request.what.get("assets")
    return dict.fromkeys(name for name in names if isinstance(name, str)) if isinstance(names, list) else {}
