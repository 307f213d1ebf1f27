"""The densities against torch.distributions, and the precision of the expanded square."""

import pytest
import torch
from torch.distributions import Bernoulli, Normal

from tmc_sweep.objectives import bernoulli_log_prob, normal_log_prob, normal_log_prob_pairs

DTYPES = [torch.float32, torch.float64]
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


def gaussian(
    parents: int, children: int, d: int, dtype: torch.dtype = torch.float64, std: float = 0.5
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """z, mean, std of two images: means of spread 1, stds from std on, child j drawn from parent j (mod parents)."""
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(2, parents, d, generator=generator, dtype=dtype)
    stds = std * (1 + torch.rand(2, parents, d, generator=generator, dtype=dtype))
    noise = torch.randn(2, children, d, generator=generator, dtype=dtype)
    parent = torch.arange(children) % parents
    return mean[:, parent] + stds[:, parent] * noise, mean, stds


def all_pairs(z: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    return Normal(mean.unsqueeze(-2), std.unsqueeze(-2)).log_prob(z.unsqueeze(-3)).sum(-1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_normal_log_prob_is_that_of_torch(dtype: torch.dtype):
    z, mean, std = gaussian(4, 4, 5, dtype)
    expected = Normal(mean, std).log_prob(z).sum(-1)
    torch.testing.assert_close(normal_log_prob(z, mean, std), expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("parents", "children"), [(1, 3), (3, 1), (4, 3)])
def test_pairs_are_those_of_torch(parents: int, children: int, dtype: torch.dtype):
    z, mean, std = gaussian(parents, children, 5, dtype)
    got, expected = normal_log_prob_pairs(z, mean, std), all_pairs(z, mean, std)
    assert got.shape == (2, parents, children)
    torch.testing.assert_close(got, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_pairs_lose_nothing_to_the_expanded_square():
    z, mean, std = gaussian(20, 20, 64, torch.float32, std=0.01)
    got, truth = normal_log_prob_pairs(z, mean, std).double(), all_pairs(z.double(), mean.double(), std.double())
    own = [table.diagonal(dim1=-2, dim2=-1) for table in (got, truth)]
    assert 50 < own[1].mean() < 300  # where float32 is finer than 1e-4 nats
    torch.testing.assert_close(own[0], own[1], rtol=0, atol=1e-4)
    torch.testing.assert_close(got, truth, rtol=1e-7, atol=1e-4)  # elsewhere to float32's own spacing


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("binary", [False, True])
def test_bernoulli_log_prob_is_that_of_torch(dtype: torch.dtype, binary: bool):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(3, 1, 20, generator=generator, dtype=dtype)
    x = x.round() if binary else x
    logits = 5 * torch.randn(3, 4, 20, generator=generator, dtype=dtype)
    expected = Bernoulli(logits=logits, validate_args=False).log_prob(x.expand_as(logits)).sum(-1)
    got = bernoulli_log_prob(x, logits)
    torch.testing.assert_close(got, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_bernoulli_log_prob_is_finite_far_out():
    logits = torch.tensor([[-3000.0], [3000.0]], requires_grad=True)
    value = bernoulli_log_prob(torch.tensor([[1.0], [0.25]]), logits)
    value.sum().backward()
    assert value.tolist() == [-3000.0, -2250.0]
    assert logits.grad.tolist() == [[1.0], [-0.75]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_dtype_is_preserved(dtype: torch.dtype):
    z, mean, std = gaussian(2, 2, 3, dtype)
    assert {f(z, mean, std).dtype for f in (normal_log_prob, normal_log_prob_pairs)} == {dtype}
    assert bernoulli_log_prob(z, mean).dtype == dtype


def test_gradcheck():
    z, mean, std = (part.requires_grad_() for part in gaussian(2, 3, 2))
    assert torch.autograd.gradcheck(normal_log_prob_pairs, (z, mean, std))
    assert torch.autograd.gradcheck(normal_log_prob, (z[:, :2], mean, std))
    x = z.detach().sigmoid()
    assert torch.autograd.gradcheck(lambda logits: bernoulli_log_prob(x, logits), z)
