"""A process that makes previews, so that a picture from anywhere takes neither memory nor the program with it.

It reads requests as lines of JSON from its input, and answers each with a line.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, TextIO

from assetforge.codecs.allowance import Limits, allowing
from assetforge.codecs.atomic import write_atomically
from assetforge.codecs.raster import Raster, depth_of
from assetforge.codecs.read import naming_source, read
from assetforge.codecs.reading import Reading
from assetforge.codecs.regular import read_regular
from assetforge.errors import AssetForgeError
from assetforge.execute.memory import limit_memory
from assetforge.material.map_spec import MapSpec
from assetforge.viewer.preview import encoding_of, preview

MAX_PIXELS = 2**26
"""Of a file that is shown: 8192²."""
MAX_BYTES = 2**30
MEMORY = 3 * 2**30
"""Bytes that the process may take."""


def main() -> None:
    """Answer until the input ends."""
    limit_memory(MEMORY)
    answers, sys.stdout = sys.stdout, sys.stderr  # so that what a library prints is no answer
    with allowing(Limits(MAX_PIXELS)):
        serve(sys.stdin, answers)


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer each request: what was made, or what is wrong with it."""
    last: tuple[tuple[Any, ...], Raster] | None = None
    for line in requests:
        request = json.loads(line)
        asked = request["path"], request["sha256"], request["reading"]["layer"], request["reading"]["profile"]
        try:
            if last is None or last[0] != asked:
                last = asked, _read(Path(request["path"]), Reading(**request["reading"]))
            answer = _make(request, last[1])
        except AssetForgeError as error:
            last, answer = None, {"problem": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _read(path: Path, reading: Reading) -> Raster:
    with naming_source(path.name):
        return read(read_regular(path, MAX_BYTES), path.suffix, reading.layer, profile=reading.profile)


def _make(request: dict[str, Any], raster: Raster) -> dict[str, Any]:
    """Write one preview, and before it what there is to know of the file; return the latter."""
    spec, reading, side = MapSpec(**request["spec"]), Reading(**request["reading"]), request["side"]
    with naming_source(Path(request["path"]).name):
        content = preview(raster, spec, reading, side)
    height, width = raster.pixels.shape[:2]
    facts = {"size": [width, height], "depth": depth_of(raster.pixels), "encoding": encoding_of(spec, side)}
    target = Path(request["target"])
    write_atomically(target.with_suffix(".json"), json.dumps(facts).encode())
    write_atomically(target, content)
    return facts


if __name__ == "__main__":
    main()
