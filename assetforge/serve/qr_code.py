"""An address as a QR code for terminals, so that nobody has to type it on a phone."""

from __future__ import annotations

from itertools import zip_longest

BLOCKS = " ▀▄█"
"""What shows two modules, one above the other: neither is dark, the upper one, the lower one, both."""
_DARK_ON_LIGHT, _AS_BEFORE = "\x1b[30;107m", "\x1b[0m"
"""Whatever colors the terminal has: not all cameras read a code that is light on dark."""
_BORDER = 2


def qr_code(text: str) -> str:
    """Return a QR code of a text, two rows of it a line."""
    import segno

    rows = [list(row) for row in segno.make(text, error="l", micro=False).matrix_iter(border=_BORDER)]
    pairs = zip_longest(rows[::2], rows[1::2], fillvalue=[0] * len(rows[0]))
    lines = ("".join(BLOCKS[upper + 2 * lower] for upper, lower in zip(*pair, strict=True)) for pair in pairs)
    return "\n".join(f"{_DARK_ON_LIGHT}{line}{_AS_BEFORE}" for line in lines)
