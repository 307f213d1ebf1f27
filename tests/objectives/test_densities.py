"""The densities against torch.distributions, and the precision of the expanded square."""

import pytest
import torch
from torch.distributions import Bernoulli, Normal

from tmc_sweep.objectives import bernoulli_linear_log_prob, densities, normal_log_prob, normal_log_prob_pairs

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


def test_the_gradient_of_pairs_loses_nothing_that_matters_at_the_stds_floor():
    inputs = [part.requires_grad_() for part in gaussian(20, 20, 64, torch.float32, std=0.01)]
    precise = [part.detach().double().requires_grad_() for part in inputs]
    truth = all_pairs(*precise)
    weights = truth.detach().softmax(-2)  # what a bound's gradient gives each pair
    got = torch.autograd.grad(normal_log_prob_pairs(*inputs), inputs, weights.float())
    expected = torch.autograd.grad(truth, precise, weights)
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=1e-4, atol=1e-4 * theirs.abs().mean().item())


def plain_bernoulli(x: torch.Tensor, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    logits = hidden @ weight.unsqueeze(1) + bias.unsqueeze(1)
    return Bernoulli(logits=logits, validate_args=False).log_prob(x.unsqueeze(-2).expand_as(logits)).sum(-1)


def output_layer(dtype: torch.dtype = torch.float64, d: int = 300, scale: float = 1.0) -> list[torch.Tensor]:
    """x, hidden, weight, bias of two members with three images and four samples."""
    generator = torch.Generator().manual_seed(0)
    x, *rest = (
        torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
        for shape in ((2, 3, d), (2, 3, 4, 6), (2, 6, d), (2, 1, d))
    )
    return [x.sigmoid(), *((scale * tensor).requires_grad_() for tensor in rest)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("d", [1, 112, 300])
def test_the_output_layer_is_that_of_torch_in_value_and_gradient(dtype: torch.dtype, binary: bool, d: int):
    x, *rest = output_layer(dtype, d)
    x = x.round() if binary else x
    cotangent = torch.linspace(-1, 1, 24, dtype=dtype).view(2, 3, 4)
    got, expected = bernoulli_linear_log_prob(x, *rest), plain_bernoulli(x, *rest)
    tolerance = {"rtol": TOLERANCE[dtype], "atol": 10 * TOLERANCE[dtype]}
    torch.testing.assert_close(got, expected, **tolerance)
    gradients = zip(*(torch.autograd.grad(value, rest, cotangent) for value in (got, expected)), strict=True)
    for ours, theirs in gradients:
        torch.testing.assert_close(ours, theirs, **tolerance)


def test_the_output_layer_does_not_depend_on_how_many_images_fit_into_the_cache(monkeypatch: pytest.MonkeyPatch):
    inputs = output_layer()
    whole = bernoulli_linear_log_prob(*inputs)
    monkeypatch.setattr(densities, "_IN_CACHE", 1)
    assert torch.equal(bernoulli_linear_log_prob(*inputs), whole)


def test_the_output_layer_is_finite_far_out():
    x = torch.tensor([[[1.0, 0.25]]])
    hidden, weight = torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 2)
    bias = torch.tensor([[[-3000.0, 3000.0]]], requires_grad=True)
    value = bernoulli_linear_log_prob(x, hidden, weight, bias)
    value.sum().backward()
    assert value.item() == -5250.0
    assert bias.grad.tolist() == [[[1.0, -0.75]]]


def test_a_second_backward_pass_gives_the_same():
    x, *rest = output_layer()
    value = bernoulli_linear_log_prob(x, *rest).sum()
    first, second = (torch.autograd.grad(value, rest, retain_graph=True) for _ in range(2))
    assert all(map(torch.equal, first, second))


def test_a_second_derivative_is_refused_not_wrong():
    z, mean, std = (part.requires_grad_() for part in gaussian(2, 3, 2))
    (by_std,) = torch.autograd.grad(normal_log_prob_pairs(z, mean, std).square().sum(), std, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        by_std.sum().backward()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_dtype_is_preserved(dtype: torch.dtype):
    z, mean, std = gaussian(2, 2, 3, dtype)
    assert {f(z, mean, std).dtype for f in (normal_log_prob, normal_log_prob_pairs)} == {dtype}
    assert bernoulli_linear_log_prob(*output_layer(dtype)).dtype == dtype


def test_gradcheck():
    z, mean, std = (part.requires_grad_() for part in gaussian(2, 3, 2))
    assert torch.autograd.gradcheck(normal_log_prob_pairs, (z, mean, std))
    assert torch.autograd.gradcheck(normal_log_prob, (z[:, :2], mean, std))
