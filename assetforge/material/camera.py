"""What a camera says of a photograph that it took."""

from __future__ import annotations

import math
from dataclasses import dataclass

HALF_OF_35MM = 18.0
"""Half the longer side of a 35 mm frame, 36 mm × 24 mm."""


@dataclass(frozen=True)
class Camera:
    """The settings of one shot; None is what the file does not tell, or nobody can believe."""

    focal_35mm: float | None = None
    """Focal length in mm that sees as much of the scene on a frame of 35 mm film."""
    exposure_time: float | None = None
    """Seconds."""
    aperture: float | None = None
    """The f-number."""
    iso: float | None = None
    """Sensitivity as ISO 12232 has it."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value!r}; it must be a positive number, or None")


def fov(camera: Camera | None) -> float | None:
    """Return the angle that a camera sees along the longer side of its picture, in degrees; None where it is unknown.

    By EXIF 2.32 the focal length in 35 mm film is relative to the diagonal or to the width, as makers please; the width
    is taken here, and pictures of 4:3 are then told to be up to 4 % wider than they are.
    """
    if camera is None or camera.focal_35mm is None:
        return None
    return math.degrees(2 * math.atan(HALF_OF_35MM / camera.focal_35mm))
