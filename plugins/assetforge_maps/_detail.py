"""The step `combine_normals`."""

from __future__ import annotations

import torch
from torch import Tensor

import assetforge as af
from assetforge.codecs.decode import Reading, decode
from assetforge.ops.normals import of_slopes, reoriented, slopes_of, udn, whiteout
from assetforge.ops.resample import resample_map
from assetforge_maps import CombineParams

_METHODS = {"reoriented": reoriented, "whiteout": whiteout, "udn": udn}


def combine_material(material: af.Material, params: CombineParams) -> af.Material:
    """Combine normals; raise StepError where a map is missing or the details do not fit a whole number of times."""
    if "normal" not in material:
        what = f"has no map normal ({', '.join(material)})"
        raise af.StepError(material.name, what, "add it to `inputs`, or put `normal_from_height` before")
    base = material["normal"]
    if params.strength == 0:
        return material
    detail = _repeated(_detail(material, params), base.size, params)
    if params.strength != 1:
        detail = of_slopes(slopes_of(detail) * params.strength)
    combined = _METHODS[params.method](base.data, detail)
    flat = (detail[:2] == 0).all(0, keepdim=True)  # rounding must not touch what has no detail
    return material.replace(normal=base.with_data(torch.where(flat, base.data, combined)))


def _detail(material: af.Material, params: CombineParams) -> af.Texture:
    if params.detail is not None:
        return decode(params.detail, af.MAPS["normal"], Reading(green=params.green), str(params.detail)).texture
    if "normal_detail" not in material:
        what = f"has no map normal_detail ({', '.join(material)}), and no `detail` is given"
        raise af.StepError(material.name, what, "name a file in `detail`, or add the map to `inputs`")
    return material["normal_detail"]


def _repeated(detail: af.Texture, size: tuple[int, int], params: CombineParams) -> Tensor:
    """Return details (3, H, W) that fill a size by repeating."""
    across, down = params.repeats
    if size[0] % down or size[1] % across:
        what = f"is {size[1]}×{size[0]}, into which {across}×{down} repeats do not fit"
        raise af.StepError("normal", what, "choose `repeats` that divide its size")
    one = af.Texture(detail.data, detail.color_space, "repeat" if params.repeats != (1, 1) else detail.wrap)
    return resample_map(one, af.MAPS["normal"], (size[0] // down, size[1] // across)).data.repeat(1, down, across)
