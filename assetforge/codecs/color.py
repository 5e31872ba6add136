"""What a file's color numbers stand for, and their way to linear Rec.709."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from assetforge.codecs import icc, primaries
from assetforge.codecs.raster import PROFILE_IGNORED, FormatError, Pixels, Raster
from assetforge.codecs.reading import ProfileUse
from assetforge.ops.color import srgb_decode, srgb_encode

BAND = 256
"""Rows that are converted at a time, so that a large file needs few copies."""
_NEAR = 0.5 / 255


@dataclass(frozen=True)
class Meaning:
    """How a file's numbers become linear Rec.709."""

    curves: tuple[icc.Curve, ...] | None = None
    """Of integers, to linear light; None is sRGB's own. Floats are linear."""
    matrix: Pixels | None = None
    """From linear light of the file's primaries to Rec.709; None where they are the same."""
    tables: bytes | None = None
    """A profile of tables, to be applied before: what it gives is sRGB."""
    flags: tuple[str, ...] = ()


def meaning_of(raster: Raster, use: ProfileUse) -> Meaning:
    """Find out what a file's color stands for; raise FormatError where what it says of that is broken."""
    if use == "srgb":
        says = raster.profile is not None or raster.primaries is not None or raster.is_linear
        return Meaning(flags=(PROFILE_IGNORED,) if says else ())
    if raster.is_float:
        return _of_floats(raster)
    if raster.profile is None:
        return Meaning(curves=(lambda steps: steps,)) if raster.is_linear else Meaning()
    profile = icc.parse(raster.profile)
    if profile is None:
        return Meaning(tables=raster.profile)
    return Meaning() if is_srgb(profile) else Meaning(profile.curves, profile.matrix)


def is_srgb(profile: icc.MatrixProfile) -> bool:
    """Tell whether a profile says what a file without one means, to half a code of 8 bits.

    Those of sRGB itself are rounded, each in its way; taken at their word, they would change codes that nobody touched.
    """
    steps = np.linspace(0, 1, 256)
    curves = torch.from_numpy(np.stack([curve(steps) for curve in profile.curves]))
    near = (srgb_encode(curves) - torch.from_numpy(steps)).abs().max().item() < _NEAR
    return near and (profile.matrix is None or bool(np.abs(profile.matrix - np.eye(3)).max() < _NEAR))


def _of_floats(raster: Raster) -> Meaning:
    """Floats are linear; a profile may name their primaries, but programs also copy that of integers into them."""
    if raster.primaries is not None:
        return Meaning(matrix=primaries.to_rec709(raster.primaries))
    if raster.profile is None:
        return Meaning()
    try:
        profile = icc.parse(raster.profile)
    except FormatError:
        profile = None
    if profile is not None and all(map(icc.is_linear, profile.curves)):
        return Meaning(matrix=profile.matrix)
    return Meaning(flags=("has floats and a color profile that is not of linear light; they are taken as linear",))


def to_linear(color: Pixels, meaning: Meaning, channels: int) -> Tensor:
    """Decode gray or RGB (H, W, 1 or 3) to linear Rec.709, (channels, H, W)."""
    if meaning.tables is not None:
        color = icc.through_tables(color, meaning.tables)
    if meaning.curves is not None and len(meaning.curves) > color.shape[2]:
        color = np.broadcast_to(color[:, :, :1], (*color.shape[:2], len(meaning.curves)))  # gray has R = G = B
    out = torch.empty(channels, *color.shape[:2])
    for top in range(0, color.shape[0], BAND):
        band = _linear(color[top : top + BAND], meaning)
        out[:, top : top + BAND] = band[:channels].expand(channels, -1, -1)
    return out


def _linear(band: Pixels, meaning: Meaning) -> Tensor:
    """Decode some rows to linear Rec.709, (1 or 3, h, W)."""
    if band.dtype.kind == "f":
        planes = torch.from_numpy(np.ascontiguousarray(band.transpose(2, 0, 1), dtype=np.float32))
        return _rotate(planes, meaning.matrix)
    if meaning.curves is None:
        return _decode_table(band, srgb_decode(_steps(band)).numpy())
    tables = np.stack([curve(_steps(band).double().numpy()) for curve in meaning.curves])
    channels = range(band.shape[2])
    light = [_decode_table(band[:, :, index : index + 1], tables[index % len(tables)]) for index in channels]
    return _rotate(torch.cat(light), meaning.matrix)


def _steps(band: Pixels) -> Tensor:
    """Return every value that the integers of this depth can have, from 0 to 1."""
    top = np.iinfo(band.dtype).max
    return torch.arange(top + 1, dtype=torch.float32) / top


def _decode_table(band: Pixels, table: Pixels) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(table.astype(np.float32)[band].transpose(2, 0, 1)))


def _rotate(color: Tensor, matrix: Pixels | None) -> Tensor:
    if matrix is None or color.shape[0] == 1:
        return color
    return torch.einsum("dc,chw->dhw", torch.from_numpy(matrix.astype(np.float32)), color)
