"""Color spaces, in MaterialX spelling."""

from __future__ import annotations

from enum import StrEnum


class ColorSpace(StrEnum):
    """What the numbers of a texture mean as color; `NONE` marks data."""

    LIN_REC709 = "lin_rec709"
    SRGB_TEXTURE = "srgb_texture"
    ACESCG = "acescg"
    NONE = "none"
