"""What uploads may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServeLimits:
    """Bytes, pixels and numbers of what clients may send at most."""

    file: int = 64 * 2**20
    """Bytes of one file."""
    asset: int = 512 * 2**20
    """Bytes of all files of one upload, which become one asset."""
    pixels: int = 2**26
    """Width times height: 8192²."""
    body: int = 2**18
    """Bytes of JSON."""
    uploads: int = 4
    """Files that one user sends at a time."""
    incoming: int = 20 * 2**30
    """Bytes that wait to become assets."""
    incoming_of_user: int = 5 * 2**30
    """Bytes of them that one user has sent."""
    waiting: int = 200
    """Uploads of one user that wait, or requests."""
    free: int = 2 * 2**30
    """Bytes of the disk that stay free."""
    patience: float = 30.0
    """Seconds that a client may be silent while it sends."""
    kept: float = 3600.0
    """Seconds after which an upload that nobody finished is removed."""
