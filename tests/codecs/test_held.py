"""What a format cannot hold is refused, never spoiled without a word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from assetforge.codecs.atomic import write_atomically
from assetforge.codecs.decode import decode
from assetforge.codecs.encode import encode
from assetforge.codecs.formats import Format, parse
from assetforge.errors import OutputError
from assetforge.material.color_space import ColorSpace
from assetforge.material.map_spec import MAPS, MapSpec
from assetforge.material.texture import Texture

PACK = MapSpec("pack", 4, "data", (0.0, 1.0), (0.0,) * 4, "Four numbers.")


def flat(spec: MapSpec, value: float, alpha: torch.Tensor | None = None) -> dict[str, tuple[Texture, MapSpec]]:
    return {spec.name: (Texture(torch.full((spec.channels, 4, 4), float(value)), spec.color_space, alpha=alpha), spec)}


@pytest.mark.parametrize(("spec", "value", "output_format", "expected"), [
    (MAPS["normal"], 0.5, Format("hdr", "float"), "hdr holds no negative numbers"),
    (MAPS["id"], 7, Format("jpg", "8"), "jpg does not keep numbers exactly"),
    (MAPS["id"], 300, Format("png", "8"), "no codes of this depth; write png16"),
    (MAPS["id"], 1.5, Format("png", "16"), "no codes of this depth"),
    (MAPS["id"], 4097, Format("exr", "half"), "no codes of this depth"),
    (PACK, 0.5, Format("hdr", "float"), "does not hold the 4 channels of pack"),
    (PACK, 0.5, Format("jpg", "8"), "does not hold the 4 channels of pack"),
    (MAPS["base_color"], float("nan"), Format("png", "8"), "values that are not numbers"),
    (MAPS["base_color"], 0.5, Format("png"), "the format has no depth yet"),
])  # fmt: skip
def test_what_cannot_be_held_is_refused(spec: MapSpec, value: float, output_format: Format, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        encode(flat(spec, value), output_format)


@pytest.mark.parametrize("container", ["jpg", "webp"])
def test_too_long_a_row_is_refused_quietly(container: str, capfd: pytest.CaptureFixture[str]) -> None:
    long = Texture(torch.zeros(3, 1, 70000), ColorSpace.LIN_REC709)
    with pytest.raises(ValueError, match=r"65500|16383"):
        encode({"base_color": (long, MAPS["base_color"])}, Format(container, "8"))  # type: ignore[arg-type]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("word", ["png8", "png16", "tiff8", "tiff16", "webp", "tga", "exr32"])
def test_ids_come_back_as_the_same_codes(word: str, tmp_path: Path) -> None:
    output_format = parse(word).resolve(None, MAPS["base_color"])
    top = 256 if output_format.depth == "8" else 65536
    codes = torch.arange(256).view(1, 16, 16).float() * (top // 256)
    path = tmp_path / f"x{output_format.suffix}"
    path.write_bytes(encode({"id": (Texture(codes, ColorSpace.NONE), MAPS["id"])}, output_format))
    assert torch.equal(decode(path, MAPS["id"]).texture.data, codes)


@pytest.mark.parametrize(("depth", "mode"), [("8", "LA"), ("16", "RGBA")])
def test_gray_with_alpha_keeps_both(depth: str, mode: str, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(encode(flat(MAPS["height"], 0.25, torch.full((1, 4, 4), 0.75)), Format("png", depth)))  # type: ignore[arg-type]
    with Image.open(path) as image:
        assert image.mode == mode
    assert decode(path, MAPS["height"]).texture.data.mean().item() == pytest.approx(0.25, abs=2e-3)


def test_numbers_are_rounded_to_the_nearest_code_and_not_dithered(tmp_path: Path) -> None:
    values = torch.tensor([0.0, 0.49, 0.51, 254.4, 254.6, 300, -5]).view(1, 1, 7) / 255
    (tmp_path / "x.png").write_bytes(
        encode({"height": (Texture(values, ColorSpace.NONE), MAPS["height"])}, Format("png", "8"))
    )
    with Image.open(tmp_path / "x.png") as image:
        assert np.asarray(image)[0].tolist() == [0, 0, 1, 254, 255, 255, 0]


def test_formats_tell_what_they_store() -> None:
    linear = {word for word in ("png", "tiff16", "tiff32", "hdr", "exr", "exr16", "jpg") if parse(word).is_linear}
    assert linear == {"tiff32", "hdr", "exr", "exr16"}
    assert [parse(word).name for word in ("png16", "exr16", "jpg")] == ["png16", "exr16", "jpg"]


def test_formats_import_nothing_heavy() -> None:
    heavy = "{'torch', 'numpy', 'cv2', 'PIL'} & set(sys.modules)"
    for module in ("formats", "atomic"):
        command = f"import sys, assetforge.codecs.{module}; sys.exit(bool({heavy}))"
        assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0


def test_a_name_that_is_just_short_enough_can_be_written(tmp_path: Path) -> None:
    write_atomically(tmp_path / ("x" * 251 + ".png"), b"content")
    with pytest.raises(OutputError, match="choose a shorter name"):
        write_atomically(tmp_path / ("x" * 300 + ".png"), b"content")
    assert len(list(tmp_path.iterdir())) == 1
