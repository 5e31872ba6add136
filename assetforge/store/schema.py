"""The state's database: opening, and bringing an older one up to date."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from assetforge import snapshot
from assetforge.errors import StoreError

MIGRATIONS = (
    # 1: what was built of what, and which files were seen
    """
    create table files (path text primary key, size integer, mtime_ns integer, inode integer, sha256 text)
        without rowid;
    create table jobs (pipeline text, asset text, facts text, outputs text, primary key (pipeline, asset))
        without rowid;
    create table published (path text primary key, sha256 text) without rowid
    """,
    # 2: paths relative to the project, signatures, and the journal of attempts. Nothing of the old is carried over:
    # results are found in the store by their keys.
    """
    drop table files; drop table jobs; drop table published;
    create table files (path text primary key, size integer, mtime_ns integer, inode integer, sha256 text)
        without rowid;
    create table jobs (pipeline text, asset text, signature text, sources text, facts text,
        primary key (pipeline, asset)) without rowid;
    create table outputs (pipeline text, asset text, path text, key text, sha256 text,
        size integer, mtime_ns integer, inode integer, primary key (pipeline, asset, path)) without rowid;
    create table attempts (pipeline text, asset text, signature text, run text, began real, ended real, error text,
        log text);
    create index attempts_of on attempts (pipeline, asset);
    create table quarantine (pipeline text, asset text, signature text, attempts integer, error text, log text,
        since real, primary key (pipeline, asset)) without rowid;
    create table claims (pipeline text, asset text, run text, primary key (pipeline, asset)) without rowid;
    create table runs (pipeline text primary key, ended real, exit_code integer, counts text) without rowid
    """,
    # 3: why outputs are doubtful; apart from the jobs, as there are few
    """
    create table flags (pipeline text, asset text, flags text, primary key (pipeline, asset)) without rowid
    """,
    # 4: outputs that jobs made once, and did not when they were last built
    """
    create table stale (pipeline text, path text, sha256 text, size integer, mtime_ns integer, inode integer,
        primary key (pipeline, path)) without rowid
    """,
    # 5: shared stores that were seen
    """
    create table stores (path text primary key) without rowid
    """,
    # 6: what happened, for other processes to follow
    """
    create table events (n integer primary key autoincrement, pipeline text, run text, time real, kind text, event text)
    """,
    # 7: what other processes ask the daemon to do
    """
    create table requests (n integer primary key autoincrement, pipeline text, verb text, what text, who text,
        key text unique, asked real, done real, answer text)
    """,
    # 8: when runs began and ended, and how
    """
    create table history (run text primary key, pipeline text, kind text, began real, ended real, exit_code integer,
        counts text, who text) without rowid;
    create index history_of on history (pipeline, began)
    """,
    # 9: who has uploaded which asset
    """
    create table uploads (pipeline text, asset text, who text, primary key (pipeline, asset)) without rowid;
    create index uploads_of on uploads (pipeline, who)
    """,
    # 10: files are known by the time of any change, too; what older versions have put in place is read once more
    """
    drop table files;
    create table files (path text primary key, size integer, mtime_ns integer, ctime_ns integer, inode integer,
        sha256 text) without rowid;
    alter table outputs rename to old_outputs;
    create table outputs (pipeline text, asset text, path text, key text, sha256 text,
        size integer, mtime_ns integer, ctime_ns integer, inode integer, primary key (pipeline, asset, path))
        without rowid;
    insert into outputs select pipeline, asset, path, key, sha256, size, mtime_ns, 0, inode from old_outputs;
    drop table old_outputs;
    alter table stale rename to old_stale;
    create table stale (pipeline text, path text, sha256 text, size integer, mtime_ns integer, ctime_ns integer,
        inode integer, primary key (pipeline, path)) without rowid;
    insert into stale select pipeline, path, sha256, size, mtime_ns, 0, inode from old_stale;
    drop table old_stale
    """,
    # 11: outputs are found by their names, as it is asked of each that is removed whether others make it, too
    """
    create index outputs_at on outputs (path)
    """,
)
"""Statements that lead from each version to the next. Never change one that was released; add another."""

_TEXTS = {
    "files": "path sha256", "jobs": "pipeline asset signature sources facts",
    "outputs": "pipeline asset path key sha256", "quarantine": "pipeline asset signature error log",
    "claims": "pipeline asset run", "runs": "pipeline counts", "flags": "pipeline asset flags", "stale": "path sha256",
    "requests": "pipeline verb what who", "history": "pipeline kind counts who",
    "uploads": "who",
}  # fmt: skip
_NUMBERS = {
    "files": "size mtime_ns ctime_ns inode", "outputs": "size mtime_ns ctime_ns inode",
    "stale": "size mtime_ns ctime_ns inode",
    "quarantine": "attempts", "runs": "exit_code",
}  # fmt: skip
_JSON = {"runs": "counts", "flags": "flags", "requests": "what", "history": "counts"}
PATIENCE = 60.0
"""Seconds to wait for another process that is writing."""
_PAUSE = 0.02
_PRIMARY_CODE = 0xFF
"""The bits of SQLite's error codes that tell the kind."""


def open_database(path: Path) -> sqlite3.Connection:
    """Open the state, new or of an older version. A damaged one is put aside: all it knows can be found out again.

    Raises StoreError where it was written by a newer AssetForge, or cannot be opened.
    """
    with writing(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # logs are nobody else's business
        try:
            return _open_patiently(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # locked, full, not permitted: nothing is damaged
                raise
            _put_aside(path)
            return _open_patiently(path)


def _open_patiently(path: Path) -> sqlite3.Connection:
    """Open it, and wait where SQLite does not: when several processes make a database at once."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return _open(path)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & _PRIMARY_CODE != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(_PAUSE)


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    try:
        database.execute("pragma journal_mode = wal")
        # With a write-ahead log, this may lose the last writes in a power failure, but never damages anything.
        database.execute("pragma synchronous = normal")
        if _version(database) == 0:
            snapshot.drop_all(str(path.parent))  # they are of a database that was here before
        if _version(database) < len(MIGRATIONS):
            _migrate(database)
        _refuse_newer(_version(database), path)
        _refuse_foreign(database)
    except BaseException:
        database.close()
        raise
    return database


def _refuse_newer(version: int, path: Path) -> None:
    if version > len(MIGRATIONS):
        what = f"was written by a newer AssetForge (schema {version}, known: {len(MIGRATIONS)})"
        raise StoreError(str(path), what, "upgrade AssetForge")


def _refuse_foreign(database: sqlite3.Connection) -> None:
    """Raise DatabaseError where tables or rows are not as we write them: SQLite keeps anything in any column."""
    tests = ((_TEXTS, "typeof({}) != 'text'"), (_NUMBERS, "typeof({}) != 'integer'"), (_JSON, "not json_valid({})"))
    tested: dict[str, list[str]] = {}
    for kinds, test in tests:
        for table, columns in kinds.items():
            tested.setdefault(table, []).extend(test.format(column) for column in columns.split())
    wrong = [f"exists (select 1 from {table} where {' or '.join(all_of)})" for table, all_of in tested.items()]  # noqa: S608
    # The many events are tested when they are read. Beyond some number SQLite would find no more for new ones.
    wrong.append("exists (select n, pipeline, run, time, kind, event from events limit 0)")
    numbers = "select max(n) as number from events union select seq from sqlite_sequence"
    wrong.append(f"exists (select 1 from ({numbers}) where number >> 62)")  # noqa: S608
    try:
        is_foreign = database.execute(f"select {' or '.join(wrong)}").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & _PRIMARY_CODE != sqlite3.SQLITE_ERROR:
            raise
        is_foreign = True  # a table or a column is missing
    if is_foreign:
        raise sqlite3.DatabaseError("holds what AssetForge does not write")


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("pragma user_version").fetchone()[0])


def _migrate(database: sqlite3.Connection) -> None:
    with transaction(database):
        for statements in MIGRATIONS[_version(database) :]:  # read anew: another process may have been faster
            for statement in statements.split(";"):
                database.execute(statement)
        database.execute(f"pragma user_version = {max(len(MIGRATIONS), _version(database))}")


def _put_aside(path: Path) -> None:
    path.replace(path.with_name(f"{path.name}.damaged-{int(time.time())}"))
    for rest in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + rest).unlink()


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Do all of the block or nothing."""
    if database.in_transaction:  # an interrupt came between the beginning of an earlier one and its block
        database.execute("rollback")
    database.execute("begin immediate")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk has rolled it back already
            database.execute("rollback")
        raise
    database.execute("commit")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system say of the state into a StoreError."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        what = f"the state cannot be used ({error})"
        raise StoreError(str(path), what, "see that there is disk space and that the folder is writable") from error
