"""What would keep a pipeline from being built, as far as it is known without reading a file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan.jobs import Plan
from assetforge.plan.past import OutputState
from assetforge.plan.plan import SpecialVariants, make_plan


def plan_unread(pipeline: Pipeline, special: SpecialVariants) -> Plan:
    """Plan a pipeline as though nothing was ever built, and without reading its sources.

    Raises PipelineError where sources do not fit the patterns, or outputs collide.
    """
    return make_plan(pipeline, _NothingKnown(), special)


class _NothingKnown:
    """The memory of a pipeline that was never built; every file has the same digest."""

    def digest(self, name: str) -> str:  # noqa: ARG002
        return ""

    def current(self, asset: str, signature: str) -> None:
        """Return nothing."""

    def record(self, asset: str) -> None:
        """Return nothing."""

    def facts(self, asset: str) -> Mapping[str, Any]:  # noqa: ARG002
        return {}

    def flags(self, asset: str) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def output(self, name: str) -> OutputState:  # noqa: ARG002
        return "missing"

    def quarantined(self, asset: str) -> None:
        """Return nothing."""

    def confirm(self, asset: str, signature: str) -> None:
        """Do nothing."""

    def recorded(self) -> Collection[str]:
        return ()

    def stale(self) -> Collection[str]:
        return ()
