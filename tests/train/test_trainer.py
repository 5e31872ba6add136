"""A small network learns, and one that was killed ends with the same weights as one that was not."""

from __future__ import annotations

import io
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from assetforge.errors import DeviceError, PluginError, StepError, UsageError
from assetforge.recipes import Discriminator, Training
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


def test_what_is_completed_is_written_and_not_learned_from(tmp_path: Path) -> None:
    def complete(network: nn.Module) -> None:
        network.register_buffer("measured", torch.tensor([7.0]))

    plain, completed = (replace(line(), **told) for told in ({}, {"complete": complete}))
    train(plain, tmp_path / "plain", tell=lambda _: None)
    train(completed, tmp_path / "completed", ended=lambda: True, tell=lambda _: None)
    train(completed, tmp_path / "completed", tell=lambda _: None)
    tensors, others = (load_file(tmp_path / name / "line.safetensors") for name in ("completed", "plain"))
    assert tensors.pop("measured").tolist() == [7.0]
    assert tensors.keys() == others.keys()
    assert all(torch.equal(tensors[name], others[name]) for name in others)


Optimizer = Literal["adam", "muon"]


def rivals(steps: int = 40, optimizer: Optimizer = "adam", rate: float = 0.003) -> Training:
    """Make numbers as if drawn from a normal distribution around 3, for a discriminator with spectral norm."""
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
    rival = nn.Sequential(spectral_norm(nn.Linear(1, 16)), nn.LeakyReLU(0.2), nn.Linear(16, 1))

    def batch(step: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(step)
        return torch.randn(64, 2, generator=generator), 3 + torch.randn(64, 1, generator=generator)

    def loss(network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        return nn.functional.softplus(-rival(network(batch[0]))).mean()

    def told(network: nn.Module, rival: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        with torch.no_grad():
            made = network(batch[0])
        return nn.functional.softplus(-rival(batch[1])).mean() + nn.functional.softplus(rival(made)).mean()

    return Training(
        "rivals", network, batch, loss, steps, rate, smoothing=0.9, optimizer=optimizer,
        discriminator=Discriminator(rival, told, rate),
    )  # fmt: skip


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
trainer.train(replace(training, batch=batch), Path({folder!r}), identity={{"net": "line"}})
"""


def quiet(_: str) -> None:
    """Say nothing."""


def at_once() -> bool:
    """End training before its first step."""
    return True


def test_it_learns_and_reports(tmp_path: Path) -> None:
    said: list[str] = []
    assert train(line(240, 0.1), tmp_path, tell=said.append)
    weights = load_file(tmp_path / "line.safetensors")
    assert (weights["1.weight"] - TRUTH).abs().max() < 0.05
    assert said[-1].startswith("line: 240/240 loss ")
    rows = (tmp_path / "report" / "rows.csv").read_text().splitlines()
    assert rows[0] == "step,loss,error"
    losses = [float(row.split(",")[1]) for row in rows[1:]]
    assert len(losses) == 40
    assert losses[-1] < 0.05 * losses[0]
    page = (tmp_path / "report" / "index.html").read_text()
    assert page.count("<svg") == 2
    assert 'src="0.png"' in page
    assert (tmp_path / "report" / "0.png").read_bytes().startswith(b"\x89PNG")


def test_weights_are_written_in_half_the_space_where_that_is_asked_for(tmp_path: Path) -> None:
    for half in (False, True):
        (tmp_path / str(half)).mkdir()
        train(replace(line(20), half=half), tmp_path / str(half), tell=quiet)
    whole, halved = (load_file(tmp_path / str(half) / "line.safetensors") for half in (False, True))
    assert {value.dtype for value in halved.values()} == {torch.float16}
    for name, value in whole.items():
        assert torch.equal(value.half(), halved[name])


@pytest.mark.slow
def test_a_killed_run_ends_with_the_weights_of_an_unbroken_one(tmp_path: Path) -> None:
    script = KILLED.format(tests=str(Path(__file__).parents[1]), folder=str(tmp_path / "killed"))
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr
    assert (tmp_path / "killed" / CHECKPOINT).exists()
    assert not (tmp_path / "killed" / "line.safetensors").exists()
    said: list[str] = []
    assert train(line(), tmp_path / "killed", identity={"net": "line"}, tell=said.append)
    assert said[0] == "line: goes on from step 57 of 120"
    assert train(line(), tmp_path / "whole", identity={"net": "line"}, tell=quiet)
    for name in ("line.safetensors", "report/rows.csv", "report/index.html"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_what_was_ended_goes_on_later_and_what_is_done_is_told(tmp_path: Path) -> None:
    assert not train(line(), tmp_path, ended=at_once, tell=quiet)
    assert (tmp_path / "line.safetensors").exists()
    assert train(line(), tmp_path, tell=quiet)
    said: list[str] = []
    assert train(line(), tmp_path, tell=said.append)  # there is nothing left to do
    assert said == [f"line: all 120 steps are done already; remove {tmp_path / CHECKPOINT} to begin anew"]


def test_it_stops_after_a_step_and_goes_on_later(tmp_path: Path) -> None:
    steps: list[int] = []
    begun = line()

    def batch(step: int) -> dict[str, Tensor]:
        steps.append(step)
        return begun.batch(step)  # type: ignore[no-any-return]

    assert not train(replace(begun, batch=batch), tmp_path / "cut", ended=lambda: len(steps) == 9, tell=quiet)
    said: list[str] = []
    assert train(line(), tmp_path / "cut", tell=said.append)
    assert said[0] == "line: goes on from step 9 of 120"
    train(line(), tmp_path / "whole", tell=quiet)
    assert (tmp_path / "cut" / "line.safetensors").read_bytes() == (
        tmp_path / "whole" / "line.safetensors"
    ).read_bytes()


def test_a_checkpoint_of_other_training_is_not_gone_on_from(tmp_path: Path) -> None:
    train(line(), tmp_path, identity={"--seed": 0, "--steps": 120}, ended=at_once, tell=quiet)
    with pytest.raises(UsageError, match=r"is a checkpoint of other training: --seed was 0 and is 1; choose another"):
        train(line(), tmp_path, identity={"--seed": 1, "--steps": 120}, tell=quiet)


def test_a_checkpoint_that_is_damaged_or_cannot_be_read_is_told(tmp_path: Path) -> None:
    train(line(), tmp_path, ended=at_once, tell=quiet)
    whole = (tmp_path / CHECKPOINT).read_bytes()
    torch.save({"identity": {}, "state": 1}, other := io.BytesIO())
    for damaged in (b"nonsense", b"", whole[: len(whole) // 2], other.getvalue()):
        (tmp_path / CHECKPOINT).write_bytes(damaged)
        with pytest.raises(UsageError, match="no checkpoint that can be read; remove it to begin anew"):
            train(line(), tmp_path, tell=quiet)
    (tmp_path / CHECKPOINT).unlink()
    (tmp_path / CHECKPOINT).mkdir()
    with pytest.raises(UsageError, match=r"cannot be read \("):
        train(line(), tmp_path, tell=quiet)


def test_a_checkpoint_of_another_network_is_not_gone_on_from(tmp_path: Path) -> None:
    """As when a new version of a plugin makes another network of the same parameters."""
    train(line(), tmp_path, ended=at_once, tell=quiet)
    with pytest.raises(UsageError, match="is a checkpoint of another network; remove it to begin anew"):
        train(replace(line(), network=nn.Linear(3, 2)), tmp_path, tell=quiet)
    with pytest.raises(UsageError, match="is a checkpoint of another network"):
        train(replace(line(), optimizer="muon", network=nn.Sequential(*line().network, nn.Linear(1, 1))), tmp_path)


@pytest.mark.parametrize("function", ["batch", "loss", "figures", "pictures"])
def test_an_error_in_a_recipe_is_told_as_its_own(function: str, tmp_path: Path) -> None:
    def fails(*_: object) -> None:
        raise ValueError("no such picture")

    with pytest.raises(PluginError, match=rf"^recipe of 'line': its `{function}`, .* failed: ValueError: no such pict"):
        train(replace(line(1), **{function: fails}), tmp_path, tell=quiet)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError])
def test_a_device_with_too_little_memory_is_told(error: type[Exception], tmp_path: Path) -> None:
    def fails(*_: object) -> None:
        raise error("tried to allocate 80 GiB")

    with pytest.raises(DeviceError, match="cpu: has too little memory for a step; take a smaller batch"):
        train(replace(line(1), loss=fails), tmp_path, tell=quiet)


def test_a_loss_that_is_not_finite_ends_it(tmp_path: Path) -> None:
    training = line()
    broken = Training("line", training.network, training.batch, lambda n, b: training.loss(n, b) * math.nan, 10)
    with pytest.raises(StepError, match="loss of nan at step 0"):
        train(broken, tmp_path, tell=quiet)
    assert not (tmp_path / "line.safetensors").exists()


def made_by(training: Training, folder: Path) -> dict[str, Tensor]:
    train(training, folder, tell=quiet)
    return load_file(folder / f"{training.name}.safetensors")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of two rivals that were not cut off, for each optimizer one within it."""
    folder = tmp_path_factory.mktemp("unbroken")
    for optimizer in get_args(Optimizer):
        made_by(rivals(optimizer=optimizer), folder / optimizer)
    return folder


@pytest.mark.parametrize("optimizer", get_args(Optimizer))
def test_two_rivals_that_were_cut_off_end_as_if_they_had_not_been(
    optimizer: Optimizer, tmp_path: Path, unbroken: Path
) -> None:
    broken = rivals(optimizer=optimizer)

    def batch(step: int) -> tuple[Tensor, Tensor]:
        if step == 21:
            raise KeyboardInterrupt
        return broken.batch(step)  # type: ignore[no-any-return]

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("assetforge.train.trainer._SAVED_EVERY", 0.0)
        train(replace(broken, batch=batch), tmp_path / "cut", tell=quiet)
    made_by(rivals(optimizer=optimizer), tmp_path / "cut")
    for name in ("rivals.safetensors", "report/rows.csv", "report/index.html"):
        assert (tmp_path / "cut" / name).read_bytes() == (unbroken / optimizer / name).read_bytes(), name


def test_a_network_learns_from_its_discriminator_alone(tmp_path: Path) -> None:
    weights = made_by(rivals(120, rate=0.01), tmp_path)
    network = rivals().network
    network.load_state_dict(weights)
    made = network(torch.randn(500, 2, generator=torch.Generator().manual_seed(0))).detach()
    assert 0.5 < float(made.mean()) < 4  # it began at 0


def test_each_rival_is_moved_by_its_own_loss_alone(tmp_path: Path) -> None:
    training = rivals(1)
    assert training.discriminator is not None
    still = replace(training, discriminator=replace(training.discriminator, rate=0.0))
    before = {name: value.clone() for name, value in training.discriminator.network.state_dict().items()}
    made_by(still, tmp_path)
    after = training.discriminator.network.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before if "_u" not in name and "_v" not in name)


def test_batches_made_ahead_change_nothing(tmp_path: Path, unbroken: Path) -> None:
    made_by(replace(rivals(), ahead=3), tmp_path)
    assert (tmp_path / "rivals.safetensors").read_bytes() == (unbroken / "adam" / "rivals.safetensors").read_bytes()


def test_muon_learns_a_chain_of_layers_faster_than_adam(tmp_path: Path) -> None:
    losses = {}
    for optimizer in ("adam", "muon"):
        torch.manual_seed(0)
        network = nn.Sequential(*(nn.Linear(16, 16) for _ in range(5)))
        truth = torch.linalg.qr(torch.randn(16, 16))[0]

        def batch(step: int) -> Tensor:
            return torch.randn(64, 16, generator=torch.Generator().manual_seed(step))

        def loss(network: nn.Module, numbers: Tensor, truth: Tensor = truth) -> Tensor:
            return (network(numbers) - numbers @ truth).square().mean()

        training = Training("chain", network, batch, loss, 100, 6e-3, optimizer=optimizer)  # type: ignore[arg-type]
        train(training, tmp_path / optimizer, tell=quiet)
        losses[optimizer] = float((tmp_path / optimizer / "report" / "rows.csv").read_text().split(",")[-1])
    assert losses["muon"] < 0.75 * losses["adam"]


@pytest.mark.gpu
def test_a_gpu_learns_the_same_thing(tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    assert train(line(600), tmp_path, device="cuda:0", tell=quiet)
    assert (load_file(tmp_path / "line.safetensors")["1.weight"] - TRUTH).abs().max() < 0.1
