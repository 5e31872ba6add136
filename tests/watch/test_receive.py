"""Uploads are put in place whatever lies there, whatever ends in between, and whatever somebody asks for."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from watch.conftest import picture
from watch.test_requests import upload

from assetforge.build import Build
from assetforge.errors import AssetForgeError
from assetforge.plan.assets import Catalog
from assetforge.store.requests import Verb, opened_requests
from assetforge.watch import receive as receiving
from assetforge.watch.build_queue import BuildQueue
from assetforge.watch.receive import REPLACED, receive
from assetforge.watch.requests import RequestHandler

OLD, NEW = picture(1), picture(2)


@dataclass
class Taker:
    """A pipeline that takes uploads, without a daemon around it."""

    build: Build
    folder: Path

    @property
    def catalog(self) -> Catalog:
        """What a daemon knows that has not seen yet what was put in place just now."""
        return Catalog(self.build.pipeline)

    def take(self, content: bytes, suffix: str = ".png", who: str = "", **more: Any) -> Mapping[str, Any]:
        what = upload(self.folder, {"base_color": content}, suffix=suffix, **more)
        return receive(self.build, self.catalog, what, who)

    def sources(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.folder / "textures").glob("*_d.???")}

    def kept(self) -> list[bytes]:
        return [path.read_bytes() for path in (self.folder / ".assetforge" / REPLACED).rglob("*_d.*")]


@pytest.fixture
def taker(project: Path) -> Iterator[Taker]:
    file = project / "pipeline.yaml"
    file.write_text(file.read_text().replace("{name}_d.png", "{name}_d.*"))
    with Build(project / "pipeline.yaml") as build:
        yield Taker(build, project)


def test_two_uploads_of_one_asset_that_come_at_once_are_not_both_taken(taker: Taker) -> None:
    assert taker.take(OLD, ".png") == {"asset": "moss"}
    assert taker.take(NEW, ".jpg") == {"asset": "moss", "exists": ["moss_d.png"]}
    assert taker.sources() == {"moss_d.png": OLD}


def test_a_source_of_another_format_is_replaced_and_kept(taker: Taker) -> None:
    taker.take(OLD, ".jpg")
    assert taker.take(NEW, ".png", replace=True) == {"asset": "moss"}
    assert (taker.sources(), taker.kept()) == ({"moss_d.png": NEW}, [OLD])


def test_what_was_cut_off_after_the_new_source_was_placed_removes_the_old_one(taker: Taker) -> None:
    taker.take(OLD, ".jpg")
    (taker.folder / "textures" / "moss_d.png").write_bytes(NEW)  # placed, and then the daemon died
    assert taker.take(NEW, ".png", replace=True) == {"asset": "moss"}
    assert (taker.sources(), taker.kept()) == ({"moss_d.png": NEW}, [OLD])


def test_the_same_upload_again_changes_nothing(taker: Taker) -> None:
    taker.take(OLD, params={"work.gain": 0.25})
    assert taker.take(OLD, params={"work.gain": 0.25}) == {"asset": "moss"}
    other = taker.take(OLD, params={"work.gain": 0.75})
    assert other == {"asset": "moss", "exists": ["moss_d.png.forge.yaml"]}
    assert (taker.sources(), taker.kept()) == ({"moss_d.png": OLD}, [])


def test_a_private_upload_is_taken_where_nothing_is_or_ones_own(taker: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setattr(receiving, "_put", lambda *_: sys.exit("the daemon dies"))
        with pytest.raises(SystemExit):
            taker.take(OLD, who="anna", private=True)
    (taker.folder / "textures" / "moss_d.png").write_bytes(OLD)  # placed, and then the daemon died
    assert taker.take(OLD, who="anna", private=True) == {"asset": "moss"}
    for content in (OLD, NEW):
        with pytest.raises(AssetForgeError, match="is another user's"):
            taker.take(content, who="ben", private=True, replace=True)
        (taker.folder / "textures" / "wall_d.png").write_bytes(OLD)
        told = taker.take(content, name="wall", who="ben", private=True, replace=True)
        assert told == {"asset": "wall", "exists": ["wall_d.png"]}
    assert taker.take(NEW, who="anna", private=True)["exists"] == ["moss_d.png"]
    assert taker.take(NEW, who="anna", private=True, replace=True) == {"asset": "moss"}
    assert taker.sources() == {"moss_d.png": NEW, "wall_d.png": OLD}
    assert [taker.build.state.owners.of(asset) for asset in ("moss", "wall")] == ["anna", ""]


def test_a_private_upload_becomes_no_part_of_another_asset(project: Path) -> None:
    file = project / "pipeline.yaml"
    file.write_text(file.read_text().replace('"{name}_d.png"', '"{name}.png", normal: "{name}_n.png?"'))
    with Build(file) as build:
        taker = Taker(build, project)
        assert taker.take(OLD, who="anna", private=True) == {"asset": "moss"}
        with pytest.raises(AssetForgeError, match="could be a part of another asset"):
            taker.take(NEW, who="ben", private=True, name="moss_n")


def test_what_somebody_else_replaces_stays_whose_it_was(taker: Taker) -> None:
    """Who may do that sees all assets anyway."""
    taker.take(OLD, who="anna")
    assert taker.take(NEW, who="lead", replace=True) == {"asset": "moss"}
    assert taker.build.state.owners.of("moss") == "anna"


def test_a_disk_without_hard_links_takes_uploads(taker: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(source: object, target: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    assert taker.take(OLD) == {"asset": "moss"}
    assert taker.take(NEW)["exists"] == ["moss_d.png"]
    assert taker.sources() == {"moss_d.png": OLD}


def test_a_disk_that_fails_leaves_the_old_source(taker: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    taker.take(OLD)

    def full(source: object, target: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(receiving.shutil, "copy2", full)
    with pytest.raises(AssetForgeError, match="No space left"):
        taker.take(NEW, replace=True)
    assert taker.sources() == {"moss_d.png": OLD}


def deep(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


POISON: tuple[tuple[Verb, dict[str, Any]], ...] = (
    ("receive", {"params": {"\ud800": 1}}),
    ("receive", {"params": {"work.gain": deep(800)}}),
    ("receive", {"files": {"base_color": "text"}}),
    ("receive", {"files": {"base_color": {"suffix": ".png"}}}),
)


@pytest.mark.parametrize(("verb", "more"), POISON, ids=range(len(POISON)))
def test_no_request_ends_the_daemon(verb: Verb, more: dict[str, Any], taker: Taker) -> None:
    """It would end the next one, too: what is not answered is asked again."""
    build = taker.build
    queue = BuildQueue(build, None, None, taker.catalog, None)  # type: ignore[arg-type]  # a `receive` asks none of them
    handler = RequestHandler(build, Session(), queue)  # type: ignore[arg-type]
    with opened_requests(build.state.requests._path, build.pipeline.id) as log:
        number = log.ask(verb, upload(taker.folder, {"base_color": OLD}) | more, "anna")
        handler.handle()
        found = log.find(number)
    assert found is not None
    assert found.answer["error"]["what"]
    assert taker.sources() == {}


class Session:
    paused = False
