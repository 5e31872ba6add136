"""A page that shows how training went: a curve for each number, and pictures."""

from __future__ import annotations

import csv
import html
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import torch
from torch import Tensor

from assetforge.codecs.atomic import write_atomically

_WIDTH, _HEIGHT, _MARGIN = 640, 180, 8
_STYLE = "body{font:15px sans-serif;max-width:680px;margin:2em auto}svg{background:#f4f4f4}img{max-width:100%}"


@dataclass(frozen=True)
class Row:
    """What was measured after a step."""

    step: int
    loss: float
    """The mean since the last row."""
    figures: Mapping[str, float]

    @property
    def text(self) -> str:
        """The row in one line."""
        return " ".join(f"{name} {value:.5g}" for name, value in {"loss": self.loss, **self.figures}.items())


def write_report(folder: Path, title: str, rows: Sequence[Row], pictures: Mapping[str, Tensor]) -> None:
    """Write FOLDER/index.html, rows.csv and a PNG for each picture, sRGB (3, H, W), 0 to 1."""
    folder.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(name for row in rows for name in row.figures))
    parts = [f"<h1>{html.escape(title)}</h1>", _curve("loss", [(row.step, row.loss) for row in rows])]
    parts += [_curve(name, [(row.step, row.figures[name]) for row in rows if name in row.figures]) for name in names]
    for index, (name, picture) in enumerate(pictures.items()):
        codes = (picture.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
        write_atomically(folder / f"{index}.png", bytes(imagecodecs.png_encode(codes)))
        parts.append(f'<h2>{html.escape(name)}</h2><img src="{index}.png" alt="{html.escape(name)}">')
    page = f"<!doctype html><meta charset=utf-8><title>{html.escape(title)}</title><style>{_STYLE}</style>"
    write_atomically(folder / "index.html", "\n".join([page, *parts]).encode())
    write_atomically(folder / "rows.csv", _table(rows, names).encode())


def _table(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Return rows as CSV; what was not measured is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", "loss", *names])
    writer.writerows([row.step, row.loss, *(row.figures.get(name, "") for name in names)] for row in rows)
    return text.getvalue()


def _curve(name: str, points: Sequence[tuple[int, float]]) -> str:
    """Draw numbers over steps; those that are all positive on a logarithmic scale."""
    if not points:
        return f"<h2>{html.escape(name)}</h2><p>Nothing was measured yet.</p>"
    values = [value for _, value in points]
    scale = math.log if min(values) > 0 else float
    drawn = [scale(value) for value in values]
    low, high, last = min(drawn), max(drawn), points[-1][0]
    inner_width, inner_height = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN
    across = [_MARGIN + inner_width * step / last for step, _ in points]
    down = [_HEIGHT - _MARGIN - inner_height * (y - low) / (high - low or 1) for y in drawn]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, down, strict=True))
    shown = f"{min(values):.5g} to {max(values):.5g}, at last {values[-1]:.5g} (step {last})"
    curve = f'<polyline points="{line}" fill="none" stroke="#2060c0" stroke-width="2"/>'
    return f'<h2>{html.escape(name)}</h2><p>{shown}</p><svg width="{_WIDTH}" height="{_HEIGHT}">{curve}</svg>'
