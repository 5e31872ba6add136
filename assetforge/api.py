"""The public API: all that a plugin may import. What is not listed here may change in any release.

`assetforge` itself is the contract of plugins: `import assetforge as af`, and its `__all__`. What many plugins compute
is in the modules below. All of them but `assetforge.events` import torch: import them inside a step, or in a module
that is imported there. `assetforge.testing` is for the tests of a plugin; its `check_imports` tells whether a plugin
keeps to this list.
"""

from __future__ import annotations

from collections.abc import Mapping

PUBLIC: Mapping[str, tuple[str, ...]] = {
    "assetforge.codecs.decode": (
        "Decoded",
        "Reading",
        "decode",
    ),
    "assetforge.errors": ("did_you_mean",),
    "assetforge.events": (
        "AttemptFailed",
        "Event",
        "JobFinished",
        "JobStarted",
        "OutputRemoved",
        "OutputWritten",
        "RunFinished",
        "RunStarted",
        "StepProgress",
        "StepStarted",
        "StillWorking",
    ),
    "assetforge.ops.alpha": (
        "CLEAR",
        "bleed",
        "filled",
    ),
    "assetforge.ops.blur": (
        "blurred",
        "blurred_widely",
    ),
    "assetforge.ops.brdf": ("Surface",),
    "assetforge.ops.color": (
        "hdr_decode",
        "hdr_encode",
        "luma",
        "srgb_decode",
        "srgb_encode",
    ),
    "assetforge.ops.color_models": (
        "COLOR_MODELS",
        "Name",
        "into_gamut",
        "lab_of_linear",
        "linear_of_lab",
    ),
    "assetforge.ops.dead_leaves": ("dead_leaves",),
    "assetforge.ops.descent": (
        "adam",
        "lbfgs",
        "slope_of",
    ),
    "assetforge.ops.exact": (
        "between",
        "decay",
        "deviation",
        "mean",
        "mean_channel",
        "mix",
        "moments",
        "norm",
        "row_sums",
        "whole",
    ),
    "assetforge.ops.heights": (
        "divergence",
        "fitted_depth",
        "integrated",
        "mirrored",
        "slopes_of_height",
    ),
    "assetforge.ops.homography": (
        "apply",
        "bend",
        "grid",
        "inside",
        "of_corners",
        "sample",
    ),
    "assetforge.ops.metrics": ("psnr",),
    "assetforge.ops.neighbors": ("nearest_neighbors",),
    "assetforge.ops.normals": (
        "curl",
        "flip_green",
        "from_height",
        "gradients",
        "in_plane",
        "integrable",
        "normalize",
        "of_slopes",
        "reoriented",
        "slopes_of",
        "udn",
        "whiteout",
    ),
    "assetforge.ops.occlusion": ("horizon_occlusion",),
    "assetforge.ops.principal": (
        "PrincipalAxes",
        "SMALLEST_DEVIATION",
        "principal_axes",
        "principal_components",
        "random_basis",
    ),
    "assetforge.ops.quilt": (
        "LEAST_SIDE",
        "quilted",
    ),
    "assetforge.ops.ranks": (
        "RankCurves",
        "SAMPLES",
        "match_ranks",
        "ranks",
        "transfer_ranks",
    ),
    "assetforge.ops.render": (
        "Light",
        "PointLight",
        "Sun",
        "positions",
        "render",
    ),
    "assetforge.ops.resample": (
        "BOX",
        "LANCZOS",
        "matched",
        "nearest",
        "power_of_two",
        "resample",
        "resample_map",
        "restore",
    ),
    "assetforge.ops.seams": (
        "TILEABLE_BELOW",
        "continues",
        "is_tileable",
        "seam_score",
    ),
    "assetforge.ops.statistics": (
        "autocorrelation",
        "diversity",
        "mutual_information",
        "ordered",
        "random_directions",
        "statistics_distance",
    ),
    "assetforge.ops.surface": (
        "SHOWN",
        "surface_of",
    ),
    "assetforge.ops.threads": (
        "Item",
        "Result",
        "each",
        "one_thread",
    ),
    "assetforge.ops.tile": (
        "Tiling",
        "extended",
        "map_tiles",
    ),
    "assetforge.ops.turn": (
        "Turn",
        "turn_material",
        "turn_pixels",
    ),
    "assetforge.ops.workflow": (
        "to_metalness",
        "to_specular",
    ),
    "assetforge.testing": (
        "StepResult",
        "check_declarations",
        "check_deterministic",
        "check_imports",
        "check_step",
        "check_tileable",
        "check_tiles_do_not_show",
        "run_step",
        "sample",
    ),
    "assetforge.validation.material": (
        "Subject",
        "check_material",
        "failure",
        "gated",
    ),
    "assetforge.validation.thresholds": (
        "CHECKS",
        "FailOn",
        "Thresholds",
    ),
    "assetforge.weights": (
        "find",
        "load",
    ),
    "assetforge.weights.distances": (
        "Loss",
        "MEASURES",
        "Measure",
        "Moments",
    ),
    "assetforge.weights.features": (
        "Border",
        "Features",
        "Vgg19",
        "center",
        "convolve",
        "features_of",
        "mixed",
        "random_features",
    ),
}
"""The public names of each public module, `assetforge` itself left out."""
