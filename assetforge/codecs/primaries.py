"""Primaries: the matrix from linear light of a file's own to linear Rec.709.

SMPTE RP 177, "Derivation of Basic Television Color Equations", 1993, without dividing by y: a primary may be
imaginary and have y = 0, as two of XYZ's own do.
"""

from __future__ import annotations

import numpy as np

from assetforge.codecs.raster import FormatError, Pixels, Primaries

REC709: Primaries = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), (0.3127, 0.3290))
_XYZ = ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0))
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_MOST = 1e4
"""Largest entry of a matrix that still makes sense: primaries that lie almost on a line give more."""


def to_rec709(primaries: Primaries) -> Pixels | None:
    """Return the 3×3 matrix, or None where the primaries are Rec.709; Bradford matches the white points.

    XYZ itself is not adapted. Its white, of equal energy, is no light that a picture was made for: white is what D65
    has in XYZ, as in OpenEXR's own sample of it (openexr issue 686).

    Raises FormatError where the primaries span no color, or are no numbers.
    """
    if np.allclose(primaries, REC709, atol=1e-3):
        return None
    try:
        with np.errstate(all="ignore"):
            is_xyz = np.allclose(primaries[:3], _XYZ, atol=1e-3)
            adaptation = np.eye(3) if is_xyz else _adapt(primaries[3], REC709[3])
            matrix: Pixels = np.linalg.inv(_to_xyz(REC709)) @ adaptation @ _to_xyz(primaries)
    except np.linalg.LinAlgError:
        matrix = np.full((3, 3), np.nan)
    if not (np.abs(matrix) < _MOST).all():
        raise FormatError(
            "has primaries that span no colors; repair its chromaticities, or write `profile: srgb` under the map"
        )
    return matrix


def _xyz(xy: tuple[float, float]) -> Pixels:
    """Return the direction of a chromaticity in XYZ; its length means nothing."""
    return np.array([xy[0], xy[1], 1 - xy[0] - xy[1]])


def _white(xy: tuple[float, float]) -> Pixels:
    """Return the XYZ of a white of luminance 1."""
    white: Pixels = _xyz(xy) / np.float64(xy[1])
    return white


def _to_xyz(primaries: Primaries) -> Pixels:
    columns = np.stack([_xyz(primary) for primary in primaries[:3]], 1)
    scaled: Pixels = columns * np.linalg.solve(columns, _white(primaries[3]))
    return scaled


def _adapt(source: tuple[float, float], target: tuple[float, float]) -> Pixels:
    gain = (_BRADFORD @ _white(target)) / (_BRADFORD @ _white(source))
    adapted: Pixels = np.linalg.inv(_BRADFORD) @ np.diag(gain) @ _BRADFORD
    return adapted
