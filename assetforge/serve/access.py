"""Who may do what: tokens for scripts, sessions for browsers, and a code that makes a session once.

Only digests of secrets are kept, in a file that nobody else can read.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from filelock import FileLock

from assetforge.codecs.atomic import temporary
from assetforge.errors import StoreError, UsageError
from assetforge.store.json_text import parse
from assetforge.store.state import Stat, stat_of

Right = Literal["view", "upload", "retry", "admin"]
"""`retry` is to ask for anything else that changes something: retry, rebuild, cancel, hurry, pause, resume. `admin`,
where uploads are private, is to see all of them, and to ask for that of all."""
RIGHTS: tuple[Right, ...] = get_args(Right)
SESSION_SECONDS = 30 * 24 * 3600.0
CODE_SECONDS = 600.0
_TRIES, _PERIOD = 10, 60.0
"""Logins that may fail in so many seconds, all clients together."""
_MOST_SESSIONS = 100
"""Of one user, so that nobody who logs in again and again ends those of others."""


@dataclass(frozen=True)
class User:
    """Somebody who has logged in."""

    name: str
    may: tuple[Right, ...]


@dataclass(frozen=True)
class _Secret:
    sha256: str
    name: str
    may: tuple[Right, ...]
    expires: float
    """Seconds since 1970; 0 is never."""


class Access:
    """The tokens and sessions in a file. Any thread may call."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._codes: dict[str, tuple[float, User]] = {}
        self._failures: deque[float] = deque(maxlen=_TRIES)
        self._stamp: Stat | None = None
        self._known: list[_Secret] = []

    def new_token(self, name: str, may: tuple[Right, ...]) -> str:
        """Return a new token for scripts; a name has one, and loses the one before, and the sessions made by it."""
        if not name.isidentifier():
            raise UsageError("--new-token", f"{name!r} is no name", "write a word")
        return self._add(name, may, 0.0, without=name)

    def new_code(self, user: User) -> str:
        """Return a code that makes one session, within ten minutes."""
        code = secrets.token_urlsafe(24)
        with self._lock:
            self._codes[_sha256(code)] = time.monotonic() + CODE_SECONDS, user
        return code

    def enter(self, code: str) -> str | None:
        """Take a code, or a token, and return the secret of a new session.

        Return None where it is none, or too many were tried lately.
        """
        now, known = time.monotonic(), self.user(code)
        with self._lock:
            if self.is_barred(now):
                return None
            until, user = (now, known) if known else self._codes.pop(_sha256(code), (0.0, None))
            if user is None or until < now:
                self._failures.append(now)
                return None
        return self._add(user.name, user.may, time.time() + SESSION_SECONDS)

    def is_barred(self, now: float) -> bool:
        """Tell whether too many logins have failed lately."""
        return len(self._failures) == _TRIES and now - self._failures[0] < _PERIOD

    def user(self, secret: str) -> User | None:
        """Return who has a secret."""
        sha256, now = _sha256(secret), time.time()
        for one in self._secrets():
            if hmac.compare_digest(one.sha256, sha256) and (not one.expires or one.expires > now):
                return User(one.name, one.may)
        return None

    def leave(self, secret: str) -> None:
        """Forget a session."""
        sha256 = _sha256(secret)
        with self._lock, self._only_writer():
            self._write([one for one in self._to_be_kept() if one.sha256 != sha256])

    def _add(self, name: str, may: tuple[Right, ...], expires: float, without: str = "") -> str:
        secret, now = secrets.token_urlsafe(32), time.time()
        with self._lock, self._only_writer():
            all_of_them = self._to_be_kept()
            kept = [one for one in all_of_them if one.name != without and (not one.expires or one.expires > now)]
            old = [one for one in kept if one.name == name and one.expires][: -_MOST_SESSIONS + 1]
            self._write([*(one for one in kept if one not in old), _Secret(_sha256(secret), name, may, expires)])
        return secret

    def _secrets(self) -> list[_Secret]:
        """Return what is in the file, or what was in it last, where it cannot be read just now."""
        with suppress(OSError, ValueError):
            return self._read()
        return self._known

    def _read(self) -> list[_Secret]:
        """Return what is in the file, which another process may have changed; raise where it cannot be read."""
        try:
            stamp = stat_of(str(self._file))
            if stamp != self._stamp:
                self._known, self._stamp = parse(list[_Secret], self._file.read_bytes()), stamp
        except FileNotFoundError:  # somebody has taken back all of them
            self._known, self._stamp = [], None
        return self._known

    def _to_be_kept(self) -> list[_Secret]:
        """Return what is in the file, before it is replaced; raise StoreError rather than lose what cannot be read."""
        try:
            return self._read()
        except (OSError, ValueError) as error:
            what = "cannot be read, and all tokens in it would be lost by writing"
            raise StoreError(str(self._file), what, "mend it, or move it away and make new tokens") from error

    def _only_writer(self) -> FileLock:
        """Keep other processes, which may make tokens, from writing meanwhile."""
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileLock(self._file.with_name(f"{self._file.name}.lock"))

    def _write(self, kept: list[_Secret]) -> None:
        write_secret(self._file, json.dumps([asdict(one) for one in kept]).encode())
        self._known, self._stamp = kept, stat_of(str(self._file))


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that nobody else can read, at no time, nor list its folder."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with temporary(path) as written:
        opened = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(opened, "wb") as file:
            file.write(content)
        written.replace(path)


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
