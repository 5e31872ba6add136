"""The first page of a static report: a table that needs no script, and the script that makes more of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any

from assetforge.errors import count_of, printable
from assetforge.flags import Flag
from assetforge.report import STATES, JobReport, Report

_FLAGS = 5
"""That a row of the table shows; all are in its asset's data."""
_TEXT = 1500
"""Characters of an error in a row of the table."""
_HEAD = """\
<!DOCTYPE html>
<html lang="en" data-viewer="viewer/">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="AssetForge">
<title>{title}</title>
<link rel="icon" href="viewer/icon.png">
<script src="viewer/theme.js"></script>
<link rel="stylesheet" href="viewer/viewer.css">
</head>
<body>
<main>
<div class="af-plain">
<h1>{title}</h1>
<p>{summary}</p>
"""
_TABLE = """\
<table>
<thead><tr><th scope="col">Before, after</th><th scope="col">Asset</th><th scope="col">State</th>\
<th scope="col">What is doubtful or wrong</th></tr></thead>
<tbody>
"""
_FOOT = """\
</div>
</main>
<script src="viewer/report.js"></script>
<script src="data/{index}"></script>
</body>
</html>
"""
Row = tuple[JobReport, Sequence[str], str]
"""An asset, the files of its two thumbnails (either may be empty), and the file of its log."""


def report_page(report: Report, title: str, rows: Iterable[Row], index: str) -> str:
    """Return index.html; `index` is the name of the script that holds the list."""
    parts = [_HEAD.format(title=escape(printable(title)), summary=escape(summary_of(report)))]
    parts += [f'<p class="af-error">{_text(problem)}</p>\n' for problem in problems_of(report)]
    parts.append(_TABLE)
    parts += (_row(*row) for row in rows)
    return "".join([*parts, "</tbody>\n</table>\n", _FOOT.format(index=index)])


def problems_of(report: Report) -> tuple[str, ...]:
    """Return what kept the run from doing all it should."""
    return (*report.problems, *(("The run was interrupted.",) if report.interrupted else ()))


def summary_of(report: Report) -> str:
    """Return how the run ended, in a line."""
    counts = report.counts
    parts = [f"{counts[state]} {state}" for state in STATES if counts[state]]
    parts += [f"{report.flagged} flagged"] if report.flagged else []
    return f"{count_of(len(report.jobs), 'asset')}: {', '.join(parts)}" if parts else "No assets"


def _row(job: JobReport, thumbs: Sequence[str], log: str) -> str:
    pictures = "".join(_picture(name, what) for name, what in zip(thumbs, ("Before", "After"), strict=True) if name)
    cells = (
        f'<td class="af-two">{pictures}</td>',
        f'<th scope="row">{_text(job.asset)}</th>',
        f'<td><span class="af-chip" data-state="{job.state}">{job.state.capitalize()}</span></td>',
        f"<td>{''.join(_remarks(job, log))}</td>",
    )
    return f"<tr>{''.join(cells)}</tr>\n"


def _picture(name: str, what: str) -> str:
    return f'<img src="thumbs/{name}" alt="{what}" width="96" height="96" loading="lazy"> '


def _remarks(job: JobReport, log: str) -> Iterator[str]:
    if job.error:
        yield f'<p class="af-error">{_text(job.error, _TEXT)}</p>'
    if job.flags:
        yield f'<ul class="af-flags">{"".join(map(_flag, job.flags[:_FLAGS]))}</ul>'
    if len(job.flags) > _FLAGS:
        yield f"<p>and {len(job.flags) - _FLAGS} more</p>"
    if log:
        yield f'<p><a href="{escape(log)}">Log</a></p>'


def _flag(flag: Flag) -> str:
    return f'<li data-severity="{flag.severity}"><b>{flag.severity.capitalize()}</b> {_text(str(flag), _TEXT)}</li>'


def _text(text: Any, most: int = 400) -> str:
    shown = printable(str(text))
    return escape(shown if len(shown) <= most else f"{shown[:most]}…")
