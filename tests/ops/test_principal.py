"""Principal axes, what is projected onto them, and random bases."""

from __future__ import annotations

import torch

from assetforge.ops.principal import PrincipalAxes, principal_axes, principal_components, random_basis


def noise(*size: int) -> torch.Tensor:
    return torch.rand(*size, generator=torch.Generator().manual_seed(1))


def correlated() -> torch.Tensor:
    """Three channels, of which two tell most of each other."""
    first, second, third = noise(3, 40, 50)
    return torch.stack([first, 0.9 * first + 0.1 * second, third * 3 - 1])


def test_principal_axes_are_those_of_lapack() -> None:
    values = noise(7, 500).double()
    covariance = torch.cov(values * torch.arange(1, 8)[:, None])
    variances, axes = principal_axes(covariance)
    expected = torch.linalg.eigh(covariance)
    assert torch.allclose(variances, expected.eigenvalues)
    assert torch.allclose((axes.T @ expected.eigenvectors).abs(), torch.eye(7, dtype=torch.float64), atol=1e-6)


def test_a_random_basis_is_orthonormal_and_another_each_time() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = random_basis(6, generator), random_basis(6, generator)
    assert torch.allclose(first @ first.T, torch.eye(6), atol=1e-6)
    assert not torch.allclose(first, second)


def test_projections_are_uncorrelated_and_can_be_undone() -> None:
    channels = correlated()
    axes = PrincipalAxes.of(channels)
    projected = axes.project(channels)
    covariance = torch.cov(projected.flatten(1))
    assert (covariance - torch.diag(covariance.diagonal())).abs().max() < 1e-3
    assert torch.allclose(covariance.diagonal().sqrt(), axes.deviations, atol=1e-2)
    assert torch.allclose(axes.unproject(projected), channels, atol=1e-5)
    assert torch.allclose(axes.project(channels.flatten(1)), projected.flatten(1))


def test_whitened_channels_vary_alike_and_can_be_colored_again() -> None:
    channels = correlated()
    axes = PrincipalAxes.of(channels)
    whitened = axes.whiten(channels)
    assert torch.allclose(torch.cov(whitened.flatten(1)), torch.eye(3), atol=0.02)
    assert torch.allclose(axes.color(whitened), channels, atol=1e-5)


def test_a_flat_channel_is_not_stretched() -> None:
    channels = torch.cat([noise(1, 30, 30), torch.full((1, 30, 30), 0.5)])
    whitened = PrincipalAxes.of(channels).whiten(channels)
    assert whitened.isfinite().all()
    assert whitened[0].abs().max() < 1e-3


def test_principal_components_are_the_widest_axes() -> None:
    samples = noise(500, 5) * torch.tensor([1.0, 5.0, 0.2, 3.0, 0.5])
    found = principal_components(samples, 2)
    _, axes = principal_axes(torch.cov(samples.T))
    assert torch.allclose((found.double() @ axes[:, [-1, -2]]).abs(), torch.eye(2, dtype=torch.float64), atol=1e-3)
