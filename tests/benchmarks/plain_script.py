"""Upscale a folder four times as the script of Real-ESRGAN does it, by plain torch and OpenCV: one tile at a time.

python plain_script.py WEIGHTS SOURCES TARGETS
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

SCALE, WIDTH, DEPTH = 4, 32, 8
TILE, PADDING = 512, 10


class Network(nn.Module):
    """The network `fast` for color, as anybody would write it down."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, WIDTH, 3, padding=1), nn.PReLU(WIDTH)]
        for _ in range(DEPTH):
            layers += [nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.PReLU(WIDTH)]
        layers += [nn.Conv2d(WIDTH, 3 * SCALE**2, 3, padding=1), nn.PixelShuffle(SCALE)]
        self.residual = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the base plus the learned residual."""
        residual: Tensor = self.residual(x)
        return residual + F.interpolate(x, scale_factor=SCALE, mode="bicubic", align_corners=False)


def load(path: Path) -> Network:
    """Load the network; its activations are not bounded, which saves some time."""
    network, tensors = Network(), load_file(path)
    tensors.pop("activation_bounds")
    network.load_state_dict(tensors)
    return network.eval()


def enlarged(network: Network, x: Tensor) -> Tensor:
    """Enlarge (1, 3, H, W) tile by tile."""
    height, width = x.shape[2:]
    out = x.new_zeros(1, 3, height * SCALE, width * SCALE)
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            bottom, right = min(top + TILE, height), min(left + TILE, width)
            y, x0 = max(top - PADDING, 0), max(left - PADDING, 0)
            made = network(x[:, :, y : min(bottom + PADDING, height), x0 : min(right + PADDING, width)])
            rows = slice((top - y) * SCALE, (bottom - y) * SCALE)
            columns = slice((left - x0) * SCALE, (right - x0) * SCALE)
            out[:, :, top * SCALE : bottom * SCALE, left * SCALE : right * SCALE] = made[:, :, rows, columns]
    return out


def main(weights: Path, sources: Path, targets: Path) -> None:
    """Upscale all files of a folder."""
    network = load(weights)
    targets.mkdir(exist_ok=True)
    for path in sorted(sources.iterdir()):
        picture = cv2.cvtColor(cv2.imread(str(path)).astype(np.float32) / 255, cv2.COLOR_BGR2RGB)
        with torch.no_grad():
            made = enlarged(network, torch.from_numpy(picture.transpose(2, 0, 1))[None])
        result = made[0].float().cpu().clamp_(0, 1).numpy()[[2, 1, 0]].transpose(1, 2, 0)
        cv2.imwrite(str(targets / path.name), (result * 255.0).round().astype(np.uint8))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
