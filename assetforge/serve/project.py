"""One pipeline as the service sees it: its state, what its daemon says, its events, its uploads."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assetforge.codecs.atomic import file_name
from assetforge.codecs.reading import Reading
from assetforge.errors import AssetForgeError, StoreError, UsageError
from assetforge.material.map_spec import MapSpec
from assetforge.pipeline import marked_yaml
from assetforge.pipeline.patterns import asset_of, is_file_word
from assetforge.serve.feed import Feed
from assetforge.serve.limits import ServeLimits
from assetforge.serve.problems import ServeError
from assetforge.serve.supervisor import Supervisor
from assetforge.serve.uploads import Incoming
from assetforge.store.daemon_status import read_status
from assetforge.store.description import INCOMING, Description, read_description
from assetforge.store.logs import FOLDER as LOGS
from assetforge.store.reader import AssetRecord, AssetState, Ending, FileRecord, Reader, Row, Said
from assetforge.store.requests import Request, opened_requests
from assetforge.store.schema import open_database
from assetforge.viewer.pictures import Picture
from assetforge.viewer.previews import FOLDER as PREVIEWS
from assetforge.viewer.previews import Previews

LONGEST_LOG = 2**18
_RECENT = 600.0
"""Seconds for which an upload may be unknown to all tables."""
_GRACE = 10.0
"""Seconds after which an upload that changes nothing is taken to be done."""
_ORDER: tuple[AssetState, ...] = ("building", "queued", "waiting", "received", "quarantined", "failed", "done")
"""The states of variants, and the one of them all is the first of these."""


@dataclass(frozen=True)
class Place:
    """Where a pipeline and its state are."""

    slug: str
    """Its name in addresses."""
    file: Path
    profile: str = ""

    @property
    def id(self) -> str:
        """What the state knows it by."""
        return f"{self.file.name}@{self.profile}" if self.profile else self.file.name

    @property
    def state(self) -> Path:
        """The folder of its state, which the pipeline may name. Raise UsageError where the file cannot be read."""
        return self._named("state", ".assetforge")

    @property
    def sources(self) -> Path:
        """The folder of its sources."""
        return self._named("sources", ".")

    def _named(self, field: str, default: str) -> Path:
        """Return the folder that a field names, in the file or in the profile."""
        data = self._data()[0]
        profiles = data.get("profiles")
        profile = profiles.get(self.profile) if isinstance(profiles, dict) else None
        named = {**data, **(profile if isinstance(profile, dict) else {})}.get(field)
        return self.file.absolute().parent / (named if isinstance(named, str) else default)

    def about(self) -> dict[str, str]:
        """Return its name in addresses, its own name, and the comment that its file begins with."""
        try:
            data, text = self._data()
        except AssetForgeError:  # somebody is writing it just now
            data, text = {}, ""
        title, first = data.get("name"), text.partition("\n")[0]
        about = first.removeprefix("# ") if first.startswith("# ") else ""
        return {"name": self.slug, "title": title if isinstance(title, str) else self.slug, "about": about}

    def _data(self) -> tuple[Mapping[str, Any], str]:
        try:
            text = self.file.read_text(encoding="utf-8")
        except (OSError, ValueError):
            raise UsageError(str(self.file), "cannot be read", "name a pipeline file") from None
        data = marked_yaml.parse(text, str(self.file)).data
        return (data if isinstance(data, dict) else {}), text


class Project:
    """One pipeline. Its methods may be called from any thread, but for those of its feed."""

    def __init__(
        self, place: Place, limits: ServeLimits, arguments: tuple[str, ...] = (), *, private: bool = False
    ) -> None:
        """Take a pipeline, and further arguments of `assetforge watch`; `private`: who uploads sees that alone."""
        self.slug, self.place, self._limits, self.private = place.slug, place, limits, private
        self.state, self.id = place.state, place.id
        self.reader = Reader(self.state, self.id)
        open_database(self.reader.path).close()  # so that there is one to read
        profile = ("--profile", place.profile) if place.profile else ()
        self.supervisor = Supervisor(place.file, self.state, self.id, (*arguments, *profile))
        self.feed = Feed(self.reader)
        self.previews = Previews(self.state / PREVIEWS)
        self.wanted = True
        """Whether its daemon is to run."""
        self._incoming: Incoming | None = None

    # What it is

    @property
    def description(self) -> Description:
        """What the pipeline is; raise ServeError where its daemon has not said so yet."""
        found = read_description(self.state, self.id)
        if found is None:
            what = self.problem or "is being opened"
            raise ServeError(503, self.slug, what, "try again in a moment")
        return found

    @property
    def incoming(self) -> Incoming:
        """The uploads."""
        folder = Path(self.description.sources) / INCOMING
        if self._incoming is None:
            self._incoming = Incoming(folder, self._limits)
        self._incoming.folder = folder  # a pipeline may be changed while it is served
        return self._incoming

    @property
    def problem(self) -> str:
        """Why there is no daemon, empty where one runs or is on its way."""
        problem = "" if self.status() else self.supervisor.problem
        if problem and self.private:  # what it printed may name anybody's assets
            return "the daemon has ended; who runs the server finds in serve-watch.log why"
        return problem

    def status(self) -> dict[str, Any] | None:
        """Return what the daemon does, None where none runs."""
        return read_status(self.state, self.id)

    # Assets

    def said(self, sender: str = "") -> list[Said]:
        """Return what is known of assets beside the tables: by the daemon, and of uploads that it has not seen yet.

        sender: the user whose uploads count; all where it is empty.
        """
        status = self.status() or {}
        said = {asset: Said(asset, "failed", error) for asset, error in status.get("failed", {}).items()}
        said |= {
            asset: Said(asset, "waiting", f"waits for {Path(missing).name}")
            for asset, missing in status.get("incomplete", {}).items()
        }
        for asset in self.reader.quarantined_of(said):  # which says more
            said.pop(asset, None)
        said |= self._under_way(status)
        for asset, job in self._received(sender):
            if asset not in said:
                said.setdefault(job, Said(job, "received"))
        return list(said.values())

    def _under_way(self, status: Mapping[str, Any]) -> dict[str, Said]:
        """Return what waits and is built, but for what has ended since the daemon has said so."""
        states: dict[str, AssetState] = dict.fromkeys(status.get("waiting", ()), "queued")
        states |= dict.fromkeys(status.get("building", ()), "building")
        ended = self.reader.finished(since=status["written"]) if states else set()
        return {asset: Said(asset, state) for asset, state in states.items() if asset not in ended}

    def _received(self, sender: str) -> list[tuple[str, str]]:
        """Return what was uploaded lately and has not been built: the asset, and the job for each of its variants."""
        with opened_requests(self.reader.path, self.id) as log:
            recent = [
                one
                for one in log.latest("receive", since=time.time() - _RECENT)
                if not _refusal(one) and sender in ("", one.who)
            ]
        jobs = [(one, job) for one in recent for job in self.jobs_of(_asset(one))]
        endings = self.reader.endings([job for _, job in jobs], since=time.time() - _RECENT) if jobs else {}
        return [(_asset(one), job) for one, job in jobs if not _has_ended(one, endings.get(job, Ending()))]

    def jobs_of(self, asset: str) -> list[str]:
        """Return the jobs of an asset: one for each variant of the pipeline, or the one of its own name."""
        about = read_description(self.state, self.id)
        return about.jobs_of(asset) if about else [asset]

    def rows(self, assets: Sequence[str], sender: str = "") -> list[Row]:
        """Return how it stands with some assets, as far as anything is known of them."""
        return self.reader.rows(assets, self.said(sender))

    def row(self, asset: str, sender: str = "") -> Row:
        """Return how it stands with an asset, all of its variants together; raise ServeError where there is none.

        sender: the user whose uploads to it count; all where it is empty.
        """
        jobs = self.jobs_of(asset)
        rows = self.rows([*{asset, *jobs}], sender)
        status = self.status() or {}
        is_long = status.get("waiting_count", 0) > len(status.get("waiting", ()))  # it names the first ones alone
        if rows and is_long and len({one.asset for one in rows} & {*jobs}) < len(jobs):
            return Row(asset, "queued", "")
        if rows:
            first = min(rows, key=lambda one: _ORDER.index(one.state))
            found = Row(asset, first.state, first.error)
            return found if found.state != "done" else self._unless_refused(found, sender)
        with opened_requests(self.reader.path, self.id) as log:
            last = log.last_receive(asset, who=sender)
        if last is not None and (refused := _refusal(last)):
            return Row(asset, "failed", refused)
        if last is not None and is_long:
            return Row(asset, "queued", "")
        raise not_here(asset)

    def sent_row(self, asset: str, sender: str) -> Row:
        """Return how it stands with what a user has sent to be an asset, and is none of theirs yet.

        Raises ServeError where they have sent nothing.
        """
        with opened_requests(self.reader.path, self.id) as log:
            last = log.last_receive(asset, who=sender)
        if last is not None and (refused := _refusal(last)):
            return Row(asset, "failed", refused)
        if last is not None and last.done is None:
            return Row(asset, "received", "")
        raise not_here(asset)

    def _unless_refused(self, row: Row, sender: str) -> Row:
        """Return a row, or that an upload of just now has not become what is there."""
        with opened_requests(self.reader.path, self.id) as log:
            last = log.last_receive(row.asset, since=time.time() - _RECENT, who=sender)
        refused = _refusal(last) if last is not None else ""
        return Row(row.asset, "failed", refused) if refused else row

    def place_in_queue(self, asset: str) -> dict[str, int | None]:
        """Return the place of an asset among the jobs that wait, 1 for the next, and how many wait in all.

        The place is None beyond the first ones, which alone the daemon names. Of variants, the first one counts.
        """
        status = self.status() or {}
        waiting = status.get("waiting", ())
        at = next((at for at, job in enumerate(waiting, 1) if asset in (job, job.rpartition("[")[0])), None)
        return {"position": at, "of": status.get("waiting_count", 0)}

    def record(self, asset: str) -> AssetRecord | None:
        """Return what is known of an asset that was built, all of its variants together."""
        found = [one for one in map(self.reader.record, self.jobs_of(asset)) if one is not None]
        if len(found) < 2:
            return found[0] if found else None
        sources = {file.name: file for one in found for file in one.sources}
        return AssetRecord(
            tuple(sources.values()),
            tuple(file for one in found for file in one.outputs),
            found[0].facts,
            tuple(flag for one in found for flag in one.flags),
        )

    def sources_of(self, asset: str) -> tuple[FileRecord, ...]:
        """Return the files that an asset was made of when it was last tried."""
        if failed := self.failed_sources(asset):
            return failed
        record = self.record(asset)
        return record.sources if record else ()

    def failed_sources(self, asset: str) -> tuple[FileRecord, ...]:
        """Return the files of an asset that has failed when it was last tried, of all of its variants that have."""
        found = {file.name: file for job in self.jobs_of(asset) for file in self.reader.failure(job).sources}
        return tuple(found.values())

    def last_finish(self, asset: str) -> tuple[float, Mapping[str, Any]] | None:
        """Return when a job of an asset last ended, and its event."""
        found = [one for one in map(self.reader.last_finish, self.jobs_of(asset)) if one is not None]
        return max(found, key=lambda one: one[0], default=None)

    def file(self, asset: str, name: str) -> tuple[FileRecord, Path]:
        """Return a file of an asset's record; raise ServeError where it is none, or not where it belongs."""
        record = self.record(asset)
        files = {one.name: one for one in (*self.sources_of(asset), *(record.outputs if record else ()))}
        if name not in files:
            raise ServeError(404, name[:200], f"is no file of {asset[:200]}", "see the asset for its files")
        about = self.description
        path = (Path(about.folder) / name).resolve()
        allowed = [Path(folder).resolve() for folder in (about.folder, about.sources, about.outputs)]
        if not path.is_file() or not any(path.is_relative_to(folder) for folder in allowed):
            raise ServeError(404, name[:200], "is not there any more", "build the asset again")
        return files[name], path

    def pictures(self, asset: str) -> tuple[list[Picture], list[Picture]]:
        """Return the maps in an asset's sources, and in its outputs."""
        record, specs = self.record(asset), self.description.specs
        outputs = self._pictures(record.outputs, specs) if record else []
        return self._pictures(self.sources_of(asset), specs), outputs

    def _pictures(self, files: Sequence[FileRecord], specs: Mapping[str, Any]) -> list[Picture]:
        found = []
        order = list(specs)
        for file in files:
            for one in file.holds:
                with suppress(TypeError, KeyError):
                    spec = specs[one["map"]]
                    tuples = {name: tuple(spec[name]) for name in ("valid", "neutral")}
                    path, reading = Path(self.description.folder) / file.name, Reading(**one["reading"])
                    found.append(Picture(file.name, path, file.sha256, MapSpec(**spec | tuples), reading))
        return sorted(found, key=lambda one: order.index(one.spec.name))

    def log(self, asset: str) -> str:
        """Return the end of what an asset's jobs last printed; nothing where they printed nothing."""
        return "".join(map(self._log, self.jobs_of(asset)))

    def _log(self, job: str) -> str:
        path = self.state / LOGS / file_name(self.id) / f"{file_name(job)}.log"
        try:
            return path.read_bytes()[-LONGEST_LOG:].decode(errors="replace")
        except OSError:
            return ""

    # Uploads

    def asset_of(self, fields: Mapping[str, Any]) -> str:
        """Return the name of the asset that an upload will be; raise ServeError where it can have none."""
        about = self.description
        for field in about.fields:
            if not isinstance(fields.get(field), str) or not is_file_word(fields[field]):
                instead = "use letters, digits, spaces, dots, - and _, up to 80 of them"
                raise ServeError(422, field, "is no name for a file", instead)
        values = {field: str(fields[field]) for field in about.fields}
        return asset_of({field: value.lower() if about.ignore_case else value for field, value in values.items()})

    def prune(self) -> None:
        """Remove what nobody has finished, and previews that nobody has looked at for long."""
        self.previews.prune()
        with suppress(ServeError, StoreError), opened_requests(self.reader.path, self.id) as log:
            self.incoming.prune({str(one.what.get("key")) for one in log.pending()})


def not_here(asset: str) -> ServeError:
    """Return the error that says that there is no such asset, or none that the user may see."""
    return ServeError(404, asset[:200], "is no asset here", "see the list of assets")


def _asset(request: Request) -> str:
    return str(request.what.get("asset", ""))


def _has_ended(request: Request, ending: Ending) -> bool:
    """Tell whether what was uploaded has been built, or has failed."""
    if request.done is None:
        return False
    if max(ending.quarantined, ending.finished) > request.done:
        return True
    if ending.sources is None:
        return False
    same = all(ending.sources.get(name) == file["sha256"] for name, file in request.what.get("files", {}).items())
    return same and (not request.what.get("params") or time.time() > request.done + _GRACE)


def _refusal(request: Request) -> str:
    """Return why the daemon has refused an upload, if it has."""
    error, others = request.answer.get("error"), request.answer.get("exists")
    if others:
        return f"the upload was refused: {', '.join(others)} is there already"
    return f"{error['where']}: {error['what']}" if isinstance(error, dict) else ""
