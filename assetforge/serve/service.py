"""All that the service has: its pipelines, who may use them, and what runs beside the requests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from assetforge.errors import AssetForgeError
from assetforge.serve.access import Access
from assetforge.serve.guard import COOKIE
from assetforge.serve.limits import ServeLimits
from assetforge.serve.problems import ServeError
from assetforge.serve.project import Project
from assetforge.viewer.data import face

_CHECK = 0.5
_PRUNE = 600.0


class Service:
    """The pipelines that are served."""

    face = staticmethod(face)

    def __init__(
        self, projects: Iterable[Project], access: Access, limits: ServeLimits, *, secure: bool = False, port: int = 0
    ) -> None:
        """Serve pipelines; `port`: where, as browsers keep one set of cookies for all ports of a machine."""
        self.projects = {one.slug: one for one in projects}
        self.access, self.limits, self.secure = access, limits, secure
        name = f"{COOKIE}-{port}" if port else COOKIE
        self.cookie = f"__Host-{name}" if secure else name  # which browsers bind to us alone where there is TLS

    def project(self, slug: str) -> Project:
        """Return a pipeline, and see to it that its daemon runs; raise ServeError where there is none of this name."""
        if slug not in self.projects:
            raise ServeError(404, slug[:200], "is no pipeline here", f"one of {', '.join(self.projects)}")
        found = self.projects[slug]
        found.wanted = True
        return found

    async def run(self) -> None:
        """Keep daemons running and follow events, until canceled."""
        for project in self.projects.values():
            project.feed.start()
        tasks = [asyncio.create_task(one.feed.run()) for one in self.projects.values()]
        tasks += [asyncio.create_task(self._supervise()), asyncio.create_task(self._prune())]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            for project in self.projects.values():
                project.feed.close()

    def hang_up(self) -> None:
        """Answer all who follow or wait, as the server ends."""
        for project in self.projects.values():
            project.feed.hang_up()

    async def _supervise(self) -> None:
        while True:
            for project in self.projects.values():
                if project.wanted:
                    with suppress(AssetForgeError, OSError):  # the next look may go well
                        await asyncio.to_thread(project.supervisor.check)
            await asyncio.sleep(_CHECK)

    async def _prune(self) -> None:
        while True:
            for project in self.projects.values():
                with suppress(AssetForgeError, OSError):  # it is done again in a while
                    await asyncio.to_thread(project.prune)
            await asyncio.sleep(_PRUNE)

    def close(self) -> None:
        """End the daemons that were started here, and the processes that make previews."""
        for project in self.projects.values():
            project.supervisor.stop()
            project.previews.__exit__(None, None, None)
