"""The recipe `upscale`: its losses, sources, batches, networks and options."""

from __future__ import annotations

import functools
import io
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from assetforge_upscale._architectures.load import load
from assetforge_upscale._architectures.network import Network
from assetforge_upscale._architectures.spatial_attention import Rlfn
from assetforge_upscale._recipe import Damage, Losses, Training
from assetforge_upscale.training import adversary, batches, dataset, degradations, losses, networks, pictures, recipe
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor, nn

import assetforge as af
from assetforge.ops.dead_leaves import dead_leaves
from assetforge.train.trainer import train

Pixels = dataset.Pixels
COLORS = np.array([(20, 40, 160), (240, 210, 60), (90, 140, 220)], np.uint8)[None].repeat(8, 0)
SMALL: dict[str, Any] = {"width": 8, "depth": 2, "batch": 3, "crop": 8, "leaves": 2, "leaves_share": 0.0, "steps": 6}
"""Options of training that takes no time."""


@functools.cache
def picture(seed: int = 0, side: int = 72) -> Pixels:
    return dead_leaves(side, [COLORS], np.random.default_rng(seed))


@pytest.fixture(scope="module")
def textures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A studio's folder in a layout of its own: five color maps, and some others."""
    folder = tmp_path_factory.mktemp("textures")
    for seed, name in enumerate(("walls/brick_diff", "walls/moss_BaseColor", "sand/albedo", "plain", "T_Rock_D")):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(picture(seed)).save(folder / f"{name}.png")
    Image.fromarray(picture(9)[..., 0]).save(folder / "sand" / "roughness.png")
    Image.fromarray(picture(10)).save(folder / "walls" / "brick_ORM.png")
    Image.fromarray(picture(11)).save(folder / "walls" / "brick_thumb.png")
    (folder / "readme.txt").write_text("none")
    return folder


@pytest.fixture(autouse=True)
def _small_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "DRAWN_SIZE", 128)


def made(textures: Path, seed: int = 0, **options: Any) -> af.Training:
    return recipe.training(Training(**{**SMALL, **options}), textures, seed)


def trained(training: af.Training, folder: Path) -> Path:
    train(training, folder, tell=lambda _: None)
    return folder / f"{training.name}.safetensors"


# Losses


@pytest.mark.parametrize("name", [*losses.PLAIN, "perceptual"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_loss_is_zero_where_both_are_equal_and_its_gradient_is_finite(name: str, channels: int) -> None:
    loss = losses.combined({name: 1.0}, None)
    truth = torch.rand(2, channels, 24, 24, generator=torch.Generator().manual_seed(0))
    result = truth.clone().requires_grad_()
    value = loss(result, truth)
    value.backward()  # type: ignore[no-untyped-call]
    assert float(value.detach()) == pytest.approx(0, abs=1e-6)
    assert result.grad is not None
    assert result.grad.isfinite().all()


@pytest.mark.parametrize("name", [*losses.PLAIN, "perceptual"])
def test_a_loss_falls_along_its_gradient_and_grows_with_the_error(name: str) -> None:
    loss = losses.combined({name: 1.0}, None)
    generator = torch.Generator().manual_seed(1)
    truth, noise = torch.rand(2, 3, 24, 24, generator=generator), torch.randn(2, 3, 24, 24, generator=generator)
    result = (truth + 0.1 * noise).requires_grad_()
    value = loss(result, truth)
    value.backward()  # type: ignore[no-untyped-call]
    assert result.grad is not None
    step = 0.01 * result.grad / result.grad.abs().max()
    assert (
        0 < float(loss(result.detach() - step, truth)) < float(value.detach()) < float(loss(truth + 0.2 * noise, truth))
    )


def test_psnr_asks_as_much_of_what_is_nearly_right() -> None:
    truth = torch.zeros(1, 1, 8, 8)
    first, second, third = (float(losses.psnr(truth + error, truth)) for error in (0.1, 0.05, 0.025))
    assert second - third == pytest.approx(first - second, abs=1e-3)
    assert first - second == pytest.approx(0.0602, abs=1e-3)  # 6.02 dB, in hundreds


def test_hfen_does_not_see_a_shift_of_brightness_and_gradient_does_not_either() -> None:
    truth = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(2))
    for loss in (losses.hfen, losses.gradient):
        assert float(loss(truth + 0.2, truth)) < 1e-5
        assert float(loss(truth.roll(1, 3), truth)) > 1e-3


def test_weighted_losses_add_up() -> None:
    one, other = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    together = losses.combined({"l1": 2.0, "mse": 0.5, "hfen": 0.0}, None)
    assert float(together(one, other)) == pytest.approx(
        2 * float(losses.l1(one, other)) + 0.5 * float(losses.mse(one, other))
    )


def test_vgg19_of_a_file_is_another_perceptual_loss(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(3)
    tensors = {"conv1_1.weight": torch.randn(64, 3, 3, 3, generator=generator) / 5, "conv1_1.bias": torch.zeros(64)}
    tensors |= {"mean": torch.full((3,), 0.5), "scale": torch.ones(3)}
    save_file(tensors, tmp_path / "vgg.safetensors")
    one, other = torch.rand(2, 1, 3, 16, 16, generator=generator)
    values = [
        float(losses.combined({"perceptual": 1.0}, file)(one, other)) for file in (None, tmp_path / "vgg.safetensors")
    ]
    assert min(values) > 0
    assert values[0] != values[1]


# Discriminators


@pytest.mark.parametrize("shape", ["unet", "patch"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_discriminator_judges_places(shape: Any, channels: int) -> None:
    torch.manual_seed(0)
    network = adversary.discriminator(shape, channels, 8).eval()
    scores = network(torch.rand(2, channels, 32, 32))
    assert scores.shape == ((2, 1, 32, 32) if shape == "unet" else (2, 1, 4, 4))
    assert scores.isfinite().all()


@pytest.mark.parametrize("size", [(8, 8), (27, 20)])
def test_pictures_of_any_size_are_judged(size: tuple[int, int]) -> None:
    pictures_of_size = torch.rand(1, 3, *size)
    assert adversary.discriminator("unet", 3, 4)(pictures_of_size).shape == (1, 1, *size)
    assert adversary.discriminator("patch", 3, 4)(pictures_of_size).isfinite().all()


@pytest.mark.parametrize("judgement", ["relativistic", "softplus", "hinge"])
def test_who_is_fooled_loses_and_who_tells_wins(judgement: Any) -> None:
    high, low = torch.full((4,), 3.0), torch.full((4,), -3.0)
    assert adversary.told(high, low, judgement) < adversary.told(low, high, judgement)
    assert adversary.fooled(low, high, judgement) < adversary.fooled(high, low, judgement)


# Sources


@pytest.mark.parametrize("reduction", ["bicubic", "box", "lanczos", "mip"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_reductions_keep_flat_pictures_and_means(reduction: Any, scale: int) -> None:
    flat = np.full((24, 36, 3), 77, np.uint8)
    small = degradations.reduced(flat, scale, reduction)
    assert small.shape == (24 // scale, 36 // scale, 3)
    assert (small == 77).all()
    lively = picture(1, 96)
    assert abs(degradations.reduced(lively, scale, reduction).mean() - lively.mean()) < (9 if reduction == "mip" else 1)


def test_a_mip_map_is_the_mean_of_light_and_a_box_that_of_codes() -> None:
    halves = np.zeros((2, 2, 3), np.uint8)
    halves[:, 1] = 255
    assert degradations.reduced(halves, 2, "mip")[0, 0, 0] == 188
    assert degradations.reduced(halves, 2, "box")[0, 0, 0] in (127, 128)


def test_bicubic_is_that_of_the_benchmarks() -> None:
    lively = picture(2, 96)
    assert np.array_equal(degradations.reduced(lively, 4, "bicubic"), dataset.reduce(lively, 4).small)


def test_each_damage_does_what_it_says() -> None:
    clean = picture(3, 64)
    errors = {quality: np.abs(degradations.jpeg(clean, quality).astype(int) - clean).mean() for quality in (10, 50, 95)}
    assert errors[10] > errors[50] > errors[95] > 0
    blocks = degradations.bc1(clean)
    assert blocks.shape == clean.shape
    cells = blocks.reshape(16, 4, 16, 4, 3).transpose(0, 2, 1, 3, 4).reshape(256, 16, 3)
    assert max(len(np.unique(cell, axis=0)) for cell in cells) <= 4
    assert 0 < np.abs(blocks.astype(int) - clean).mean() < 12
    for dithered in (False, True):
        few = degradations.palette(clean, 16, dithered=dithered)
        assert len(np.unique(few.reshape(-1, 3), axis=0)) <= 16
    assert not np.array_equal(*(degradations.palette(clean, 8, dithered=dithered) for dithered in (False, True)))


def test_blocks_that_a_picture_does_not_fill_change_no_others() -> None:
    ragged = picture(3, 64)[:34, :30]
    blocks = degradations.bc1(ragged)
    assert blocks.shape == ragged.shape
    assert np.array_equal(blocks[:32, :28], degradations.bc1(ragged[:32, :28]))
    assert np.abs(blocks[32:].astype(int) - ragged[32:]).mean() < 12


def test_mip_maps_of_data_are_the_mean_of_codes(textures: Path) -> None:
    assert torch.equal(*(made(textures, channels="data", reductions={one: 1}).batch(0)[0] for one in ("mip", "box")))


@pytest.mark.parametrize("kind", ["jpeg", "bc1", "palette"])
def test_what_has_no_probability_does_not_happen_and_what_is_certain_does(kind: Any) -> None:
    clean = picture(4, 64)
    for probability in (0.0, 1.0):
        damage = Damage(kind=kind, probability=probability)
        one, same = (degradations.damaged(clean, [damage], np.random.default_rng(0)) for _ in range(2))
        assert np.array_equal(one, same)
        assert np.array_equal(one, clean) == (probability == 0)


def test_pictures_are_found_in_any_layout_by_what_their_names_say(textures: Path) -> None:
    names = [one.path.relative_to(textures).as_posix() for one in pictures.find(textures, "color")]
    assert names == ["T_Rock_D.png", "plain.png", "sand/albedo.png", "walls/brick_diff.png", "walls/moss_BaseColor.png"]
    maps = {one.path.name: one.spec.name for one in pictures.find(textures, "data")}
    assert maps == {"roughness.png": "roughness", "brick_ORM.png": "packed"}
    assert not pictures.find(textures, "data", exclude=textures.rglob("*"))


def test_some_materials_are_kept_out_by_their_names(textures: Path) -> None:
    found = pictures.find(textures, "color")
    seen, kept_out = pictures.divided(found)
    assert seen
    assert kept_out
    assert not {one.material for one in seen} & {one.material for one in kept_out}
    assert pictures.divided(found[::-1])[1] == kept_out[::-1]
    few = found[:2]
    assert pictures.divided(few) == (few, few)


def test_no_map_of_a_kept_out_material_is_learned_from() -> None:
    spec = af.MAPS["roughness"]
    found = [pictures.Found(Path(f"{kind}{n}"), f"./m{n}", spec) for n in range(40) for kind in "ab"]
    seen, kept_out = pictures.divided(found)
    assert 2 <= len({one.material for one in kept_out}) <= 12
    assert len(seen) + len(kept_out) == 80
    assert not {one.material for one in seen} & {one.material for one in kept_out}


def test_pictures_are_read_as_8_bits_and_those_of_jpeg_are_halved(tmp_path: Path) -> None:
    lively = picture(5, 64)
    Image.fromarray(lively).save(tmp_path / "a.png")
    Image.fromarray(lively).save(tmp_path / "b.jpg")
    Image.fromarray(lively[..., 0].astype(np.uint16) * 257).save(tmp_path / "c_rough.png")
    Image.fromarray(lively).save(tmp_path / "d_n.png")
    one, half = (pictures.read(one) for one in pictures.find(tmp_path, "color"))
    assert np.array_equal(one, lively)
    assert half.shape == (32, 32, 3)
    rough, normal = (pictures.read(one) for one in pictures.find(tmp_path, "data"))
    assert np.array_equal(rough, lively[..., :1].repeat(3, 2))
    assert normal.shape == (64, 64, 3)


@pytest.mark.skipif(sys.platform != "linux", reason="only there, any bytes are a name")
def test_names_that_are_not_utf_8_are_no_obstacle(tmp_path: Path) -> None:
    for number in range(5):
        Image.fromarray(picture()).save(os.fsdecode(os.fsencode(tmp_path) + b"/\xff%d_d.png" % number))
    loaded = pictures.load(tmp_path, "color")
    assert len(loaded.seen) + len(loaded.kept_out) == 5


def test_a_folder_without_pictures_is_refused(tmp_path: Path, textures: Path) -> None:
    with pytest.raises(af.StepError, match="finds no pictures of colors"):
        made(tmp_path)
    Image.fromarray(picture()).save(tmp_path / "x_d.png")
    with pytest.raises(af.StepError, match="finds no pictures of data maps"):
        made(tmp_path, channels="data")


# Batches


@pytest.mark.parametrize("size", [(2, 2), (1, 40), (3, 72)])
def test_a_picture_of_few_pixels_stops_nothing(size: tuple[int, int], tmp_path: Path) -> None:
    Image.fromarray(picture()[: size[0], : size[1]]).save(tmp_path / "dot_d.png")
    training = made(tmp_path)
    assert training.batch(0)[1].isfinite().all()
    assert len(training.pictures(training.network)) == 1


def test_few_pictures_are_learned_from_in_smaller_sizes_as_well(textures: Path) -> None:
    plain, more = (pictures.load(textures, "color", smaller=pattern) for pattern in ("", "walls/*"))
    assert [one.shape for one in more.kept_out] == [one.shape for one in plain.kept_out]
    walls = [one for one in pictures.divided(pictures.find(textures, "color"))[0] if one.path.parent.name == "walls"]
    assert walls
    added = more.seen[len(plain.seen) :]
    assert len(added) == 9 * len(walls)
    assert {one.shape[0] for one in added} == {int(72 * size) for size in pictures._SMALLER}


def test_a_batch_may_be_drawn_as_a_whole(textures: Path) -> None:
    training = made(textures, leaves=1, drawings=1, leaves_share=0.9, drawings_share=0.1)  # whose rest rounds below 0
    assert len(training.batch(0)[0]) == SMALL["batch"]


def test_a_batch_depends_on_step_and_seed_alone(textures: Path) -> None:
    options: dict[str, Any] = {
        "reductions": {"bicubic": 1, "mip": 2}, "damages": [{"kind": "jpeg"}, {"kind": "palette"}],
        "leaves_share": 0.3, "drawings_share": 0.3, "reliefs_share": 0.2, "batch": 6,
        "leaves": 1, "drawings": 1, "reliefs": 1,
    }  # fmt: skip
    one, same, other = made(textures, **options), made(textures, **options), made(textures, seed=1, **options)
    one.batch(0)
    first, second = one.batch(5), same.batch(5)
    assert [part.shape for part in first] == [(6, 3, 8, 8), (6, 3, 32, 32)]
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(one.batch(6)[0], first[0])
    assert not torch.equal(other.batch(5)[0], first[0])


def test_a_part_of_a_batch_may_be_even_color(textures: Path) -> None:
    small, large = made(textures, flats_share=1.0, leaves_share=0.0).batch(0)
    assert small.std((2, 3)).max() == large.std((2, 3)).max() == 0
    assert small[:, :, 0, 0].equal(large[:, :, 0, 0])
    assert small.std() > 0.05


def test_networks_for_data_maps_may_learn_from_colors_too(tmp_path: Path) -> None:
    Image.fromarray(np.full((72, 72), 90, np.uint8)).save(tmp_path / "wall_roughness.png")
    Image.fromarray(picture()).save(tmp_path / "wall_d.png")
    plain, colored = (made(tmp_path, channels="data", colors_share=share).batch(0) for share in (0.0, 1.0))
    assert plain[1].shape == colored[1].shape == (SMALL["batch"], 1, 32, 32)
    assert plain[1].std() == 0
    assert colored[1].std() > 0.05


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("channels", ["color", "data"])
def test_crops_lie_over_each_other(scale: Any, channels: Any, textures: Path) -> None:
    training = made(textures, scale=scale, channels=channels, crop=16)
    small, large = training.batch(3)
    assert small.shape == (3, 3 if channels == "color" else 1, 16, 16)
    assert large.shape[-1] == 16 * scale
    mean = torch.nn.functional.avg_pool2d(large, scale)
    shifted = mean.roll((2, 2), (2, 3))
    assert (mean - small).abs().mean() < 0.5 * (shifted - small).abs().mean()


def test_a_picture_that_is_too_small_is_mirrored() -> None:
    pool = batches.Pool(lambda _: picture(6, 30), 1, 4, 32)
    assert pool.large(0).shape[0] >= (32 + 16) * 4
    assert np.array_equal(pool.large(0)[:28, :28], picture(6, 30)[:28, :28])


def test_pools_share_a_batch_as_told() -> None:
    flat = [batches.Pool(lambda _, code=code: np.full((200, 200, 3), code, np.uint8), 1, 2, 8) for code in (0, 255)]
    sampler = batches.Sampler([(0.25, flat[0]), (0.75, flat[1])], 3, 2, 400, 8, {"box": 1.0}, (), 0)
    assert float(sampler(0)[0].mean()) == pytest.approx(0.75, abs=0.07)


def test_pictures_are_made_once_and_only_when_used() -> None:
    drawn: list[int] = []

    def make(index: int) -> Pixels:
        drawn.append(index)
        return picture(index)

    pool = batches.Pool(make, 100, 4, 8)
    assert drawn == []
    assert pool.large(7) is pool.large(7)
    assert drawn == [7]


# Teachers


class Times(nn.Module):
    """Enlarge twice by the nearest, times a factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(x, scale_factor=2.0) * self.factor


@pytest.mark.parametrize("channels", [1, 3])
def test_a_target_is_the_mean_of_what_teachers_make(channels: int) -> None:
    teachers = [Network(Times(factor), seen, 2, 0) for factor, seen in ((0.2, 3), (0.6, 1))]
    taught = networks.taught_by(teachers, channels)(picture(7, 20))
    wanted = picture(7, 20).repeat(2, 0).repeat(2, 1) * 0.4
    if channels == 3:
        assert np.abs(taught - wanted).max() <= 1
    assert taught.shape == (40, 40, 3)


def test_what_teachers_make_is_learned_from(textures: Path, tmp_path: Path) -> None:
    file = tmp_path / "teacher.safetensors"
    save_file(networks.new("compact", 3, 2, 4, 1).state_dict(), file)
    training = made(textures, scale=2, teachers=[file], damages=[{"kind": "jpeg", "probability": 1, "quality": (5, 5)}])
    small, large, taught = training.batch(0)
    assert taught.shape == large.shape
    with torch.no_grad():
        by_teacher = load(file).module(small)
    clean = nn.functional.avg_pool2d(taught, 2)
    assert (clean - nn.functional.avg_pool2d(large, 2)).abs().mean() < (by_teacher - taught).abs().mean()
    alone, half = (made(textures, scale=2, teachers=[file], teacher_share=share) for share in (0.0, 0.5))
    values = [float(one.loss(training.network, (small, large, taught)).detach()) for one in (alone, half, training)]
    assert values[1] == pytest.approx((values[0] + values[2]) / 2, rel=1e-5)


def test_reliefs_are_learned_from_as_they_are(textures: Path, tmp_path: Path) -> None:
    file = tmp_path / "teacher.safetensors"
    save_file(networks.new("compact", 1, 2, 4, 1).state_dict(), file)
    shares = {"channels": "data", "scale": 2, "leaves_share": 0.0, "reliefs_share": 1.0, "reliefs": 2}
    (_, alone), (_, large, taught) = (made(textures, teachers=these, **shares).batch(0) for these in ([], [file]))
    assert torch.equal(alone, large)
    assert torch.equal(alone, taught)
    assert alone.std() > 0.02


@pytest.mark.parametrize("kind", ["leaves", "drawings"])
def test_what_is_drawn_is_learned_from_as_teachers_have_it(kind: str, textures: Path, tmp_path: Path) -> None:
    file = tmp_path / "teacher.safetensors"
    save_file(networks.new("compact", 3, 2, 4, 1).state_dict(), file)
    shares = {"leaves_share": 0.0, "drawings_share": 0.0, f"{kind}_share": 1.0, kind: 2}
    (_, drawn), (_, large, taught) = (
        made(textures, scale=2, teachers=these, **shares).batch(0) for these in ([], [file])
    )
    assert torch.equal(taught, large)
    assert not torch.equal(large, drawn)


def test_a_teacher_of_another_scale_is_refused(textures: Path, tmp_path: Path) -> None:
    save_file(networks.new("compact", 3, 2, 4, 1).state_dict(), tmp_path / "x2.safetensors")
    with pytest.raises(af.StepError, match="enlarges 2 times; teachers must enlarge 4 times"):
        made(textures, teachers=[tmp_path / "x2.safetensors"])


# Networks


@pytest.mark.parametrize("architecture", ["compact", "span", "srresnet", "msrresnet"])
@pytest.mark.parametrize(("channels", "scale"), [(3, 4), (1, 2), (3, 3)])
def test_every_network_is_known_by_its_file_and_can_be_trained_on(
    architecture: Any, channels: int, scale: Any, tmp_path: Path
) -> None:
    if architecture == "srresnet" and scale == 3:
        pytest.skip("it has no scale of 3")
    torch.manual_seed(0)
    module = networks.new(architecture, channels, scale, 8, 2)
    file = tmp_path / "network.safetensors"
    save_file({name: value.contiguous() for name, value in module.state_dict().items()}, file)
    found = load(file)
    assert (found.channels, found.scale) == (channels, scale)
    small = torch.rand(1, channels, 12, 12)
    with torch.no_grad():
        expected = module.eval()(small)
        assert (found.module(small) - expected).abs().max() < 1e-5
    again = networks.started(file, channels, scale)
    assert all(parameter.requires_grad for parameter in again.parameters())
    assert again.state_dict().keys() == module.state_dict().keys()
    with torch.no_grad():
        assert (again.eval()(small) - expected).abs().max() < 1e-5


def test_training_on_of_compact_by_real_esrgan_keeps_its_base(tmp_path: Path) -> None:
    theirs = {
        name.replace("residual", "body"): value
        for name, value in networks.new("compact", 3, 2, 8, 2).state_dict().items()
    }
    save_file(theirs, tmp_path / "theirs.safetensors")
    again = networks.started(tmp_path / "theirs.safetensors", 3, 2)
    assert again.state_dict().keys() == theirs.keys()
    small = torch.rand(1, 3, 9, 9)
    with torch.no_grad():
        assert torch.allclose(again(small), load(tmp_path / "theirs.safetensors").module(small), atol=1e-6)


@pytest.mark.parametrize(("channels", "scale"), [(3, 2), (1, 4), (1, 2), (3, 3)])
def test_a_start_is_adapted_to_fewer_channels_and_a_smaller_scale(channels: int, scale: int) -> None:
    shipped = load(recipe.WEIGHTS / "fast_color_x4.safetensors").module
    adapted = networks.started(recipe.WEIGHTS / "fast_color_x4.safetensors", channels, scale)
    gray = torch.from_numpy(picture(8, 40)[..., :1].copy()).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        wanted = shipped(gray.expand(-1, 3, -1, -1)).mean(1, keepdim=True)
        result = adapted(gray.expand(-1, channels, -1, -1)).mean(1, keepdim=True)
        wanted = nn.functional.adaptive_avg_pool2d(wanted, result.shape[2:])
    assert (result - wanted)[..., 8:-8, 8:-8].abs().mean() < 0.02


def test_a_start_that_does_not_fit_is_refused(textures: Path, tmp_path: Path) -> None:
    save_file(networks.new("compact", 1, 2, 4, 1).state_dict(), tmp_path / "gray.safetensors")
    with pytest.raises(af.StepError, match="is a network of 1 channels that enlarges 2 times"):
        made(textures, start=tmp_path / "gray.safetensors")


def test_what_is_learned_from_a_start_is_moved_more_gently(textures: Path) -> None:
    new, again = made(textures), made(textures, start="fast")
    assert (new.optimizer, again.optimizer) == ("muon", "adam")
    assert again.rate < new.rate
    assert made(textures, start="fast", optimizer="muon").optimizer == "muon"


def test_a_start_that_needs_larger_crops_says_so(textures: Path, tmp_path: Path) -> None:
    save_file(Rlfn(3, 8, 8, 4, 2, 4).state_dict(), tmp_path / "rlfn.safetensors")
    with pytest.raises(af.StepError, match=r"cannot work on crops of 8 pixels .*; give it larger ones"):
        made(textures, start=tmp_path / "rlfn.safetensors")
    assert made(textures, start=tmp_path / "rlfn.safetensors", crop=16).batch(0)[0].shape[-1] == 16


# Training


@pytest.mark.parametrize("name", Losses.model_fields)
def test_training_with_each_loss_moves_every_weight(name: str, textures: Path) -> None:
    training = made(textures, losses={name: 1.0})
    assert (training.discriminator is not None) == (name == "gan")
    training.loss(training.network, training.batch(0)).backward()  # type: ignore[no-untyped-call]
    slopes = [parameter.grad for parameter in training.network.parameters()]
    assert all(slope is not None and slope.isfinite().all() for slope in slopes)
    assert any(float(slope.abs().max()) > 0 for slope in slopes if slope is not None)


@pytest.mark.parametrize(
    "options", [{}, {"losses": {"l1": 1, "gan": 0.01}, "optimizer": "adam", "discriminator_width": 4}]
)
def test_training_that_was_cut_off_ends_with_the_weights_of_an_unbroken_one(
    options: dict[str, Any], textures: Path, tmp_path: Path
) -> None:
    def begun() -> af.Training:
        torch.manual_seed(0)
        return made(textures, **options)

    whole = trained(begun(), tmp_path / "whole")
    ended = iter([False, False, True])
    assert not train(begun(), tmp_path / "cut", ended=lambda: next(ended), tell=lambda _: None)
    said: list[str] = []
    train(begun(), tmp_path / "cut", tell=said.append)
    assert "goes on from step" in said[0]
    assert (tmp_path / "cut" / whole.name).read_bytes() == whole.read_bytes()


def test_the_report_shows_what_was_kept_out(textures: Path, tmp_path: Path) -> None:
    trained(made(textures), tmp_path)
    assert "gain over bicubic (dB of PSNR)" in (tmp_path / "report" / "rows.csv").read_text()
    with Image.open(io.BytesIO((tmp_path / "report" / "0.png").read_bytes())) as shown:
        assert shown.width == 3 * shown.height


@pytest.mark.parametrize("name", recipe.PRESETS)
def test_a_shipped_network_is_named_options_and_others_beside_it_go_before(name: Any) -> None:
    plan = recipe.resolved(Training(network=name, batch=4))
    content, scale = name.partition("_")[2].split("_x")
    assert (plan.channels, plan.own_scale, plan.batch) == (content, int(scale), 4)
    assert plan.steps == recipe.PRESETS[name]["steps"]
    assert recipe.resolved(Training(network=name, steps=7)).steps == 7
    assert recipe.resolved(plan) == plan


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"losses": {}}, "no loss has a weight above 0"),
        ({"reductions": {}}, "no reduction has a weight above 0"),
        ({"architecture": "srresnet", "scale": 3}, "take `msrresnet` for 3"),
        ({"leaves_share": 0.7, "drawings_share": 0.7}, "more than the whole batch"),
        ({"leaves_share": 1.0, "leaves": 0}, "nothing to learn from"),
        ({"colors_share": 0.3}, "is for data maps"),
        ({"damages": [{"kind": "jpeg", "quality": (90, 20)}]}, "in this order"),
        ({"scale": 5}, "2, 3 or 4"),
    ],
)
def test_options_that_do_not_fit_are_told(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        Training(**options)


def test_a_network_that_restores_is_measured_by_what_enlarges_its_result(textures: Path, tmp_path: Path) -> None:
    enlarges = trained(made(textures, scale=2), tmp_path / "x2")
    before = enlarges.read_bytes()
    training = made(textures, scale=2, enlarged_by=enlarges, damages=[{"kind": "jpeg"}])
    small, large = training.batch(0)
    assert training.network(small).shape == small.shape
    assert training.loss(training.network, (small, large)) > 0  # the sizes fit behind the other
    file = trained(training, tmp_path / "x1")
    assert load(file).scale == 1
    assert enlarges.read_bytes() == before


def test_what_cannot_be_enlarged_by_another_is_refused(textures: Path, tmp_path: Path) -> None:
    enlarges = trained(made(textures, scale=2), tmp_path)
    with pytest.raises(af.StepError, match="enlarges 2 times; take one of 3 channels and 4 times"):
        made(textures, scale=4, enlarged_by=enlarges)
    with pytest.raises(ValidationError, match="`srresnet` always enlarges"):
        made(textures, scale=2, enlarged_by=enlarges, architecture="srresnet")
    with pytest.raises(ValidationError, match="leave one out"):
        made(textures, scale=2, enlarged_by=enlarges, losses={"l1": 1, "gan": 0.01})
