"""Takes in uploaded pictures: raw bytes of one file each, into a hidden folder of the sources."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from starlette.requests import ClientDisconnect, Request

from assetforge.codecs.atomic import write_atomically
from assetforge.errors import OutputError
from assetforge.serve.heads import Head, read_head
from assetforge.serve.limits import ServeLimits
from assetforge.serve.problems import ServeError
from assetforge.store.description import UPLOADED

_PART = ".part"
_ABOUT = ".json"
_FULL = 507
"""The status of an answer: insufficient storage."""


async def body_of(request: Request, most: int, patience: float) -> AsyncIterator[bytes]:
    """Yield the body of a request; raise ServeError where it is too long, or does not come."""
    if (said := _said_length(request)) > most:
        raise ServeError(413, "body", f"has {said} bytes", f"send at most {most}")
    stream, count = request.stream(), 0
    while True:
        try:
            piece = await asyncio.wait_for(anext(stream), patience)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise ServeError(408, "body", "has not come", "send it again") from None
        except ClientDisconnect:
            raise ServeError(400, "body", "was cut off", "send it again") from None
        count += len(piece)
        if count > most:
            raise ServeError(413, "body", f"has more than {most} bytes", "send less")
        yield piece


def _said_length(request: Request) -> int:
    """Return the bytes that a request says its body has; 0 where it does not say."""
    said = request.headers.get("content-length", "")
    return int(said) if said.isascii() and said.isdigit() else 0


async def json_of(request: Request, limits: ServeLimits) -> dict[str, Any]:
    """Return the JSON object that a request sends."""
    try:
        async with asyncio.timeout(limits.patience):  # in all, as strangers may send the code of a session
            text = b"".join([piece async for piece in body_of(request, limits.body, limits.patience)])
    except TimeoutError:
        raise ServeError(408, "body", "has not come", "send it again") from None
    try:
        data = json.loads(text or b"{}")
    except (ValueError, RecursionError):
        raise ServeError(400, "body", "is no JSON", "see /docs") from None
    if not isinstance(data, dict):
        raise ServeError(400, "body", "is no JSON object", "see /docs")
    return data


class Incoming:
    """The uploads to one pipeline that have not become assets yet."""

    def __init__(self, folder: Path, limits: ServeLimits) -> None:
        self.folder, self._limits = folder, limits
        self._sending: Counter[str] = Counter()
        self._keeping = threading.Lock()
        self._owners: dict[str, str] = {}
        """Who has begun each upload that is there. It is forgotten when the server ends, as uploads are soon after."""
        self._making = threading.Lock()

    async def take(self, request: Request, user: str, key: str, name: str) -> dict[str, Any]:
        """Take in one file for a map of an upload; return what it is. What was sent for it before is forgotten."""
        with self._one_of_few(user), _removed_if_full(self.folder / key) as folder:
            await asyncio.to_thread(self._make, folder, user)
            await asyncio.to_thread(self._check_asset, folder, name, _said_length(request))
            part = folder / f"{name}.{secrets.token_hex(4)}{_PART}"  # a client that lost its connection sends again
            try:
                sha256 = await self._write(request, part)
                head = await asyncio.to_thread(self._check, part, name)
                await asyncio.to_thread(
                    self._keep, part, folder / name, {"sha256": sha256, "suffix": UPLOADED[head.kind]}
                )
            except OutputError as error:
                raise ServeError(_FULL, "disk", error.problem.what, "tell who runs the server") from error
            except OSError as error:
                raise _no_space(error) from error
            finally:
                with suppress(OSError):
                    part.unlink()
        return {"sha256": sha256, "kind": head.kind, "size": list(head.size)}

    @contextmanager
    def _one_of_few(self, user: str) -> Iterator[None]:
        if self._sending[user] >= self._limits.uploads:
            raise ServeError(429, "uploads", f"{self._limits.uploads} are under way", "wait for one of them to end")
        self._sending[user] += 1
        try:
            yield
        finally:
            self._sending[user] -= 1

    def _make(self, folder: Path, user: str) -> None:
        """Make the folder of an upload; raise ServeError where that is another user's, or too much waits already."""
        limits = self._limits
        try:
            with self._making:
                there = {one.name: _bytes_in(one) for one in self.folder.iterdir()} if self.folder.is_dir() else {}
                self._check_owner(folder.name, user, there)
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            free = shutil.disk_usage(folder).free
        except OSError as error:
            raise _no_space(error) from error
        if free < limits.free + limits.file or sum(there.values()) > limits.incoming:
            raise _almost_full()

    def _check_owner(self, key: str, user: str, there: Mapping[str, int]) -> None:
        owners = {one: owner for one, owner in self._owners.items() if one in there}
        if owners.get(key, user) != user:
            raise ServeError(409, key, "is another user's upload", "make a new key for a new upload")
        mine = [there[one] for one, owner in owners.items() if owner == user and one != key and there[one]]
        if len(mine) >= self._limits.waiting or sum(mine) > self._limits.incoming_of_user:
            what = f"of yours that wait are {len(mine)} already, with {sum(mine)} bytes"
            instead = "wait until some have become assets; those that nobody finishes are removed after an hour"
            raise ServeError(429, "uploads", what, instead)
        self._owners = {**owners, key: user}

    async def _write(self, request: Request, part: Path) -> str:
        digest = hashlib.sha256()
        with part.open("wb") as file:
            async for piece in body_of(request, self._limits.file, self._limits.patience):
                digest.update(piece)
                await asyncio.to_thread(self._append, file, piece)
        return digest.hexdigest()

    def _append(self, file: BinaryIO, piece: bytes) -> None:
        """Write a piece, unless too little of the disk is free by now: others write, too."""
        if shutil.disk_usage(file.name).free < self._limits.free + len(piece):
            raise _almost_full()
        file.write(piece)

    def _keep(self, part: Path, file: Path, about: dict[str, str]) -> None:
        """Put a file that is complete in its place, and what is known of it beside it."""
        with self._keeping:  # so that two files of one upload that end at once are counted, too
            self._check_asset(file.parent, file.name, part.stat().st_size)
            write_atomically(file.with_name(f"{file.name}{_ABOUT}"), json.dumps(about).encode())
            part.replace(file)

    def _check_asset(self, folder: Path, name: str, size: int) -> None:
        """Raise ServeError where a file would make an upload larger than one asset may be."""
        kept = [about.with_suffix("") for about in folder.glob(f"*{_ABOUT}")]
        total = size + sum(_bytes_of(file) for file in kept if file.name != name)
        if total > self._limits.asset:
            what = f"would make the upload {total} bytes in all"
            raise ServeError(413, name, what, f"send at most {self._limits.asset} for one asset")

    def _check(self, part: Path, name: str) -> Head:
        head = read_head(part)
        width, height = head.size
        if width * height > self._limits.pixels:
            what = f"has {width} × {height} pixels"
            raise ServeError(413, name, what, f"send at most {self._limits.pixels} in all")
        return head

    def files(self, key: str, user: str) -> dict[str, Any]:
        """Return what a user sent for an upload: the sha256 and the ending of each map's file."""
        if self._owners.get(key, user) != user:
            raise ServeError(409, key, "is another user's upload", "make a new key for a new upload")
        found = {}
        for about in (self.folder / key).glob(f"*{_ABOUT}"):
            with suppress(OSError, ValueError):
                if about.with_suffix("").is_file():
                    found[about.stem] = json.loads(about.read_text())
        return found

    def prune(self, busy: set[str]) -> None:
        """Remove uploads that nobody has finished in a long time; `busy`: keys of those that are being made assets."""
        oldest = time.time() - self._limits.kept
        for folder in self.folder.iterdir() if self.folder.is_dir() else ():
            with suppress(OSError):
                times = [one.stat().st_mtime for one in (folder, *folder.iterdir())]
                if folder.name not in busy and max(times) < oldest:
                    shutil.rmtree(folder)


def _bytes_in(folder: Path) -> int:
    """Return the bytes of an upload; files that end meanwhile count nothing."""
    return sum(map(_bytes_of, folder.glob("*")))


def _bytes_of(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


@contextmanager
def _removed_if_full(folder: Path) -> Iterator[Path]:
    """Give the folder of an upload; remove it, if nothing is in it, where the disk is too full for more."""
    try:
        yield folder
    except ServeError as error:
        if error.status == _FULL:
            with suppress(OSError):
                folder.rmdir()
        raise


def _almost_full() -> ServeError:
    return ServeError(_FULL, "disk", "is almost full", "tell who runs the server")


def _no_space(error: OSError) -> ServeError:
    return ServeError(_FULL, "disk", f"cannot be written ({error.strerror})", "tell who runs the server")
