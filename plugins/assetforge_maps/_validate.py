"""The step `validate`."""

from __future__ import annotations

import assetforge as af
from assetforge.validation.material import Subject, check_material, failure, gated
from assetforge_maps import ValidateParams


def validate_material(material: af.Material, params: ValidateParams, context: af.Context) -> af.Material:
    """Flag what is doubtful; raise StepError where that is as severe as `fail_on`."""
    flags = check_material({name: Subject(one, context.specs[name]) for name, one in material.items()}, params)
    for flag in flags:
        context.flag(flag)
    wrong = gated(flags, params.fail_on)
    if wrong:
        instead = "repair the maps, or set `severities`, a threshold or `fail_on` of the step `validate`"
        raise af.StepError("", failure(wrong), instead, retry=False)
    return material
