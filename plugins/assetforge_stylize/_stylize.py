"""The step `stylize`: pictures out of maps, the optimization, and maps out of pictures again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

import assetforge as af
from assetforge.codecs.decode import Reading, decode
from assetforge.ops.alpha import CLEAR, filled
from assetforge.ops.color import hdr_decode, hdr_encode
from assetforge.ops.resample import resample
from assetforge.ops.seams import continues
from assetforge.ops.threads import one_thread
from assetforge.weights.features import Features, features_of
from assetforge_stylize import StylizeParams
from assetforge_stylize._color import as_bright_as, gray_of, with_brightness, with_colors_of
from assetforge_stylize._maps import LEAST_SIDE, check_size, chosen, exposed, hidden_as_before, tell_gamut
from assetforge_stylize._objective import Worth
from assetforge_stylize._optimize import LEAST_SHARE, Settings, Start, Style, covering, stylize
from assetforge_stylize._others import Stack, followed, views_of
from assetforge_stylize._pictures import (
    StylePicture,
    check_proportions,
    read_color,
    read_plane,
    read_style,
    visible_part,
)
from assetforge_stylize._poisson import screened_poisson
from assetforge_stylize._sheet import Sheet
from assetforge_stylize._ties import planes_of
from assetforge_stylize._universal import AROUND, load_decoder, transferred

_CONTENT = 0.08
"""What `content` 1 is worth, where the style is worth 1."""
_NEAR = {"gram": 0.006, "moments": 0.02, "sliced": 0.01}
"""Distance to the style that textures of 256 pixels come to by themselves, by what is compared."""
_SCREEN = 0.003
"""How much colors count beside gradients in photographs: features of less than some hundred pixels keep their own."""

Progress = Callable[[float], None]


def stylize_material(material: af.Material, params: StylizeParams, context: af.Context) -> af.Material:
    """Return the material in another style; raise StepError or SourceError where something does not fit."""
    names = chosen(material, params.maps)
    if params.strength == 0:
        return material
    others = {name: texture for name, texture in material.items() if name not in names}
    changed: dict[str, af.Texture] = {}
    with one_thread(), torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        for index, name in enumerate(names):
            stacked = others if index == 0 and params.other_maps == "style" else {}
            job = _Job(name, material[name], others, stacked, params, context)
            changed |= job.done(_part(context.progress, index, len(names)))
        if params.other_maps == "follow":
            job = _Job(names[0], material[names[0]], others, {}, params, context)
            changed |= job.followed(changed[names[0]])
    return material.replace(**changed)


def _part(progress: Progress, index: int, count: int) -> Progress:
    return lambda part: progress((index + part) / count)


@dataclass(frozen=True, eq=False)
class _Job:
    """One color map to stylize, and the others that may go with it."""

    name: str
    texture: af.Texture
    others: Mapping[str, af.Texture]
    stacked: Mapping[str, af.Texture]
    """Those of the others that are stylized along with it."""
    params: StylizeParams
    context: af.Context

    def done(self, progress: Progress) -> dict[str, af.Texture]:
        """Return the maps that changed."""
        texture, params = self.texture, self.params
        self._check()
        visible = visible_part(texture, self.name, params)
        own, scale = exposed(hdr_encode(texture.data), visible)
        if visible is not None:
            own = self._each(filled, own, visible)
        given = [read_style(one, texture.size, params, self.context.flag) for one in params.styles]
        masks = self._masks(visible)
        colored = [self._recolored(one, own, visible) for one in given]
        content = gray_of(own, params.space) if self._gray else own
        stack = Stack(self.stacked, self.context.specs, texture.size)
        styles = self._styles(colored, masks, stack)
        channels = torch.cat([content, *stack.channels(self.stacked, texture.size)])
        result = self._optimized(channels, styles, visible, content.shape[0], progress)
        picture = result[: content.shape[0]]
        light = self._light(picture, own, scale)
        cover = self._cover(masks)
        others = stack.restored(result[content.shape[0] :], _place(cover, visible))
        return {self.name: texture.with_data(self._merged(light, cover, visible)), **others}

    def followed(self, after: af.Texture) -> dict[str, af.Texture]:
        """Return the other maps that follow what became of this one."""
        visible = visible_part(self.texture, self.name, self.params)
        place = _place(self._cover(self._masks(visible)), visible)
        return followed(self.texture, after, self.others, self.params.relief, place, tiles=self._tiles)

    def _each(self, function: Callable[..., Tensor], *pixels: Tensor) -> Tensor:
        """Return what a function makes of pixels (C, H, W), cell by cell where it is a sheet."""
        return function(*pixels) if self._sheet is None else self._sheet.each(function, *pixels)

    @property
    def _sheet(self) -> Sheet | None:
        return None if self.params.cells is None else Sheet(*self.params.cells, self.texture.size)

    def _check(self) -> None:
        check_size(self.name, self.texture)
        height, width = self.texture.size
        if self.params.cells is not None:
            columns, rows = self.params.cells
            if width % columns or height % rows or min(width // columns, height // rows) < LEAST_SIDE:
                what = f"is {width}×{height}, which is not {columns}×{rows} cells of {LEAST_SIDE} pixels or more"
                raise af.StepError(self.name, what, "give the columns and rows of the sheet")

    @property
    def _tiles(self) -> bool:
        return self.params.cells is None and continues(self.texture, self.params.tileable)

    @property
    def _gray(self) -> bool:
        return self.params.preserve_color == "luma"

    def _masks(self, visible: Tensor | None) -> dict[str, Tensor]:
        """Read the mask of each style that has one, by its path; tell of those that meet next to nothing."""
        paths = {str(one.mask): one.mask for one in self.params.styles if one.mask is not None}
        masks = {name: read_plane(path, self.texture, self.name) for name, path in paths.items()}
        seen = masks if visible is None else {name: mask * visible for name, mask in masks.items()}
        shares = {name: float(mask.double().mean()) for name, mask in seen.items()}
        cover = self._cover(seen)
        if cover is not None and float(cover.double().mean()) < LEAST_SHARE:
            told = ", ".join(f"{name} covers {share:.3%}" for name, share in shares.items())
            what = f"no style goes anywhere: of what is seen, {told}"
            raise af.StepError(self.name, what, "paint white where a style goes")
        for name, share in shares.items():
            if share < LEAST_SHARE:
                self.context.flag(f"{name} covers {share:.3%} of {self.name}: too little, and is left out")
        return masks

    def _recolored(self, style: StylePicture, own: Tensor, visible: Tensor | None) -> StylePicture:
        """Give a style the colors or the brightness of the texture, where these are to be preserved."""
        space = self.params.space
        pixels = own.flatten(1) if visible is None else own[:, visible[0] >= CLEAR]
        if self.params.preserve_color in ("histogram", "both"):
            counted = style.picture.flatten(1) if style.seen is None else style.picture[:, style.seen[0] >= CLEAR]
            return replace(style, picture=with_colors_of(style.picture, counted, pixels, space).clamp(0, 1))
        if self._gray:
            gray = gray_of(pixels[:, :, None], space)
            return replace(style, picture=as_bright_as(gray_of(style.picture, space), gray))
        return style

    def _styles(self, given: list[StylePicture], masks: Mapping[str, Tensor], stack: Stack) -> list[Style]:
        styles = []
        for one, picture in zip(self.params.styles, given, strict=True):
            size = (picture.picture.shape[1], picture.picture.shape[2])
            if stack.maps and stack.maps.keys() - one.maps.keys():
                missing = ", ".join(sorted(stack.maps.keys() - one.maps.keys()))
                raise af.StepError(str(one.file), f"has no maps {missing} as a style", "name them in its `maps`")
            read = {
                name: decode(one.maps[name], self.context.specs[name], Reading(one.green), str(one.maps[name])).texture
                for name in stack.maps
            }
            channels = torch.cat([picture.picture, *stack.channels(read, size)])
            mask = None if one.mask is None else masks[str(one.mask)]
            styles.append(Style(channels, one.weight, picture.seen, mask))
        return styles

    def _optimized(
        self, channels: Tensor, styles: list[Style], visible: Tensor | None, colors: int, progress: Progress
    ) -> Tensor:
        params, device = self.params, self.context.device
        network = features_of(params.features, self.context.weights, self.context.seed).to(device)
        count = network.depth(self.texture.size)
        if len(params.layers) >= count and not any(params.layers[:count]):
            raise af.StepError(self.name, f"`layers` gives no weight to any of {count}", "give one of them more")
        settings = Settings(
            network,
            params.loss,
            params.strength,
            Worth(
                _CONTENT * params.content,
                params.coherence,
                params.smoothness,
                params.layers,
                None if params.style_size is None else _NEAR[params.loss],
            ),
            params.optimizer,
            params.iterations,
            params.coarsest,
        )
        start = self._start(channels, colors)
        kept = self.others if params.other_maps != "style" else {}
        planes = planes_of(kept, self.context.specs, self.texture.size) if params.coherence else {}
        styles = [_moved(one, device) for one in styles]
        visible = None if visible is None else visible.to(device)
        if params.method != "optimize":
            begun = self._begun(start, channels, styles)
            return self._decoded(begun.to(device), styles, network, visible, progress).cpu()
        return stylize(
            channels.to(device),
            styles,
            settings,
            tiles=self._tiles,
            seen=visible,
            views=views_of(colors, channels.shape[0] - colors, device),
            planes={name: plane.to(device) for name, plane in planes.items()},
            sheet=self._sheet,
            start=start.to(device) if isinstance(start, Tensor) else start,
            seed=self.context.seed,
            progress=progress,
        ).cpu()

    def _start(self, channels: Tensor, colors: int) -> Tensor | Start:
        start = self.params.start
        if not isinstance(start, Path):
            return start
        texture = read_color(start)
        check_proportions(texture.data, self.texture, str(start), self.name)
        picture = resample(hdr_encode(texture.data).clamp(0, 1), self.texture.size).clamp(0, 1)
        return torch.cat([gray_of(picture, self.params.space) if colors == 1 else picture, channels[colors:]])

    def _begun(self, start: Tensor | Start, channels: Tensor, styles: Sequence[Style]) -> Tensor:
        """Return the picture whose features are carried over."""
        if isinstance(start, Tensor):
            return start
        if start == "style":
            return covering(styles[0].picture, self.texture.size)
        generator = torch.Generator().manual_seed(self.context.seed)
        return torch.rand(channels.shape, generator=generator) if start == "noise" else channels

    def _decoded(
        self, content: Tensor, styles: list[Style], network: Features, visible: Tensor | None, progress: Progress
    ) -> Tensor:
        """Transfer by `wct` or `adain`."""
        params, gray = self.params, content.shape[0] == 1
        decoder = load_decoder(self.context.weights["decoder"]).to(content.device)
        sheet = self._sheet
        if sheet is not None:
            sheet = replace(sheet, around=AROUND)
            visible = sheet.apart(torch.ones_like(content[:1]) if visible is None else visible, mirrored=False)
            content = sheet.apart(content)
            styles = [
                one if one.mask is None else replace(one, mask=sheet.apart(one.mask, mirrored=False)) for one in styles
            ]
        pictures = [replace(one, picture=one.picture.expand(3, -1, -1)) for one in styles]
        result = transferred(
            content.expand(3, -1, -1),
            pictures,
            network,
            decoder,
            "wct" if params.method == "wct" else "adain",
            strength=params.strength,
            tiles=self._tiles,
            seen=visible,
            progress=progress,
        )
        result = result if sheet is None else sheet.together(result)
        return result.mean(0, keepdim=True) if gray else result

    def _light(self, picture: Tensor, own: Tensor, scale: Tensor) -> Tensor:
        """Return the light of a result, with the colors that are preserved."""
        params = self.params
        if params.photorealistic:
            before = gray_of(own, params.space) if self._gray else own
            solved = partial(screened_poisson, screen=_SCREEN, tiles=self._tiles)
            picture = self._each(solved, picture, before).clamp(0, 1)
        if params.preserve_color in ("luma", "both"):
            gray = picture if self._gray else gray_of(picture, params.space)
            most = max(1.0, float(self.texture.data.max()))
            light, moved = with_brightness(hdr_decode(own * scale), gray * scale, params.space, most)
            tell_gamut(self.name, moved, self.context)
            return light
        return hdr_decode(picture * scale)

    def _merged(self, light: Tensor, cover: Tensor | None, visible: Tensor | None) -> Tensor:
        """Leave the texture as it was where no style goes, and where it is hidden but for the gutter."""
        before, params = self.texture.data, self.params
        mixed = light
        if cover is not None:
            mixed = hdr_decode(torch.lerp(hdr_encode(before), hdr_encode(light), cover))
        if visible is not None:
            spread = partial(hidden_as_before, gutter=params.gutter, repeat=self._tiles)
            mixed = self._each(spread, mixed, before, visible)
        return mixed if cover is None else torch.where(cover == 0, before, mixed)

    def _cover(self, masks: Mapping[str, Tensor]) -> Tensor | None:
        """Return how much of each place has a style, (1, H, W), None where all has."""
        if any(one.mask is None for one in self.params.styles):
            return None
        return torch.stack(list(masks.values())).sum(0).clamp(0, 1)


def _place(cover: Tensor | None, visible: Tensor | None) -> Tensor | None:
    """Return how much each place is to change, (1, H, W), None where all is."""
    shown = None if visible is None else (visible >= CLEAR).float()
    return cover if shown is None else shown if cover is None else cover * shown


def _moved(style: Style, device: str) -> Style:
    seen, mask = (None if one is None else one.to(device) for one in (style.seen, style.mask))
    return replace(style, picture=style.picture.to(device), seen=seen, mask=mask)
