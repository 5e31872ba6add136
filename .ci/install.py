"""Install packages, editable, into the environment of this Python: by uv, in a fifth of pip's time, or else by pip.

uv reads none of pip's settings, so what a site says there about its indexes is handed on.
"""

from __future__ import annotations

import os
import subprocess
import sys

PIP = (sys.executable, "-m", "pip")
UV = (sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable, "--index-strategy=unsafe-best-match")
OPTIONS = ("--quiet", "--constraint", "constraints.txt")
NAMES = {
    "cert": "SSL_CERT_FILE",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "index-url": "UV_DEFAULT_INDEX",
}


def works(*command: str, **env: str) -> bool:
    """Run a command; return whether it ended well."""
    return subprocess.run(command, check=False, env={**os.environ, **env}).returncode == 0  # noqa: S603 - ours


def settings() -> dict[str, str]:
    """Return what pip's files and environment say, by the variables in which uv looks for it."""
    listed = subprocess.run([*PIP, "config", "list"], check=True, capture_output=True, text=True).stdout  # noqa: S603
    said = (line.partition("=") for line in listed.splitlines())
    values = {name.rpartition(".")[2]: value.strip("'").replace("\\n", " ") for name, _, value in said}
    return {NAMES[name]: value for name, value in values.items() if name in NAMES}


def main(*packages: str) -> bool:
    """Install packages of this folder; return whether they are there."""
    wanted = [part for package in packages for part in ("--editable", package)]
    has_uv = works(*PIP, "install", *OPTIONS, "--retries=0", "--timeout=10", "uv")
    return (has_uv and works(*UV, *OPTIONS, *wanted, **settings())) or works(*PIP, "install", *OPTIONS, *wanted)


if __name__ == "__main__":
    sys.exit(not main(*sys.argv[1:]))
