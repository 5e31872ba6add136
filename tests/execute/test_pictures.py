"""What a step draws of its failure is kept beside the log, told with the error, and never among the outputs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import Forge
from execute.conftest import Ran, Run, outputs, write_project

from assetforge.execute.pictures import as_png

DRAWN = "raise af.StepError('base_color', 'is odd', 'give an even one', picture=PICTURE)"
WIDE = "torch.linspace(0, 1, 3).view(3, 1, 1).expand(3, 20, 30)"


def failing(folder: Path, picture: str = WIDE, unless: str = "False") -> Path:
    """Write a project in which asset 3 fails with a picture, at once."""
    project = write_project(folder, f"if not ({unless}): {DRAWN.replace('PICTURE', picture)}", assets=4)
    with (project / "pipeline.yaml").open("a") as file:
        file.write("attempts: 1\n")
    return project


def failed(ran: Ran) -> tuple[str, Path, list[Path]]:
    """Return the only failure's error, its log, and all pictures that are kept."""
    [bad] = [job for job in ran.report["jobs"] if job["error"]]
    log = Path(bad["log"])
    return bad["error"], log, sorted(log.parent.glob("*.png"))


@pytest.mark.parametrize("workers", ["1", "0"])
def test_a_picture_of_a_failure_is_kept_and_told_of(workers: str, tmp_path: Path, run: Run, forge: Forge) -> None:
    ran = run(failing(tmp_path), "--workers", workers)
    assert ran.states == {"done": 3, "failed": 1}
    error, log, [picture] = failed(ran)
    assert picture == log.with_suffix(".png")
    assert error == f"{tmp_path / 'textures' / 'a03_d.png'}: is odd; give an even one; see {picture}"
    assert error in ran.err
    assert log.read_text().endswith(f"{error}\n")
    assert cv2.imread(str(picture)).shape == (20, 30, 3)
    assert cv2.imread(str(picture))[0, 0].tolist() == [255, 128, 0]
    assert len(outputs(tmp_path)) == 3
    [(failure)] = ran.junit.iter("failure")
    assert str(picture) in (failure.text or "")
    assert error in forge("status", "pipeline.yaml").stdout
    assert error in run(tmp_path).err  # which leaves it alone, and still tells why
    assert picture.exists()


def test_a_picture_goes_with_its_failure(tmp_path: Path, run: Run) -> None:
    _, _, [picture] = failed(run(failing(tmp_path, unless="(HERE / 'well').exists()")))
    (tmp_path / "well").touch()
    assert run(tmp_path, "--retry").code == 0
    assert not picture.exists()
    assert not list(picture.parent.glob("*"))


@pytest.mark.slow
def test_a_picture_goes_with_its_asset(tmp_path: Path, run: Run) -> None:
    _, log, [picture] = failed(run(failing(tmp_path)))
    (tmp_path / "textures" / "a03_d.png").unlink()
    (tmp_path / "textures" / "a02_d.png").rename(tmp_path / "textures" / "moved_d.png")
    assert run(tmp_path).code == 0
    assert not picture.exists()
    assert not log.exists()


@pytest.mark.slow
def test_a_later_failure_takes_its_place(tmp_path: Path, run: Run) -> None:
    failing(tmp_path, "torch.full((1, 5000, 9), float((HERE / 'well').exists()))")
    _, _, [picture] = failed(run(tmp_path))
    before = cv2.imread(str(picture), cv2.IMREAD_UNCHANGED)
    (tmp_path / "well").touch()
    assert failed(run(tmp_path, "--retry"))[2] == [picture]
    after = cv2.imread(str(picture), cv2.IMREAD_UNCHANGED)
    assert (before.shape, after.shape) == ((2048, 4), (2048, 4))  # large ones are shrunk
    assert np.array_equal(after, before + 255)


@pytest.mark.parametrize("picture", [5, torch.zeros(2, 8, 8), torch.zeros(8, 8), torch.zeros(3, 0, 8)], ids=repr)
def test_what_is_no_picture_is_logged(picture: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert as_png(picture) == b""
    assert "the picture of a failure is none" in capsys.readouterr().err


@pytest.mark.slow
def test_what_is_no_picture_hides_no_failure(tmp_path: Path, run: Run) -> None:
    error, log, pictures = failed(run(failing(tmp_path, "5")))
    assert error == f"{tmp_path / 'textures' / 'a03_d.png'}: is odd; give an even one"
    assert "the picture of a failure is none" in log.read_text()
    assert pictures == []


def test_a_picture_that_cannot_be_kept_hides_no_failure(tmp_path: Path, run: Run) -> None:
    failing(tmp_path)
    (tmp_path / ".assetforge").mkdir()
    (tmp_path / ".assetforge" / "logs").touch()  # where a folder must be
    ran = run(tmp_path)
    [bad] = [job for job in ran.report["jobs"] if job["error"]]
    assert bad["error"] == f"{tmp_path / 'textures' / 'a03_d.png'}: is odd; give an even one"
    assert bad["log"] == ""
