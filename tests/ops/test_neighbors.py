"""Nearest neighbors: the true ones up to rounding, whatever the number of points."""

from __future__ import annotations

import torch

from assetforge.ops.neighbors import nearest_neighbors


def noise(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed))


def test_nearest_neighbors_are_nearest() -> None:
    points, candidates = noise(3000, 4), noise(200, 4, seed=1)
    found = nearest_neighbors(points, candidates)
    distances = torch.cdist(points, candidates)
    chosen = distances.gather(1, found[:, None])[:, 0]
    assert (chosen - distances.amin(1)).max() < 0.01
    assert (found == distances.argmin(1)).float().mean() > 0.97


def test_each_candidate_is_its_own_nearest_neighbor() -> None:
    candidates = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [-1.0, 5.0]])
    assert nearest_neighbors(candidates, candidates).tolist() == [0, 1, 2, 3]
    assert nearest_neighbors(torch.tensor([[0.4, 0.4], [-9.0, 9.0]]), candidates).tolist() == [0, 3]


def test_of_equally_near_candidates_the_first_counts() -> None:
    assert nearest_neighbors(torch.zeros(1, 2), torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])).tolist() == [0]
