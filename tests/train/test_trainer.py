"""A small network learns, and one that was killed ends with the same weights as one that was not."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from assetforge.errors import StepError, UsageError
from assetforge.recipes import Training
from assetforge.train.trainer import CHECKPOINT, train

STEPS = 120
TRUTH = torch.tensor([[2.0, -1.0, 0.5]])


def line(steps: int = STEPS, rate: float = 0.05) -> Training:
    """A linear function of three numbers to learn, from batches that depend on the step; with dropout, which draws."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Dropout(0.01), nn.Linear(3, 1))

    def batch(step: int) -> dict[str, Tensor]:
        numbers = torch.randn(16, 3, generator=torch.Generator().manual_seed(step))
        return {"numbers": numbers, "results": numbers @ TRUTH.T}

    def loss(network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return (network(batch["numbers"]) - batch["results"]).square().mean()

    return Training(
        "line",
        network,
        batch,
        loss,
        steps,
        rate,
        smoothing=0.9,
        clip=10.0,
        figures=lambda network: {"error": float((network[1].weight - TRUTH).abs().max())},
        pictures=lambda network: {"weights": network[1].weight.abs().expand(3, 8, 3)},
    )


KILLED = """
import os, signal, sys
sys.path[:0] = [{tests!r}]
import torch
from dataclasses import replace
from pathlib import Path
from assetforge.train import trainer
from train.test_trainer import line
torch.set_num_threads(1)
trainer._SAVED_EVERY = 0.0
training = line()
def batch(step):
    if step == 57:
        os.kill(os.getpid(), signal.SIGKILL)
    return training.batch(step)
trainer.train(replace(training, batch=batch), Path({folder!r}), identity="line")
"""


def quiet(_: str) -> None:
    """Say nothing."""


def test_it_learns_and_reports(tmp_path: Path) -> None:
    said: list[str] = []
    assert train(line(600), tmp_path, tell=said.append)
    weights = load_file(tmp_path / "line.safetensors")
    assert (weights["1.weight"] - TRUTH).abs().max() < 0.05
    assert said[-1].startswith("line: 600/600 loss ")
    rows = (tmp_path / "report" / "rows.csv").read_text().splitlines()
    assert rows[0] == "step,loss,error"
    losses = [float(row.split(",")[1]) for row in rows[1:]]
    assert len(losses) == 40
    assert losses[-1] < 0.05 * losses[0]
    page = (tmp_path / "report" / "index.html").read_text()
    assert page.count("<svg") == 2
    assert 'src="0.png"' in page
    assert (tmp_path / "report" / "0.png").read_bytes().startswith(b"\x89PNG")


def test_a_killed_run_ends_with_the_weights_of_an_unbroken_one(tmp_path: Path) -> None:
    script = KILLED.format(tests=str(Path(__file__).parents[1]), folder=str(tmp_path / "killed"))
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr
    assert (tmp_path / "killed" / CHECKPOINT).exists()
    assert not (tmp_path / "killed" / "line.safetensors").exists()
    said: list[str] = []
    assert train(line(), tmp_path / "killed", identity="line", tell=said.append)
    assert said[0] == "line: goes on from step 57 of 120"
    assert train(line(), tmp_path / "whole", identity="line", tell=quiet)
    for name in ("line.safetensors", "report/rows.csv", "report/index.html"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_when_the_time_is_up_it_stops_and_goes_on_later(tmp_path: Path) -> None:
    assert not train(line(), tmp_path, seconds=0.0, tell=quiet)
    assert (tmp_path / "line.safetensors").exists()
    assert train(line(), tmp_path, tell=quiet)
    said: list[str] = []
    assert train(line(), tmp_path, tell=said.append)  # there is nothing left to do
    assert said == ["line: goes on from step 120 of 120"]


def test_a_checkpoint_of_other_training_is_not_gone_on_from(tmp_path: Path) -> None:
    train(line(), tmp_path, identity="line, seed 0", seconds=0.0, tell=quiet)
    with pytest.raises(UsageError, match=r"other training \(line, seed 0\) than this \(line, seed 1\)"):
        train(line(), tmp_path, identity="line, seed 1", tell=quiet)
    (tmp_path / CHECKPOINT).write_bytes(b"nonsense")
    with pytest.raises(UsageError, match="no checkpoint that can be read"):
        train(line(), tmp_path, identity="line, seed 0", tell=quiet)


def test_a_loss_that_is_not_finite_ends_it(tmp_path: Path) -> None:
    training = line()
    broken = Training("line", training.network, training.batch, lambda n, b: training.loss(n, b) * math.nan, 10)
    with pytest.raises(StepError, match="loss of nan at step 0"):
        train(broken, tmp_path, tell=quiet)
    assert not (tmp_path / "line.safetensors").exists()


@pytest.mark.gpu
def test_a_gpu_learns_the_same_thing(tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    assert train(line(600), tmp_path, device="cuda:0", tell=quiet)
    assert (load_file(tmp_path / "line.safetensors")["1.weight"] - TRUTH).abs().max() < 0.1
