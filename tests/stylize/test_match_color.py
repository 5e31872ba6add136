"""The step `match_color`: a picture's colors, and nothing else of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from assetforge_stylize import MatchParams, _match
from assetforge_stylize._match import match_material
from conftest import Forge
from PIL import Image
from torch import Tensor

import assetforge as af
from assetforge.codecs.decode import Reading, decode
from assetforge.errors import StepError
from assetforge.material.map_spec import MAPS
from assetforge.material.material import Material
from assetforge.material.texture import Texture
from assetforge.ops.color import srgb_encode
from assetforge.ops.color_models import COLOR_MODELS, Name
from assetforge.samples import make_sample

SIZE = 96
METHODS = ("mean", "covariance", "sliced")


@pytest.fixture(scope="module")
def brick() -> Material:
    return make_sample("brick", SIZE)


@pytest.fixture
def like(tmp_path: Path) -> Path:
    """Moss and slate: all in gamut, and its channels go together otherwise than those of brick."""
    noise = torch.rand(2, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    moss, slate = torch.tensor([0.25, 0.35, 0.12]), torch.tensor([0.18, 0.2, 0.3])
    return write(
        tmp_path / "like.png", torch.lerp(moss[:, None, None], slate[:, None, None], noise[0]) * (1 + noise[1])
    )


def write(path: Path, light: Tensor, alpha: Tensor | None = None) -> Path:
    encoded = srgb_encode(light) if alpha is None else torch.cat([srgb_encode(light), alpha])
    Image.fromarray((encoded * 255 + 0.5).byte().permute(1, 2, 0).numpy()).save(path)
    return path


def matched(material: Material, like: Path, **params: object) -> tuple[Material, dict[str, object], list[str]]:
    notes: dict[str, object] = {}
    flags: list[str] = []
    context = af.Context(0, "cpu", lambda _: None, {}, MAPS, note=notes.__setitem__, flag=flags.append)
    return match_material(material, MatchParams(like=like, **params), context), notes, flags


def colors(path: Path) -> Tensor:
    return decode(path, MAPS["base_color"], Reading(), str(path)).texture.data


@pytest.mark.parametrize("space", COLOR_MODELS)
@pytest.mark.parametrize("method", METHODS)
def test_mean_and_deviation_become_those_of_the_picture(method: str, space: Name, brick: Material, like: Path) -> None:
    made, _, _ = matched(brick, like, method=method, space=space)
    model = COLOR_MODELS[space]
    here, there = (model.of_linear(one).flatten(1) for one in (made["base_color"].data, colors(like)))
    scale = there.std(1).max()
    assert (here.mean(1) - there.mean(1)).abs().max() < 0.1 * scale
    assert (here.std(1) - there.std(1)).abs().max() < 0.12 * scale


def test_channels_go_together_as_in_the_picture(brick: Material, like: Path) -> None:
    off = {}
    for method in METHODS:
        made, _, _ = matched(brick, like, method=method)
        lab = [COLOR_MODELS["lab"].of_linear(one).flatten(1) for one in (made["base_color"].data, colors(like))]
        off[method] = (lab[0].cov() - lab[1].cov()).norm() / lab[1].cov().norm()
    assert off["covariance"] < 0.1
    assert off["sliced"] < 0.1
    assert off["covariance"] < off["mean"]


def test_a_palette_of_two_colors_needs_the_whole_distribution(brick: Material, tmp_path: Path) -> None:
    two = torch.tensor([[0.8, 0.1, 0.1], [0.05, 0.1, 0.5]]).T[:, :, None].expand(3, 2, SIZE).repeat(1, SIZE // 2, 1)
    like = write(tmp_path / "two.png", two)
    left = {}
    for method in METHODS:
        made = matched(brick, like, method=method)[0]["base_color"].data
        left[method] = torch.stack([(made - one[:, None, None]).norm(dim=0) for one in two[:, :2, 0].T]).amin(0).mean()
    assert left["sliced"] < 0.6 * left["covariance"]


def test_with_no_strength_nothing_changes_and_with_half_of_it_half(brick: Material, like: Path) -> None:
    before = brick["base_color"].data
    none, half, whole = (matched(brick, like, strength=share)[0]["base_color"].data for share in (0, 0.5, 1))
    assert torch.equal(none, before)
    away = [(one - before).abs().mean() for one in (half, whole)]
    assert 0.35 < away[0] / away[1] < 0.65


def test_brightness_stays_where_it_is_to_be_kept(brick: Material, like: Path) -> None:
    before = COLOR_MODELS["lab"].of_linear(brick["base_color"].data)[0]
    kept, moved = (matched(brick, like, brightness=what)[0]["base_color"].data for what in ("keep", "match"))
    assert (COLOR_MODELS["lab"].of_linear(kept)[0] - before).abs().max() < 0.1
    assert (COLOR_MODELS["lab"].of_linear(moved)[0] - before).abs().mean() > 1


@pytest.mark.parametrize("method", METHODS)
def test_equal_colors_stay_equal_and_one_color_becomes_one(method: str, like: Path) -> None:
    stripes = torch.tensor([[0.2, 0.2, 0.2], [0.6, 0.3, 0.1], [0.1, 0.3, 0.6]]).T.repeat_interleave(32, 1)
    for data in (stripes[:, :, None].repeat(1, 1, 96), torch.full((3, 64, 64), 0.3)):
        material = Material("flat", {"base_color": Texture(data, af.ColorSpace.LIN_REC709)})
        made = matched(material, like, method=method)[0]["base_color"].data
        assert made.isfinite().all()
        count = len(data.flatten(1).unique(dim=1).T)
        assert len(made.flatten(1).unique(dim=1).T) == count


def test_what_is_transparent_does_not_count(brick: Material, tmp_path: Path) -> None:
    picture = torch.linspace(0.2, 0.6, SIZE)[None, :, None].repeat(3, 1, SIZE)
    picture[:, :, SIZE // 2 :] = torch.tensor([0.9, 0.0, 0.0])[:, None, None]
    alpha = torch.ones(1, SIZE, SIZE)
    alpha[:, :, SIZE // 2 :] = 0
    seen = matched(brick, write(tmp_path / "a.png", picture, alpha))[0]["base_color"].data
    cut = matched(brick, write(tmp_path / "b.png", picture[:, :, : SIZE // 2]))[0]["base_color"].data
    assert torch.allclose(seen, cut, atol=1e-4)
    hidden = write(tmp_path / "c.png", picture, alpha * 0)
    with pytest.raises(StepError, match="`like` of base_color is all transparent"):
        matched(brick, hidden)


@pytest.mark.parametrize("side", [1, SIZE])
def test_picture_of_one_color_has_nothing_to_match(side: int, brick: Material, tmp_path: Path) -> None:
    flat = write(tmp_path / "d.png", torch.full((3, side, side), 0.5))
    with pytest.raises(StepError, match=r"d\.png: is all of one color: there is nothing to match"):
        matched(brick, flat)


def test_large_pictures_are_seen_in_all_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_match, "_SAMPLES", 2**10)
    columns = torch.tensor([0.0, 0.8]).repeat(SIZE // 2).expand(3, SIZE, SIZE).contiguous()
    seen = _match._sampled(Texture(columns, af.ColorSpace.LIN_REC709), "it")
    assert seen.shape[1] < SIZE * SIZE / 2
    assert float(seen.mean()) == pytest.approx(0.4, abs=0.01)


def test_colors_that_do_not_exist_are_said(brick: Material, tmp_path: Path) -> None:
    rng = torch.Generator().manual_seed(0)
    loud = torch.randint(0, 2, (3, SIZE, SIZE), generator=rng).float()
    made, notes, flags = matched(brick, write(tmp_path / "loud.png", loud))
    assert notes["out of gamut, base_color"] > 0.02
    assert "colors that do not exist" in flags[0]
    assert made["base_color"].data.min() >= 0
    assert made["base_color"].data.max() <= 1


def test_a_material_without_the_maps_is_refused_by_name(brick: Material, like: Path) -> None:
    with pytest.raises(StepError, match="none of emissive is among its maps"):
        matched(brick, like, maps=("emissive",))


def test_a_library_comes_to_one_palette_and_other_maps_stay_as_they_are(tmp_path: Path, forge: Forge) -> None:
    rng = np.random.default_rng(0)
    for name, tone in (("a", (200, 40, 40)), ("b", (40, 60, 200))):
        noise = rng.integers(-30, 30, (48, 48, 3))
        Image.fromarray((np.array(tone) + noise).clip(0, 255).astype(np.uint8)).save(tmp_path / f"{name}_d.png")
        Image.fromarray(rng.integers(0, 255, (48, 48), dtype=np.uint8)).save(tmp_path / f"{name}_r.png")
    warm = torch.tensor([1.0, 0.8, 0.6])[:, None, None]
    write(tmp_path / "look.png", make_sample("stone", 48)["base_color"].data * warm)
    (tmp_path / "pipeline.yaml").write_text(
        "version: 1\nsources: .\n"
        'inputs: {base_color: "{name}_d.png", roughness: "{name}_r.png"}\n'
        "steps:\n  - use: match_color\n    with: {like: look.png}\n"
        'outputs: {dir: "build/{name}"}\n'
    )
    assert forge("run", "pipeline.yaml").returncode == 0
    means = [np.array(Image.open(tmp_path / f"build/{name}/{name}_base_color.png")).mean((0, 1)) for name in "ab"]
    look = np.array(Image.open(tmp_path / "look.png")).mean((0, 1))
    assert np.abs(means[0] - look).max() < 6
    assert np.abs(means[1] - look).max() < 6
    kept, source = (np.array(Image.open(tmp_path / one)) for one in ("build/a/a_roughness.png", "a_r.png"))
    assert (kept == source).all()
    (tmp_path / "look.png").unlink()
    failed = forge("run", "pipeline.yaml")
    assert failed.returncode != 0
    assert "look.png" in failed.stdout + failed.stderr
