"""Numbers that random generators begin with."""

from __future__ import annotations

import hashlib


def mixed(*numbers: int) -> int:
    """Make one number of several, however large: no two lists of numbers that anybody will meet give the same."""
    text = ",".join(map(str, numbers)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=6).digest(), "little")
