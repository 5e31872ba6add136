"""Weights that we may not ship come from the user: in many forms, and are kept in one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from assetforge import weights
from assetforge.errors import PluginError, UsageError
from assetforge.weights.adding import add
from assetforge.weights.features import Vgg19
from assetforge.weights.vgg19 import LAYERS

VGG = "vgg19_conv1_1_to_conv3_1_fp32.npz"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASSETFORGE_WEIGHTS", str(tmp_path / "mine"))
    return tmp_path / "mine"


def tensors(count: int = 5, naming: str = "paper") -> dict[str, Tensor]:
    """Random layers of the right shapes, from the first on."""
    generator = torch.Generator().manual_seed(0)
    made = {}
    for layer in LAYERS[:count]:
        prefix = layer.name if naming == "paper" else f"features.{layer.index}"
        made[f"{prefix}.weight"] = torch.randn(layer.outputs, layer.inputs, 3, 3, generator=generator) * 0.05
        made[f"{prefix}.bias"] = torch.randn(layer.outputs, generator=generator)
    return made


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


@pytest.fixture
def reference(data: Path) -> dict[str, Tensor]:
    """The authors' first layers, which take RGB of 0 to 255 minus a mean."""
    with np.load(data / "weights" / VGG) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def as_torchvision_names(given: dict[str, Tensor]) -> dict[str, Tensor]:
    index = {layer.name: layer.index for layer in LAYERS}
    return {f"features.{index[name.split('.')[0]]}.{name.split('.')[1]}": tensor for name, tensor in given.items()}


def test_the_authors_network_is_the_same_whatever_it_comes_in(
    data: Path, tmp_path: Path, folder: Path, reference: dict[str, Tensor]
) -> None:
    blue_first = {**reference, "conv1_1.weight": reference["conv1_1.weight"].flip(1)}
    save_file({name: tensor.contiguous() for name, tensor in blue_first.items()}, tmp_path / "b.safetensors")
    files = [
        data / "weights" / VGG,
        saved(tmp_path / "rgb.pth", as_torchvision_names(reference)),
        saved(tmp_path / "bgr.pth", as_torchvision_names(blue_first)),
        saved(tmp_path / "nested.pt", {"state_dict": reference, "epoch": 3}),
        tmp_path / "b.safetensors",
    ]
    results = [add("vgg19", file).read_bytes() for file in files]
    assert all(result == results[0] for result in results)
    again = folder / "vgg19.safetensors"
    assert add("vgg19", again).read_bytes() == results[0]
    picture = torch.rand(3, 24, 24, generator=torch.Generator().manual_seed(1))
    first = Vgg19.load(again)(picture, "valid")[0]
    shifted = picture * 255 - torch.tensor([123.68, 116.78, 103.94])[:, None, None]
    expected = nn.functional.conv2d(shifted[None], reference["conv1_1.weight"], reference["conv1_1.bias"]).relu()[0]
    assert torch.allclose(first, expected, atol=1e-2, rtol=1e-4)


def test_torchvisions_own_is_told_from_it_and_takes_normalized_colors(tmp_path: Path) -> None:
    kept = load_file(add("vgg19", saved(tmp_path / "tv.pth", tensors(16, "torchvision"))))
    assert torch.allclose(kept["mean"], torch.tensor([0.485, 0.456, 0.406]))
    assert torch.allclose(kept["scale"], 1 / torch.tensor([0.229, 0.224, 0.225]))
    assert kept["conv5_4.weight"].shape == (512, 512, 3, 3)


def test_the_user_has_the_last_word_on_the_input(tmp_path: Path) -> None:
    file = saved(tmp_path / "mine.pth", tensors(1))
    with pytest.raises(UsageError, match=r"mine\.pth: conv1_1 .* unknown; say --input torchvision or caffe-rgb or"):
        add("vgg19", file)
    kept = load_file(add("vgg19", file, "caffe-bgr"))
    assert torch.equal(kept["conv1_1.weight"], tensors(1)["conv1_1.weight"].flip(1))
    assert torch.equal(kept["scale"], torch.full((3,), 255.0))


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_the_first_layers_are_enough_and_classifiers_are_left_out(count: int, tmp_path: Path) -> None:
    given = {**tensors(count, "torchvision"), "classifier.0.weight": torch.zeros(4, 4)}
    path = add("vgg19", saved(tmp_path / "part.pth", given))
    assert weights.layers(path) == [layer.name for layer in LAYERS[:count]]
    names = ["relu1_1", "relu2_1", "relu3_1"][: 1 + (count > 2) + (count > 4)]
    assert list(Vgg19.load(path).names) == names


def test_half_precision_becomes_float32(tmp_path: Path) -> None:
    given = {name: tensor.half() for name, tensor in tensors(2, "torchvision").items()}
    kept = load_file(add("vgg19", saved(tmp_path / "half.pth", given)))
    assert all(tensor.dtype == torch.float32 for tensor in kept.values())


def without(name: str) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in tensors().items() if not key.startswith(name)}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (without("conv2_1"), "conv2_1 is missing, although conv2_2 is there"),
        (without("conv1_2.bias"), "conv1_2.bias is missing"),
        (
            {**tensors(), "conv2_2.weight": torch.zeros(128, 64, 3, 3)},
            "conv2_2.weight is (128, 64, 3, 3); in VGG-19 it",
        ),
        ({**tensors(), "conv1_2.bias": torch.full((64,), torch.nan)}, "conv1_2.bias is not all finite"),
        ({**tensors(1, "torchvision"), "features.1.running_mean": torch.zeros(64)}, "batch normalization"),
        ({**tensors(1, "torchvision"), "features.17.weight": torch.zeros(9)}, "features.17.weight: not a convolution"),
        ({"body.weight": torch.zeros(3)}, "no layer of VGG-19 is in it"),
        ([torch.zeros(3)], "does not hold tensors by name"),
        ({"net": nn.Linear(2, 2)}, "refused"),
    ],
)
def test_what_is_not_vgg19_is_refused_by_file_and_layer(
    content: object, expected: str, tmp_path: Path, folder: Path
) -> None:
    file = saved(tmp_path / "bad.pth", content)
    with pytest.raises(UsageError) as caught:
        add("vgg19", file)
    assert str(caught.value).startswith(f"{file}: ")
    assert expected in str(caught.value)
    assert not folder.exists()


@pytest.mark.parametrize("ending", [".pth", ".npz", ".safetensors"])
def test_damaged_files_are_refused(ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"cut{ending}"
    file.write_bytes(b"PK\x03\x04 not all of it")
    with pytest.raises(UsageError, match=r"cannot be read|refused"):
        add("vgg19", file)


def test_no_pickle_runs_what_it_holds(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    for content in ({"conv1_1.weight": Trap()}, Trap()):
        with pytest.raises(UsageError, match="refused"):
            add("vgg19", saved(tmp_path / "trap.pth", content))
    array = np.empty(1, object)
    array[0] = Trap()
    np.savez(tmp_path / "trap.npz", **{"conv1_1.weight": array})
    with pytest.raises(UsageError, match="cannot be read"):
        add("vgg19", tmp_path / "trap.npz")
    assert not (tmp_path / "sprung").exists()


def test_the_card_tells_where_it_comes_from(tmp_path: Path) -> None:
    file = saved(tmp_path / "tv.pth", tensors(3, "torchvision"))
    path = add("vgg19", file)
    text = weights.card(path).read_text()
    assert f"`tv.pth`, sha256 {weights.sha256(file)}" in text
    assert "3 layers, conv1_1 to conv2_1" in text
    assert weights.license_of(path) == "To be confirmed by the user."
    assert weights.license_of(add("vgg19", file, terms="CC-BY 4.0")) == "CC-BY 4.0"
    card = weights.card(path)
    card.write_text(card.read_text().replace("## License", "## Licence"))
    assert weights.license_of(path) == "CC-BY 4.0"  # cards of users may spell it so


def test_a_plugins_own_come_before_the_users(tmp_path: Path, folder: Path) -> None:
    plugin = tmp_path / "plugin"
    with pytest.raises(PluginError, match="the weights are missing; add them: assetforge weights add vgg19 FILE"):
        weights.find("vgg19", plugin)
    added = add("vgg19", saved(tmp_path / "tv.pth", tensors(1, "torchvision")))
    assert weights.find("vgg19", plugin) == added == folder / "vgg19.safetensors"
    own = plugin / "weights" / "vgg19.safetensors"
    own.parent.mkdir(parents=True)
    own.write_bytes(added.read_bytes())
    assert weights.find("vgg19", plugin) == own


def test_other_weights_are_kept_as_they_are_if_they_are_safetensors(tmp_path: Path) -> None:
    save_file({"body.10.weight": torch.ones(2), "body.2.weight": torch.zeros(3)}, tmp_path / "s.safetensors")
    path = add("student", tmp_path / "s.safetensors")
    assert weights.layers(path) == ["body.2", "body.10"]
    with pytest.raises(UsageError, match="'student' is no network that can be converted; name vgg19"):
        add("student", saved(tmp_path / "s.pth", {"a.weight": torch.zeros(2)}))
    with pytest.raises(UsageError, match="is not a name"):
        add("../student", tmp_path / "s.safetensors")
