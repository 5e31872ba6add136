"""Runs a stage, and turns whatever it raises into a reply.

What needs no pixels is done without torch, which takes seconds to load: publishing.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable

from assetforge.codecs.allowance import allowing
from assetforge.codecs.codec import Codec, using
from assetforge.errors import AssetForgeError, Problem
from assetforge.execute.messages import Damaged, Done, Failed, Reply, failure
from assetforge.execute.publish import publish_outputs
from assetforge.execute.stages import Compute, Publish, Read, Stage, StageContext
from assetforge.store.results import DamagedError


def run_stage(stage: Stage, context: StageContext) -> Done:
    """Run one stage.

    Raises SourceError where a source cannot be read, StepError where a step fails or breaks its contract, OutputError
    where an output cannot be written, and DamagedError where the store's content is not what was put there.
    """
    if isinstance(stage, Publish):
        return publish_outputs(stage, context)

    from assetforge.execute import compute, map_io  # they load torch

    codecs: list[Codec] = []
    context.hooks.register_codecs(register=codecs.append)
    with allowing(context.limits), using(codecs):
        if isinstance(stage, Read):
            return map_io.read_sources(stage, context)
        if isinstance(stage, Compute):
            return compute.compute(stage, context)
        return map_io.encode_outputs(stage, context)


def guarded(work: Callable[[], Reply]) -> Reply:
    """Do some work, and turn whatever it raises into a reply."""
    try:
        return work()
    except DamagedError as error:
        return Damaged(error.entry)
    except AssetForgeError as error:
        if error.__cause__ is not None and error.retry:
            traceback.print_exception(error.__cause__)
        return failure(error)
    except (Exception, SystemExit) as error:  # noqa: BLE001  a library that stumbles over one file must not stop the others
        traceback.print_exc()
        # What nobody expected is tried again, in case it was chance.
        return Failed(Problem("", f"{type(error).__name__}: {error}"), retry=True, quarantine=True)
