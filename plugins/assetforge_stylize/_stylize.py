"""The step `stylize`: pictures out of maps, the optimization, and maps out of pictures again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

import assetforge as af
from assetforge.codecs.decode import Reading, decode
from assetforge.material.texture import Texture
from assetforge.ops.alpha import CLEAR
from assetforge.ops.color import hdr_decode, hdr_encode
from assetforge.ops.resample import resample
from assetforge.ops.seams import continues
from assetforge.ops.threads import one_thread
from assetforge.weights.features import Features, features_of
from assetforge_stylize import StylizeParams
from assetforge_stylize._color import as_bright_as, gray_of, with_brightness, with_colors_of
from assetforge_stylize._maps import LEAST_SIDE, check_size, chosen, hidden_as_before, tell_gamut
from assetforge_stylize._objective import Worth
from assetforge_stylize._optimize import LEAST_SHARE, Settings, Start, Style, stylize
from assetforge_stylize._others import Stack, followed, views_of
from assetforge_stylize._pictures import (
    StylePicture,
    check_proportions,
    read_color,
    read_plane,
    read_style,
    spread,
    visible_part,
)
from assetforge_stylize._poisson import screened_poisson
from assetforge_stylize._sheet import Sheet
from assetforge_stylize._ties import planes_of
from assetforge_stylize._universal import load_decoder, transferred

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
    changed: dict[str, Texture] = {}
    with one_thread(), torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        for index, name in enumerate(names):
            job = _Job(name, material[name], others if index == 0 else {}, params, context)
            changed |= job.done(_part(context.progress, index, len(names)))
        if params.other_maps == "follow":
            main = material[names[0]]
            tiles = continues(main, params.tileable)
            changed |= followed(main, changed[names[0]], others, params.relief, tiles=tiles)
    return material.replace(**changed)


def _part(progress: Progress, index: int, count: int) -> Progress:
    return lambda part: progress((index + part) / count)


@dataclass(frozen=True, eq=False)
class _Job:
    """One color map to stylize, and the others that may go with it."""

    name: str
    texture: Texture
    others: Mapping[str, Texture]
    params: StylizeParams
    context: af.Context

    def done(self, progress: Progress) -> dict[str, Texture]:
        """Return the maps that changed."""
        texture, params = self.texture, self.params
        self._check()
        encoded = hdr_encode(texture.data)
        peak = max(1.0, float(encoded.max()))  # light beyond 1: the picture is the part of it that fits
        visible = visible_part(texture, self.name, params)
        own = spread(encoded.clamp_min(0) / peak, visible, repeat=self._tiles)
        given = [read_style(one, texture.size, params, self.context.flag) for one in params.styles]
        masks = self._masks()
        colored = [self._recolored(one, own, visible) for one in given]
        content = gray_of(own, params.space) if self._gray else own
        stack = Stack(self.others if params.other_maps == "style" else {}, self.context.specs)
        styles = self._styles(colored, masks, stack)
        channels = torch.cat([content, *stack.channels(self.others, texture.size)])
        result = self._optimized(channels, styles, visible, content.shape[0], progress)
        picture = result[: content.shape[0]]
        light = self._light(picture, own, peak)
        data = self._merged(light, masks, visible)
        return {self.name: texture.with_data(data), **stack.restored(result[content.shape[0] :])}

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

    def _masks(self) -> dict[str, Tensor]:
        """Read the mask of each style that has one, by its path."""
        paths = {str(one.mask): one.mask for one in self.params.styles if one.mask is not None}
        masks = {name: read_plane(path, self.texture, self.name) for name, path in paths.items()}
        cover = self._cover(masks)
        if cover is not None and float(cover.mean()) < LEAST_SHARE:
            raise af.StepError(", ".join(masks), "is all black: no style goes anywhere", "paint white where it goes")
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
        sheet = None
        if params.cells is not None:
            sheet = Sheet(*params.cells, self.texture.size)
            visible = sheet.apart(torch.ones_like(channels[:1]) if visible is None else visible, mirrored=False)
            styles = [
                one if one.mask is None else replace(one, mask=sheet.apart(one.mask, mirrored=False)) for one in styles
            ]
            channels = sheet.apart(channels)
            start = sheet.apart(start) if isinstance(start, Tensor) else start
            planes = {name: sheet.apart(plane[None])[0] for name, plane in planes.items()}
        styles = [_moved(one, device) for one in styles]
        visible = None if visible is None else visible.to(device)
        if params.method != "optimize":
            begun = self._begun(start, channels)
            result = self._decoded(begun.to(device), styles, network, visible, progress).cpu()
            return result if sheet is None else sheet.together(result)
        result = stylize(
            channels.to(device),
            styles,
            settings,
            tiles=self._tiles,
            seen=visible,
            views=views_of(colors, channels.shape[0] - colors, device),
            planes={name: plane.to(device) for name, plane in planes.items()},
            start=start.to(device) if isinstance(start, Tensor) else start,
            seed=self.context.seed,
            progress=progress,
        ).cpu()
        return result if sheet is None else sheet.together(result)

    def _start(self, channels: Tensor, colors: int) -> Tensor | Start:
        start = self.params.start
        if not isinstance(start, Path):
            return start
        texture = read_color(start)
        check_proportions(texture.data, self.texture, str(start), self.name)
        picture = resample(hdr_encode(texture.data).clamp(0, 1), self.texture.size).clamp(0, 1)
        return torch.cat([gray_of(picture, self.params.space) if colors == 1 else picture, channels[colors:]])

    def _begun(self, start: Tensor | Start, channels: Tensor) -> Tensor:
        """Return the picture whose features are carried over."""
        if isinstance(start, Tensor):
            return start
        generator = torch.Generator().manual_seed(self.context.seed)
        return torch.rand(channels.shape, generator=generator) if start == "noise" else channels

    def _decoded(
        self, content: Tensor, styles: list[Style], network: Features, visible: Tensor | None, progress: Progress
    ) -> Tensor:
        """Transfer by `wct` or `adain`."""
        params, gray = self.params, content.shape[0] == 1
        decoder = load_decoder(self.context.weights["decoder"]).to(content.device)
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
        return result.mean(0, keepdim=True) if gray else result

    def _light(self, picture: Tensor, own: Tensor, peak: float) -> Tensor:
        """Return the light of a result, with the colors that are preserved."""
        params = self.params
        if params.photorealistic:
            before = gray_of(own, params.space) if self._gray else own
            picture = screened_poisson(picture, before, _SCREEN, tiles=self._tiles).clamp(0, 1)
        if params.preserve_color in ("luma", "both"):
            gray = picture if self._gray else gray_of(picture, params.space)
            most = max(1.0, float(self.texture.data.max()))
            light, moved = with_brightness(hdr_decode(own * peak), gray * peak, params.space, most)
            tell_gamut(self.name, moved, self.context)
            return light
        return hdr_decode(picture * peak)

    def _merged(self, light: Tensor, masks: Mapping[str, Tensor], visible: Tensor | None) -> Tensor:
        """Leave the texture as it was where no style goes, and where it is hidden but for the gutter."""
        before, params = self.texture.data, self.params
        data = light
        cover = self._cover(masks)
        if cover is not None:
            mixed = hdr_decode(torch.lerp(hdr_encode(before), hdr_encode(light), cover))
            data = torch.where(cover == 0, before, mixed)
        return hidden_as_before(data, before, visible, params.gutter, repeat=self._tiles)

    def _cover(self, masks: Mapping[str, Tensor]) -> Tensor | None:
        """Return how much of each place has a style, (1, H, W), None where all has."""
        if any(one.mask is None for one in self.params.styles):
            return None
        return torch.stack(list(masks.values())).sum(0).clamp(0, 1)


def _moved(style: Style, device: str) -> Style:
    seen, mask = (None if one is None else one.to(device) for one in (style.seen, style.mask))
    return replace(style, picture=style.picture.to(device), seen=seen, mask=mask)
