"""One run: do what is out of date, then remove what is not made any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from assetforge.execute.session import Session
from assetforge.plan.jobs import Plan
from assetforge.report import ReportBuilder

_PATIENCE = 1.0
_POLL = 0.1
"""Seconds between looks at what another run is doing."""

Replan = Callable[[Sequence[str]], Plan]
"""Plans some jobs anew."""


def execute(session: Session, plan: Plan, reports: ReportBuilder, replan: Replan) -> None:
    """Run what is out of date, and remove what is not made any more; the reports tells what became of it."""
    try:
        with session:
            session.submit(plan.in_state("out of date"))
            while session.busy or session.elsewhere:
                session.advance(_PATIENCE)
                if not session.busy:
                    _go_on_after_others(session, reports, replan)
            if plan.is_whole:
                for gone in plan.gone:
                    session.remove_gone(gone)
                session.remove_stale(plan.needed)
                session.forget_others(plan.jobs)
    except KeyboardInterrupt:
        reports.interrupted = True


def _go_on_after_others(session: Session, reports: ReportBuilder, replan: Replan) -> None:
    """Take over what other runs had claimed and have left out of date."""
    if jobs := session.released():
        plan = replan([job.asset for job in jobs])
        reports.note(plan)
        session.submit(plan.in_state("out of date"))
    elif session.elsewhere:
        time.sleep(_POLL)
