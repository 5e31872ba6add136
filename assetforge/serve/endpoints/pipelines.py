"""The pipelines that are served, and how it stands with each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.responses import JSONResponse, Response

import assetforge
from assetforge.serve.endpoints.call import Call
from assetforge.serve.project import Project
from assetforge.store.requests import opened_requests


async def home(call: Call) -> Response:
    """Answer with the pipelines, and with what the user may do."""
    limits = call.service.limits
    return JSONResponse(
        {
            "version": assetforge.__version__,
            "pipelines": [one.place.about() for one in call.service.projects.values()],
            "you": {"name": call.user.name, "may": call.user.may},
            "limits": {"file": limits.file, "asset": limits.asset, "pixels": limits.pixels},
        }
    )


async def about(call: Call) -> Response:
    """Answer with what a pipeline is, and how it stands with it."""
    return JSONResponse(await asyncio.to_thread(_pipeline_data, call))


def _pipeline_data(call: Call) -> dict[str, Any]:
    project = call.project
    last, status, said = project.feed.last, project.status(), project.said(call.sender)
    about = project.description
    with opened_requests(project.reader.path, project.id) as log:
        paused = log.is_paused
    return {
        "name": project.slug,
        "title": about.name,
        "event": last,
        "fields": about.fields,
        "inputs": about.inputs,
        "steps": about.steps,
        "counts": project.reader.counts(said, call.owner),
        "private": bool(call.owner),
        "paused": paused,
        "problem": project.problem,
        "daemon": status
        and {
            "how": status["how"],
            "since": status["since"],
            "building": _building(call.seen(status["building"]), project),
            "waiting": call.seen(status["waiting"]),
            "waiting_count": status["waiting_count"],
            "arriving_count": status["arriving_count"],
        },
    }


def _building(assets: Sequence[str], project: Project) -> list[dict[str, Any]]:
    progress = project.reader.progress() if assets else {}
    steps = [progress.get(asset, ("", 0.0)) for asset in assets]
    return [
        {"asset": asset, "step": step, "fraction": fraction}
        for asset, (step, fraction) in zip(assets, steps, strict=True)
    ]
