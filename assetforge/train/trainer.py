"""Training: Adam or Muon, a cosine schedule, an average of the weights, and checkpoints to go on from after a kill.

The average is that of Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992, with weights
that fall exponentially.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from assetforge.codecs.atomic import write_atomically
from assetforge.errors import DeviceError, StepError, UsageError, blamed_on
from assetforge.recipes import Discriminator, Training
from assetforge.train import checkpoint
from assetforge.train.ahead import Ahead
from assetforge.train.checkpoint import Identity
from assetforge.train.muon import Muon, hidden_weights
from assetforge.train.report import Row, write_report

CHECKPOINT = "checkpoint.pt"
_ROWS = 40
"""Rows of the report in a whole run."""
_RISE = 100
_LEAST_RATE = 0.01
_BETAS = (0.9, 0.99)
_MUON = 10.0
"""How much faster Muon moves weights than Adam: as much as orthogonal steps are longer than they sound."""
_SAVED_EVERY = 60.0
"""Seconds."""


def train(
    training: Training,
    folder: Path,
    *,
    device: str = "cpu",
    seed: int = 0,
    identity: Identity | None = None,
    ended: Callable[[], bool] = lambda: False,
    tell: Callable[[str], None] = print,
) -> bool:
    """Train until the last step or until it is `ended`; go on from the checkpoint in the folder if there is one.

    Writes NAME.safetensors, the moving average of the weights so far, and a report, and tells whether all steps are
    done. On one CPU, with one number of threads, the result does not depend on where it was cut off. bfloat16 is used
    on CUDA alone. Raises StepError where the loss is not finite, PluginError where a function of the recipe fails,
    UsageError where the checkpoint is of another identity.
    """
    with Ahead(training.batch, training.steps, training.ahead) as batches:
        run = _Run(training, batches, device, seed)
        _go_on(run, folder / CHECKPOINT, identity or {}, tell)
        with _enough_memory(device):
            _train(run, folder, identity or {}, ended, tell)
    return run.step >= training.steps


@contextmanager
def _enough_memory(device: str) -> Iterator[None]:
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise DeviceError(
            device, "has too little memory for a step", "take a smaller batch or smaller crops"
        ) from error


def _go_on(run: _Run, path: Path, identity: Identity, tell: Callable[[str], None]) -> None:
    """Bring a run to where its checkpoint was saved, if there is one."""
    kept = checkpoint.load(path, identity)
    if kept is None:
        return
    try:
        run.restore(kept)
    except (RuntimeError, LookupError, TypeError, ValueError) as error:  # what torch raises where tensors do not fit
        raise UsageError(str(path), "is a checkpoint of another network", "remove it to begin anew") from error
    name, steps = run.training.name, run.training.steps
    tell(
        f"{name}: goes on from step {run.step} of {steps}"
        if run.step < steps
        else f"{name}: all {steps} steps are done already; remove {path} to begin anew"
    )


def _train(run: _Run, folder: Path, identity: Identity, ended: Callable[[], bool], tell: Callable[[str], None]) -> None:
    training, saved = run.training, time.monotonic()
    while run.step < training.steps and not ended():
        row = run.advance()
        if row is not None:
            tell(f"{training.name}: {row.step}/{training.steps} {row.text}")
        if time.monotonic() - saved >= _SAVED_EVERY:
            checkpoint.save(folder / CHECKPOINT, run.state(), identity)
            saved = time.monotonic()
    checkpoint.save(folder / CHECKPOINT, run.state(), identity)
    run.write(folder)


class _Run:
    """A network on its way: the weights, their average, the optimizers, and what was measured."""

    def __init__(self, training: Training, batches: Ahead, device: str, seed: int) -> None:
        self.training, self.batches, self.device, self.seed = training, batches, device, seed
        self.network = training.network.to(device)
        self.average = copy.deepcopy(self.network).requires_grad_(requires_grad=False)
        self.optimizers = _optimizers(self.network, training)
        self.against = None if training.discriminator is None else _Against(training.discriminator, device)
        self.step = 0
        self.rows: list[Row] = []
        self.losses: list[float] = []
        """Those since the last row."""

    def state(self) -> checkpoint.State:
        """Return all that `restore` needs."""
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [one.state_dict() for one in self.optimizers],
            "discriminator": self.against and self.against.state(),
            "rows": [(row.step, row.loss, dict(row.figures)) for row in self.rows],
            "losses": list(self.losses),
        }

    def restore(self, state: checkpoint.State) -> None:
        """Go on from a state."""
        self.step, self.losses = state["step"], state["losses"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        if self.against is not None:
            self.against.restore(state["discriminator"])
        self.rows = [Row(*row) for row in state["rows"]]

    def advance(self) -> Row | None:
        """Do one step; return a row of the report where one is due."""
        torch.manual_seed(self.seed * 1_000_003 + self.step)  # whatever draws, draws the same after a kill
        self.network.train()
        with self._blamed("batch"):
            batch = _moved(self.batches(self.step), self.device)
        loss = self._loss(lambda: self.training.loss(self.network, batch))
        _descend(self.network, self.optimizers, loss, self.training.clip, self._share_of_rate())
        self._smooth()
        self.losses.append(loss.item())
        if self.against is not None:
            rival = self.against.discriminator
            with self.against.learning():
                doubt = self._loss(lambda: rival.loss(self.network, rival.network, batch))
                _descend(rival.network, [self.against.optimizer], doubt, math.inf, self._share_of_rate())
        self.step += 1
        return self._row() if self._row_is_due() else None

    def _share_of_rate(self) -> float:
        """Return the learning rate in parts of the greatest."""
        done = self.step / self.training.steps
        fall = max(_LEAST_RATE, (1 + math.cos(math.pi * done)) / 2)
        return fall * min(1.0, (self.step + 1) / _RISE)

    @contextmanager
    def _blamed(self, function: str) -> Iterator[None]:
        """Blame the recipe for what one of its functions raises."""
        what = f"its `{function}`, after {self.step} steps,"
        with blamed_on(f"recipe of {self.training.name!r}", what), _enough_memory(self.device):
            yield

    def _loss(self, compute: Callable[[], Tensor]) -> Tensor:
        reduced = self.training.precision == "auto" and self.device.startswith("cuda")
        with self._blamed("loss"), torch.autocast("cuda", torch.bfloat16, enabled=reduced):
            loss = compute()
            is_finite = bool(torch.isfinite(loss))
        if not is_finite:
            what = f"has a loss of {loss.item()} at step {self.step}"
            raise StepError(f"recipe of {self.training.name!r}", what, "lower its rate; the last checkpoint is kept")
        return loss

    def _smooth(self) -> None:
        """Move the average towards the weights: quickly at first, when they are still far from anything."""
        decay = min(self.training.smoothing, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for mean, value in zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True):
                if mean.is_floating_point():
                    mean.lerp_(value, 1 - decay)
                else:
                    mean.copy_(value)

    def _row_is_due(self) -> bool:
        return self.step % max(1, self.training.steps // _ROWS) == 0 or self.step == self.training.steps

    def _row(self) -> Row:
        self.average.eval()
        with torch.no_grad(), self._blamed("figures"):
            figures = {name: float(value) for name, value in self.training.figures(self.average).items()}
        row = Row(self.step, sum(self.losses) / len(self.losses), figures)
        self.rows.append(row)
        self.losses = []
        return row

    def _written(self, value: Tensor) -> Tensor:
        return (value.half() if self.training.half and value.is_floating_point() else value).cpu().contiguous()

    def write(self, folder: Path) -> None:
        """Write the averaged weights and the report."""
        network = copy.deepcopy(self.average).eval()
        with torch.no_grad(), self._blamed("complete"):
            self.training.complete(network)
        weights = {name: self._written(value) for name, value in network.state_dict().items()}
        write_atomically(folder / f"{self.training.name}.safetensors", to_safetensors(weights))
        with torch.no_grad(), self._blamed("pictures"):
            pictures = {name: picture.cpu() for name, picture in self.training.pictures(network).items()}
        write_report(folder / "report", self.training.name, self.rows, pictures)


class _Against:
    """A discriminator on its way. It learns only within `learning`; else gradients pass through it, and no more."""

    def __init__(self, discriminator: Discriminator, device: str) -> None:
        self.discriminator = discriminator
        self._network = discriminator.network.to(device).train()
        self.optimizer = _at_rate(torch.optim.Adam(self._network.parameters(), betas=_BETAS), discriminator.rate)
        self._network.requires_grad_(requires_grad=False)

    @contextmanager
    def learning(self) -> Iterator[None]:
        self._network.requires_grad_(requires_grad=True)
        try:
            yield
        finally:
            self._network.requires_grad_(requires_grad=False)

    def state(self) -> checkpoint.State:
        return {"network": self._network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def restore(self, state: checkpoint.State) -> None:
        self._network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])


def _optimizers(network: nn.Module, training: Training) -> list[torch.optim.Optimizer]:
    hidden = hidden_weights(network) if training.optimizer == "muon" else []
    others = [one for one in network.parameters() if all(one is not other for other in hidden)]
    adam = _at_rate(torch.optim.Adam(others, betas=_BETAS), training.rate)
    return [adam, _at_rate(Muon(hidden, training.rate), _MUON * training.rate)] if hidden else [adam]


def _at_rate(optimizer: torch.optim.Optimizer, rate: float) -> torch.optim.Optimizer:
    """Note in an optimizer what its greatest rate is."""
    for group in optimizer.param_groups:
        group["greatest"] = rate
    return optimizer


def _descend(
    network: nn.Module, optimizers: Sequence[torch.optim.Optimizer], loss: Tensor, clip: float, share: float
) -> None:
    """Move a network's weights along the slope of a loss; share: of the optimizers' greatest rates."""
    for optimizer in optimizers:
        optimizer.zero_grad()
        for group in optimizer.param_groups:
            group["lr"] = group["greatest"] * share
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(network.parameters(), clip)
    for optimizer in optimizers:
        optimizer.step()


def _moved(batch: Any, device: str) -> Any:
    """Return a batch with all of its tensors on a device."""
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {name: _moved(value, device) for name, value in batch.items()}
    if isinstance(batch, tuple | list):
        return tuple(_moved(value, device) for value in batch)
    return batch
