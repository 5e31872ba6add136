"""The evaluation that compares networks for `upscale`, and what it can be told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

import assetforge as af
from assetforge_upscale import DataNetworkName, NetworkName


def _listed(networks: object) -> object:
    return networks.split(",") if isinstance(networks, str) else networks


NetworkNames = Annotated[tuple[NetworkName, ...], Field(min_length=1), BeforeValidator(_listed)]
"""Several of them; on the command line, with commas between."""
DataNetworkNames = Annotated[tuple[DataNetworkName, ...], Field(min_length=1), BeforeValidator(_listed)]
"""The same for data maps."""


class Comparison(af.Params):
    """What the evaluation `upscale` can be told."""

    scale: Annotated[int, Field(ge=2, le=8)] = 4
    """How many times smaller pictures are made, and then larger again."""
    reduce: Literal["bicubic", "box"] = "bicubic"
    """How they are made smaller: `bicubic` as papers do it, or `box`, the mean of what a pixel covers, as mip maps."""
    damage: Literal["no", "jpeg", "bc1", "palette"] = "no"
    """What happens to color pictures then: JPEG of quality 50, blocks of BC1 (DXT1), or a palette of 64 colors."""
    network: NetworkNames = ("fast",)
    """For color: networks that are compared, as the step takes them."""
    data_network: DataNetworkNames = ("fast",)
    """The same for data maps and normals."""
    correct: Literal["no", "color", "all"] = "no"
    """As the step takes it."""
    tileable: Literal["auto"] | bool = "auto"
    """As the step takes it."""
    shrink: Annotated[int, Field(ge=1, le=8)] = 1
    """Pictures are made so many times smaller before anything else, which takes out the noise of JPEG files."""


FIGURES = (
    af.Figure("PSNR", "Peak signal-to-noise ratio in dB: of the luma of colors, of all channels of other maps."),
    af.Figure("SSIM", "Structural similarity (Wang et al. 2004) of the same, 1 at most.", 4),
    af.Figure("HFEN", "High-frequency error norm (Ravishankar and Bresler 2011): fine detail that is missing.", 3),
    af.Figure("GMSD", "Gradient magnitude similarity deviation (Xue et al. 2014), 0 at least.", 4),
    af.Figure("fine", "Energy in dB at frequencies that the source lacks: below 0 is too soft, above is too much.", 1),
    af.Figure("consistency", "PSNR in dB of the result, made smaller again, against the source.", 1),
    af.Figure("angle", "Mean angle in degrees between normals.", 3),
    af.Figure("ratio", "The angle of normals, or the root mean squared error, over that of bicubic.", 3, "geometric"),
)


@af.evaluation("upscale", Comparison, FIGURES)
def evaluate_upscale(material: af.Material, params: Comparison, context: af.Context) -> Iterator[af.Score]:
    """Makes pictures smaller, and measures how near networks and bicubic come to them again."""
    from assetforge_upscale._evaluate import scores

    return scores(material, params, context)
