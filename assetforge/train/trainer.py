"""Training: Adam, a cosine schedule, a moving average of the weights, and checkpoints that let it go on after a kill.

The average is that of Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992, with weights
that fall exponentially.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from assetforge.codecs.atomic import write_atomically
from assetforge.errors import StepError
from assetforge.recipes import Training
from assetforge.train import checkpoint
from assetforge.train.report import Row, write_report

CHECKPOINT = "checkpoint.pt"
_ROWS = 40
"""Rows of the report in a whole run."""
_RISE = 100
_LEAST_RATE = 0.01
_SAVED_EVERY = 60.0
"""Seconds."""


def train(
    training: Training,
    folder: Path,
    *,
    device: str = "cpu",
    seed: int = 0,
    seconds: float = math.inf,
    identity: str = "",
    tell: Callable[[str], None] = print,
) -> bool:
    """Train until the last step, or for so many seconds; go on from the checkpoint in the folder if there is one.

    Writes NAME.safetensors, the moving average of the weights so far, and a report, and tells whether all steps are
    done. On one machine, with one number of threads, the result does not depend on where it was cut off. bfloat16 is
    used on CUDA alone. Raises StepError where the loss is not finite, UsageError where the checkpoint is of another
    identity.
    """
    run = _Run(training, device, seed)
    kept = checkpoint.load(folder / CHECKPOINT, identity)
    if kept is not None:
        run.restore(kept)
        tell(f"{training.name}: goes on from step {run.step} of {training.steps}")
    began = saved = time.monotonic()
    while run.step < training.steps and time.monotonic() - began < seconds:
        row = run.advance()
        if row is not None:
            tell(f"{training.name}: {row.step}/{training.steps} {row.text}")
        if time.monotonic() - saved >= _SAVED_EVERY:
            checkpoint.save(folder / CHECKPOINT, run.state(), identity)
            saved = time.monotonic()
    checkpoint.save(folder / CHECKPOINT, run.state(), identity)
    run.write(folder)
    return run.step >= training.steps


class _Run:
    """A network on its way: the weights, their average, the optimizer, and what was measured."""

    def __init__(self, training: Training, device: str, seed: int) -> None:
        self.training, self.device, self.seed = training, device, seed
        self.network = training.network.to(device)
        self.average = copy.deepcopy(self.network).requires_grad_(requires_grad=False)
        self.optimizer = torch.optim.Adam(self.network.parameters(), training.rate, betas=(0.9, 0.99))
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
            "optimizer": self.optimizer.state_dict(),
            "rows": [(row.step, row.loss, dict(row.figures)) for row in self.rows],
            "losses": list(self.losses),
        }

    def restore(self, state: checkpoint.State) -> None:
        """Go on from a state."""
        self.step, self.losses = state["step"], state["losses"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rows = [Row(*row) for row in state["rows"]]

    def advance(self) -> Row | None:
        """Do one step; return a row of the report where one is due."""
        torch.manual_seed(self.seed * 1_000_003 + self.step)  # whatever draws, draws the same after a kill
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate()
        self.network.train()
        loss = self._loss(_moved(self.training.batch(self.step), self.device))
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.network.parameters(), self.training.clip)
        self.optimizer.step()
        self._smooth()
        self.losses.append(loss.item())
        self.step += 1
        return self._row() if self._row_is_due() else None

    def _rate(self) -> float:
        done = self.step / self.training.steps
        fall = max(_LEAST_RATE, (1 + math.cos(math.pi * done)) / 2)
        return self.training.rate * fall * min(1.0, (self.step + 1) / _RISE)

    def _loss(self, batch: Any) -> Tensor:
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.startswith("cuda")):
            loss = self.training.loss(self.network, batch)
        if not bool(torch.isfinite(loss)):
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
        with torch.no_grad():
            figures = {name: float(value) for name, value in self.training.figures(self.average).items()}
        row = Row(self.step, sum(self.losses) / len(self.losses), figures)
        self.rows.append(row)
        self.losses = []
        return row

    def write(self, folder: Path) -> None:
        """Write the averaged weights and the report."""
        weights = {name: value.cpu().contiguous() for name, value in self.average.state_dict().items()}
        write_atomically(folder / f"{self.training.name}.safetensors", to_safetensors(weights))
        self.average.eval()
        with torch.no_grad():
            pictures = {name: picture.cpu() for name, picture in self.training.pictures(self.average).items()}
        write_report(folder / "report", self.training.name, self.rows, pictures)


def _moved(batch: Any, device: str) -> Any:
    """Return a batch with all of its tensors on a device."""
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {name: _moved(value, device) for name, value in batch.items()}
    if isinstance(batch, tuple | list):
        return tuple(_moved(value, device) for value in batch)
    return batch
