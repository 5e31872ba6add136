"""Puts uploaded files in place as the sources of an asset. No source is lost by that, and nothing is done twice.

What was cut off is done again from the beginning: a file that is in place already is recognized by its content.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assetforge.build import Build
from assetforge.codecs.atomic import synchronize, synchronize_folder, write_atomically, write_errors_of
from assetforge.codecs.regular import open_regular
from assetforge.errors import SourceError
from assetforge.params import is_file
from assetforge.pipeline.patterns import NAME, asset_of, is_file_word, spell_file
from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan.assets import ASSET_OVERRIDE, Catalog
from assetforge.store.description import INCOMING, KEY

REPLACED = "replaced"
"""The folder of the state that keeps sources which uploads have replaced."""
KEPT_SECONDS = 30 * 24 * 3600.0
_SUFFIX = re.compile(r"\.[a-z0-9]{2,4}")


@dataclass(frozen=True)
class _Upload:
    """One uploaded file, where it goes, and the sources that are in its place."""

    path: Path
    target: Path
    sha256: str
    others: tuple[Path, ...]

    @property
    def is_placed(self) -> bool:
        """Whether it is in place, as after an earlier try."""
        return self.target.is_file() and _sha256(self.target) == self.sha256


def receive(build: Build, catalog: Catalog, what: Mapping[str, Any]) -> dict[str, Any]:
    """Make the sources of an asset of uploaded files; return its name, or the sources that are in the way.

    what: `key` of the upload, `fields` for the pattern, `params` of steps, `files` with the sha256 and the ending of
    each map's, and whether to `replace` sources that are there. Raises SourceError or PipelineError where that cannot
    be.
    """
    pipeline = build.pipeline
    fields = _fields(pipeline, what.get("fields", {}))
    folder = _folder(pipeline, str(what.get("key", "")))
    asset = fields[NAME] if pipeline.conventions else asset_of(fields)
    uploads = list(_uploads(pipeline, catalog, asset, fields, folder, what.get("files", {})))
    if not uploads:
        raise SourceError(asset, "no file was uploaded", "send at least one map")
    override = _override(build, folder, uploads[0], what.get("params", {}))
    others = [path for upload in uploads if not upload.is_placed for path in upload.others]
    others += [] if override is None else override.others
    if others and not what.get("replace"):
        return {"asset": asset, "exists": sorted(path.name for path in others)}
    kept = pipeline.state / REPLACED / f"{time.time_ns()}-{folder.name}"
    for upload in [*([] if override is None else [override]), *uploads]:  # parameters first: the asset waits for none
        _put(upload, pipeline, kept)
    shutil.rmtree(folder, ignore_errors=True)
    _drop_old(kept.parent)
    return {"asset": asset}


def _fields(pipeline: Pipeline, said: Any) -> dict[str, str]:
    pattern = next(iter(pipeline.inputs.values())).pattern
    wanted = [NAME] if pipeline.conventions else list(pattern.fields)
    for field in wanted:
        value = said.get(field) if isinstance(said, dict) else None
        if not isinstance(value, str) or not is_file_word(value):
            instead = "use letters, digits, spaces, dots, - and _, up to 80 of them"
            raise SourceError(field, "is no name for a file", instead)
    return {field: said[field].lower() if pipeline.ignore_case else said[field] for field in wanted}


def _folder(pipeline: Pipeline, key: str) -> Path:
    if not KEY.fullmatch(key):
        raise SourceError("key", "is no UUID", "make a new one for each upload")
    return pipeline.sources / INCOMING / key


def _uploads(
    pipeline: Pipeline, catalog: Catalog, asset: str, fields: Mapping[str, str], folder: Path, files: Any
) -> Iterator[_Upload]:
    there = next(iter(catalog.assets([asset])), None)
    for name, about in files.items() if isinstance(files, dict) else ():
        suffix, sha256 = str(about["suffix"]), str(about["sha256"])
        if name not in pipeline.inputs or not _SUFFIX.fullmatch(suffix):
            raise SourceError(name, "is no input of this pipeline", f"send {', '.join(pipeline.inputs)}")
        target = _spell(pipeline, name, fields, suffix)
        if (name, asset) not in catalog.maps_of(target):
            raise SourceError(target, f"would not be {name} of {asset}", "choose another name")
        path = pipeline.sources / target
        if not path.parent.resolve().is_relative_to(pipeline.sources.resolve()):
            raise SourceError(target, "leads out of the folder of sources", "choose another name")
        known = there.sources.get(name) if there else None
        others = {path, *([pipeline.sources / known] if known else [])}
        yield _Upload(folder / name, path, sha256, tuple(one for one in others if one.exists() or one.is_symlink()))


def _spell(pipeline: Pipeline, name: str, fields: Mapping[str, str], suffix: str) -> str:
    pattern = pipeline.inputs[name].pattern
    if pipeline.conventions is None:
        return spell_file(pattern, fields, suffix)
    file = f"{fields[NAME]}_{name}{suffix}"
    return f"{pattern.folder}/{file}" if pattern.folder else file


def _override(build: Build, folder: Path, first: _Upload, params: Any) -> _Upload | None:
    """Write the parameters of the asset, once they are checked, as what is to lie beside its first source."""
    if not params:
        return None
    named = [key for key in params if not isinstance(key, str) or _names_file(build, key)]
    if named:
        raise SourceError(str(named[0]), "names a file, which cannot be set from here", "leave it out")
    path = folder / f"params{ASSET_OVERRIDE}"
    content = f"{json.dumps(params, indent=2, ensure_ascii=False)}\n".encode()  # which is YAML, too
    write_atomically(path, content)
    build.check_overrides([path])
    target = first.target.with_name(first.target.name + ASSET_OVERRIDE)
    sha256 = hashlib.sha256(content).hexdigest()
    others = (target,) if target.exists() and _sha256(target) != sha256 else ()
    return _Upload(path, target, sha256, others)


def _names_file(build: Build, key: str) -> bool:
    step, _, parameter = key.rpartition(".")
    models = [one.params for name, one in build.registry.steps.items() if step in ("", name)]
    fields = [model.model_fields[parameter] for model in models if parameter in model.model_fields]
    return any(is_file(field) for field in fields)


def _put(upload: _Upload, pipeline: Pipeline, kept: Path) -> None:
    """Bring one file into its place; what was there is kept first."""
    if upload.is_placed:
        return
    with write_errors_of(upload.target):
        if not upload.path.is_file() or _sha256(upload.path) != upload.sha256:
            raise SourceError(upload.path.name, "is not what was uploaded", "send it again")
        synchronize(upload.path)
        upload.target.parent.mkdir(parents=True, exist_ok=True)
        for other in upload.others:
            _keep(other, kept / other.relative_to(pipeline.sources))
        if upload.target in upload.others:
            upload.path.replace(upload.target)
        else:
            os.link(upload.path, upload.target)  # which fails where somebody has put a file there meanwhile
        synchronize_folder(upload.target.parent)
        for other in set(upload.others) - {upload.target}:
            other.unlink()


def _keep(source: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, copy)
    synchronize(copy)


def _drop_old(folder: Path) -> None:
    """Remove what was replaced long ago."""
    oldest = time.time() - KEPT_SECONDS
    for one in folder.iterdir() if folder.is_dir() else ():
        with suppress(OSError):
            if one.stat().st_mtime < oldest:
                shutil.rmtree(one)


def _sha256(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
