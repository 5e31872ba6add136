"""Puts uploaded files in place as the sources of an asset. No source is lost by that, and nothing is done twice.

What was cut off is done again from the beginning: a file that is in place already is recognized by its content.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assetforge.build import Build
from assetforge.codecs.atomic import link_or_move, synchronize, synchronize_folder, write_atomically, write_errors_of
from assetforge.codecs.regular import open_regular
from assetforge.errors import SourceError
from assetforge.params import is_file
from assetforge.pipeline.patterns import NAME, asset_of, is_file_word, spell_file
from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan.assets import ASSET_OVERRIDE, Catalog
from assetforge.store.description import INCOMING, KEY, UPLOADED

REPLACED = "replaced"
"""The folder of the state that keeps sources which uploads have replaced."""
KEPT_SECONDS = 30 * 24 * 3600.0
_SUFFIX = re.compile(r"\.[a-z0-9]{2,4}")


@dataclass(frozen=True)
class _Upload:
    """One uploaded file, where it goes, and the sources that are in its place."""

    path: Path
    name: str
    """Of its place, below the sources."""
    target: Path
    sha256: str
    others: tuple[Path, ...]
    """What is of no use when it is in place: the same map of the asset, in files of these names."""

    @property
    def is_placed(self) -> bool:
        """Whether it is in place, as after an earlier try."""
        return self.target.is_file() and _sha256(self.target) == self.sha256

    @property
    def in_the_way(self) -> set[Path]:
        """The sources that would be lost, or would make the asset ambiguous."""
        return {one for one in self.others if not (one == self.target and self.is_placed)}


def receive(build: Build, catalog: Catalog, what: Mapping[str, Any], who: str = "") -> dict[str, Any]:
    """Make the sources of an asset of uploaded files; return its name, or the sources that are in the way.

    what: `key` of the upload, `fields` for the pattern, `params` of steps, `files` with the sha256 and the ending of
    each map's, whether to `replace` sources that are there, and whether it is `private`: then only what the user has
    uploaded. Raises SourceError or PipelineError where that cannot be.
    who: the user, whose the asset is from then on, if there was none.
    """
    pipeline = build.pipeline
    fields = _fields(pipeline, what.get("fields", {}))
    folder = _folder(pipeline, str(what.get("key", "")))
    asset = fields[NAME] if pipeline.conventions else asset_of(fields)
    uploads = list(_uploads(pipeline, catalog, asset, fields, folder, what.get("files", {})))
    if not uploads:
        raise SourceError(asset, "no file was uploaded", "send at least one map")
    override = _override(build, folder, uploads[0], what.get("params", {}))
    others = {path for upload in uploads for path in upload.in_the_way}
    others |= set() if override is None else override.in_the_way
    there = _there(pipeline, catalog, asset, uploads)
    owner, is_private = build.state.owners.of(asset), bool(what.get("private"))
    if is_private:
        _check_alone(catalog, asset, uploads)
        if owner not in ("", who):
            raise SourceError(asset, "is another user's", "choose another name")
    if is_private and not owner:  # be it the same, byte for byte: who sends what there is would see what became of it
        others |= there
    if others and not (what.get("replace") and (owner or not is_private)):
        return {"asset": asset, "exists": sorted(path.name for path in others)}
    if who and not there:  # before the first file is in place, so that whoever does this again finds it so
        build.state.owners.set(asset, who)
    kept = pipeline.state / REPLACED / f"{time.time_ns()}-{folder.name}"
    for upload in [*([] if override is None else [override]), *uploads]:  # parameters first: the asset waits for none
        _put(upload, pipeline, kept)
    shutil.rmtree(folder, ignore_errors=True)
    _drop_old(kept.parent)
    return {"asset": asset}


def _check_alone(catalog: Catalog, asset: str, uploads: list[_Upload]) -> None:
    """Raise SourceError where a file would be a part of another asset, too, which may be anybody's."""
    for upload in uploads:
        if any(other != asset for _, other in catalog.maps_of(upload.name)):
            raise SourceError(upload.name, "could be a part of another asset, too", "choose another name")


def _there(pipeline: Pipeline, catalog: Catalog, asset: str, uploads: list[_Upload]) -> set[Path]:
    """Return all sources that an asset has already, as far as the catalog knows and uploads would meet them."""
    known = {pipeline.sources / name for one in catalog.assets([asset]) for name in one.sources.values()}
    return known | {path for upload in uploads for path in upload.others}


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
        others = {path, *_same_map(catalog, pipeline, target, (name, asset))}
        others |= {pipeline.sources / known} if known else set()
        yield _Upload(
            folder / name, target, path, sha256, tuple(one for one in others if one.exists() or one.is_symlink())
        )


def _same_map(catalog: Catalog, pipeline: Pipeline, target: str, meant: tuple[str, str]) -> Iterator[Path]:
    """Yield the names that another upload may have given the same map, and that the catalog may not know yet."""
    for suffix in UPLOADED.values():
        name = str(Path(target).with_suffix(suffix))
        if meant in catalog.maps_of(name):
            yield pipeline.sources / name


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
    return _Upload(path, target.name, target, sha256, (target,) if target.exists() else ())


def _names_file(build: Build, key: str) -> bool:
    step, _, parameter = key.rpartition(".")
    models = [one.params for name, one in build.registry.steps.items() if step in ("", name)]
    fields = [model.model_fields[parameter] for model in models if parameter in model.model_fields]
    return any(is_file(field) for field in fields)


def _put(upload: _Upload, pipeline: Pipeline, kept: Path) -> None:
    """Bring one file into its place; what was there is kept first."""
    others = upload.in_the_way
    with write_errors_of(upload.target):
        for other in others:
            _keep(other, kept / other.relative_to(pipeline.sources))
        if not upload.is_placed:
            _place(upload)
        for other in others - {upload.target}:
            other.unlink()


def _place(upload: _Upload) -> None:
    if not upload.path.is_file() or _sha256(upload.path) != upload.sha256:
        raise SourceError(upload.path.name, "is not what was uploaded", "send it again")
    synchronize(upload.path)
    upload.target.parent.mkdir(parents=True, exist_ok=True)
    if upload.target in upload.others:
        upload.path.replace(upload.target)
    else:
        link_or_move(upload.path, upload.target)  # which fails where somebody has put a file there meanwhile
        with upload.target.open("ab"):  # nothing is written; watchers hear that it is closed, as of a link they do not
            pass
    synchronize_folder(upload.target.parent)


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
