"""Validate the files of materials, one by one and beside each other. Reads pixels, and loads torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from assetforge.codecs.decode import decode
from assetforge.codecs.formats import Depth
from assetforge.errors import SourceError
from assetforge.flags import Flag
from assetforge.ops.green import measure_green
from assetforge.ops.normals import flip_green
from assetforge.pipeline.conventions import NORMAL
from assetforge.plan.candidates import Candidate, MapFile
from assetforge.plan.inspection import HEIGHT
from assetforge.validation.material import Subject, check_material, judged
from assetforge.validation.sizes import Member, check_set, texel_density
from assetforge.validation.subject import Subjects, middle

_BITS: dict[Depth, int] = {"8": 8, "16": 16}


@dataclass(frozen=True)
class Validated:
    """A material with all that is doubtful about it."""

    candidate: Candidate
    flags: tuple[Flag, ...]


def validate(candidates: Iterable[Candidate], progress: Callable[[str], None] = lambda _: None) -> list[Validated]:
    """Check materials one by one, as one may be all that fits into memory, and then beside each other."""
    done, members = [], []
    for candidate in candidates:
        progress(candidate.name)
        flags, member = _validated(candidate)
        done.append(Validated(candidate, flags))
        members.append(member)
    beside = check_set(members)
    return [_with(one, beside.get(one.candidate.name, ())) for one in done]


def _with(one: Validated, flags: tuple[Flag, ...]) -> Validated:
    return replace(one, flags=judged([*one.flags, *flags], one.candidate.thresholds))


def _validated(candidate: Candidate) -> tuple[tuple[Flag, ...], Member]:
    subjects: dict[str, Subject] = {}
    flags: list[Flag] = []
    for name, file in candidate.files.items():
        try:
            subjects[name], told = _read(file)
        except SourceError as error:
            flags.append(Flag(str(error.problem), "error", name, check="unreadable"))
        else:
            flags += [Flag(text, map=name, check="file") for text in told]
    if not candidate.green_is_told and NORMAL in subjects:
        subjects[NORMAL], doubt = _straightened(subjects)
        flags.append(doubt)
    flags += check_material(subjects, candidate.thresholds)
    density = texel_density(subjects, candidate.thresholds)
    return tuple(flags), Member(candidate.name, frozenset(candidate.files), density, candidate.thresholds)


def _read(file: MapFile) -> tuple[Subject, tuple[str, ...]]:
    decoded = decode(file.path, file.spec, file.reading, file.path.name, unit=False)
    return Subject(decoded.texture, file.spec, _BITS.get(decoded.depth)), decoded.flags


def _straightened(subjects: Subjects) -> tuple[Subject, Flag]:
    """Return normals with green up as it is measured, where nothing says it, and say so."""
    normal, height = subjects[NORMAL], subjects.get(HEIGHT)
    pixels = middle(normal.data).permute(1, 2, 0).numpy()
    measured = measure_green(pixels, None if height is None else middle(height.data)[0].numpy())
    if measured.green is None:
        text = f"green may point up (OpenGL) or down (DirectX): the name does not say it, and {measured.why}"
        return normal, Flag(text, "warning", NORMAL, check="green")
    text = f"green points {measured.green}: {measured.why}; the name does not say it"
    told = Flag(text, "info", NORMAL, check="green")
    if measured.green == "up":
        return normal, told
    return replace(normal, texture=normal.texture.with_data(flip_green(normal.data))), told
