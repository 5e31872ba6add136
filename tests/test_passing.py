"""What no step writes passes as it is, and what cannot pass is told."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Forge
from PIL import Image, ImageCms

from assetforge.build import Build
from assetforge.codecs.formats import FORMATS, parse
from assetforge.codecs.read import read
from assetforge.execute.options import RunOptions
from assetforge.report import JobReport


def pixels_of(path: Path) -> np.ndarray:
    return read(path.read_bytes(), path.suffix).pixels


def pipeline(folder: Path, inputs: str, outputs: str = "{}", steps: str = "[]") -> None:
    text = f"version: 1\ninputs: {inputs}\nsteps: {steps}\noutputs: {outputs}\n"
    (folder / "pipeline.yaml").write_text(text)


def built(folder: Path) -> JobReport:
    """Run the one job of a project, in this process."""
    with Build(folder / "pipeline.yaml") as build:
        [job] = build.run(build.plan(), options=RunOptions("cpu", workers=0)).jobs
    assert job.state == "done", job.error
    return job


def noise(*shape: int, kind: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(3).integers(0, np.iinfo(kind).max, shape, dtype=kind, endpoint=True)


@pytest.mark.parametrize(
    ("green", "kind"), [("up", np.uint8), ("down", np.uint8), ("up", np.uint16), ("down", np.uint16)]
)
def test_normals_that_no_step_writes_keep_every_code(green: str, kind: type, tmp_path: Path) -> None:
    source = noise(32, 48, 3, kind=kind)  # of any length, as those of mips are
    assert cv2.imwrite(str(tmp_path / "a_n.png"), source)
    pipeline(tmp_path, f'{{normal: {{files: "{{name}}_n.png", green: {green}}}}}', f"{{green: {green}}}")
    built(tmp_path)
    assert np.array_equal(cv2.imread(str(tmp_path / "build" / "a_normal.png"), cv2.IMREAD_UNCHANGED), source)


READS_NORMALS = """\
from __future__ import annotations
import assetforge as af

@af.step("lean", af.Params, reads={"normal"}, writes={"base_color"})
def lean(material: af.Material, params: af.Params, context: af.Context) -> af.Material:
    import torch
    lengths = torch.linalg.vector_norm(material["normal"].data, dim=0)
    context.note("off", (lengths - 1).abs().max().item())
    return material.replace(base_color=af.Texture(material["normal"].data.abs(), af.ColorSpace.LIN_REC709))

@af.hookimpl
def register_steps(register: af.Register) -> None:
    register(lean)
"""


def test_steps_get_unit_normals_and_outputs_those_of_the_file(tmp_path: Path) -> None:
    source = noise(16, 16, 3)
    assert cv2.imwrite(str(tmp_path / "a_n.png"), source)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "lean.py").write_text(READS_NORMALS)
    pipeline(tmp_path, '{normal: "{name}_n.png"}', steps="[{use: lean}]")
    notes = built(tmp_path).notes
    assert notes["lean"]["off"] < 1e-5
    assert np.array_equal(cv2.imread(str(tmp_path / "build" / "a_normal.png")), source)


@pytest.mark.parametrize("word", [word for word in FORMATS if not parse(word).is_lossy and word not in ("dds", "ktx2")])
def test_a_pipeline_without_steps_returns_equal_pixels(word: str, tmp_path: Path) -> None:
    """A first run brings noise into the format; the second, from there, must change nothing."""
    assert cv2.imwrite(str(tmp_path / "a_d.png"), noise(24, 32, 4, kind=np.uint16))
    assert cv2.imwrite(str(tmp_path / "a_n.png"), noise(24, 32, 3, kind=np.uint16))
    assert cv2.imwrite(str(tmp_path / "a_h.png"), noise(24, 32, kind=np.uint16))
    maps = {"base_color": "d", "normal": "n", "height": "h"}
    inputs = ", ".join(f'{name}: "{{name}}_{letter}.png"' for name, letter in maps.items())
    pipeline(tmp_path, f"{{{inputs}}}", f"{{dir: one, format: {word}}}")
    built(tmp_path)
    [suffix] = {path.suffix for path in (tmp_path / "one").iterdir()}
    inputs = ", ".join(f'{name}: "one/{{name}}_{name}{suffix}"' for name in maps)
    pipeline(tmp_path, f"{{{inputs}}}", f"{{dir: two, format: {word}}}")
    assert built(tmp_path).flags == ()
    for name in maps:
        first, second = (pixels_of(tmp_path / folder / f"a_{name}{suffix}") for folder in ("one", "two"))
        assert first.dtype == second.dtype
        assert np.array_equal(first, second), name


def test_a_jpeg_that_no_step_writes_is_published_as_it_is(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "a_d.jpg"), noise(32, 32, 3), [cv2.IMWRITE_JPEG_QUALITY, 60])
    pipeline(tmp_path, '{base_color: "{name}_d.jpg"}', "{format: jpg}")
    built(tmp_path)
    assert (tmp_path / "build" / "a_base_color.jpg").read_bytes() == (tmp_path / "a_d.jpg").read_bytes()
    pipeline(tmp_path, '{base_color: "{name}_d.jpg"}', "{format: jpg, quality: 20}")
    built(tmp_path)
    smaller = (tmp_path / "build" / "a_base_color.jpg").stat().st_size
    assert smaller < 0.9 * (tmp_path / "a_d.jpg").stat().st_size


def test_what_a_format_cannot_hold_is_told_once_with_its_share(tmp_path: Path, forge: Forge) -> None:
    from assetforge.codecs import exr

    wide = np.linspace(0, 8, 32 * 32, dtype=np.float32).reshape(32, 32, 1)
    (tmp_path / "a_h.exr").write_bytes(exr.write({"": wide}))
    (tmp_path / "a_r.exr").write_bytes(exr.write({"": wide}))
    inputs = '{height: "{name}_h.exr", roughness: "{name}_r.exr"}'
    pipeline(tmp_path, inputs, "{format: {default: png16, roughness: exr}}")
    job = built(tmp_path)
    expected = "outputs: 87.5 % of height is outside the range of its format and was cut; write exr32 or tiff32"
    assert [str(flag) for flag in job.flags] == [expected]
    done = forge("run", "pipeline.yaml")
    assert "1 up to date, 1 flagged" in done.stdout
    (tmp_path / "build" / "a_height.png").unlink()  # which comes back from the store, flag and all
    assert expected in forge("run", "pipeline.yaml").stderr
    pipeline(tmp_path, inputs, "{format: exr}")
    assert built(tmp_path).flags == ()
    assert np.array_equal(pixels_of(tmp_path / "build" / "a_height.exr"), wide)


def test_what_is_doubtful_about_a_source_is_flagged_by_its_name(tmp_path: Path) -> None:
    pages = [Image.fromarray(noise(8, 8, 3)) for _ in range(3)]
    pages[0].save(tmp_path / "a_d.tif", save_all=True, append_images=pages[1:])
    pipeline(tmp_path, '{base_color: "{name}_d.tif"}')
    [flag] = built(tmp_path).flags
    assert str(flag).startswith("a_d.tif: ")
    assert "page" in flag.text


def test_a_broken_profile_may_be_gone_on_without(tmp_path: Path, forge: Forge) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(noise(8, 8, 3)).save(tmp_path / "a_d.png", icc_profile=profile[:200])
    pipeline(tmp_path, '{base_color: "{name}_d.png"}')
    done = forge("run", "pipeline.yaml")
    assert done.returncode == 1
    assert "`profile: srgb`" in done.stderr
    pipeline(tmp_path, '{base_color: {files: "{name}_d.png", profile: srgb}}')
    [flag] = built(tmp_path).flags
    assert str(flag).startswith("a_d.png: ")
    assert np.array_equal(pixels_of(tmp_path / "build" / "a_base_color.png"), noise(8, 8, 3))


def test_alpha_that_another_map_is_packed_in_is_no_alpha(tmp_path: Path) -> None:
    packed = noise(8, 8, 4)
    Image.fromarray(packed).save(tmp_path / "a.png")
    pipeline(tmp_path, '{base_color: "{name}.png", roughness: {files: "{name}.png", channel: a}}', "{dir: out}")
    built(tmp_path)
    assert np.array_equal(pixels_of(tmp_path / "out" / "a_base_color.png"), packed[:, :, :3])
    assert np.array_equal(pixels_of(tmp_path / "out" / "a_roughness.png"), packed[:, :, 3:])


def test_effort_changes_the_size_of_files_and_no_pixel(tmp_path: Path, forge: Forge) -> None:
    smooth = np.add.outer(np.arange(256), np.arange(256)).astype(np.uint8)
    assert cv2.imwrite(str(tmp_path / "a_h.png"), smooth)
    sizes = []
    for effort in (0, 9):
        pipeline(tmp_path, '{height: "{name}_h.png"}', f"{{effort: {effort}}}")
        built(tmp_path)
        output = tmp_path / "build" / "a_height.png"
        assert np.array_equal(pixels_of(output)[:, :, 0], smooth)
        sizes.append(output.stat().st_size)
    assert sizes[1] < sizes[0] / 4
    pipeline(tmp_path, '{height: "{name}_h.png"}', "{quality: 50}")
    done = forge("check", "pipeline.yaml")
    assert done.returncode == 2
    assert "outputs.quality: none of the formats has it (png); leave it out" in done.stderr
