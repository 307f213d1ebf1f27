"""Means of exponentials: value, gradient, -inf, and scales at which the naive form overflows."""

import math

import pytest
import torch

from tmc_sweep.objectives import log_mean_matmul_exp, logmeanexp

DTYPES = [torch.float32, torch.float64]


def normal(*shape: int, dtype: torch.dtype = torch.float64, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_logmeanexp_is_the_log_of_the_mean_of_the_exponentials(dim: int):
    x = normal(3, 4, 5)
    torch.testing.assert_close(logmeanexp(x, dim), x.exp().mean(dim).log(), rtol=0, atol=1e-12)


def test_log_mean_matmul_exp_is_a_matrix_product_of_means():
    a, b = normal(2, 3, 4), normal(2, 4, 5, scale=2.0)
    torch.testing.assert_close(log_mean_matmul_exp(a, b), (a.exp() @ b.exp() / 4).log(), rtol=0, atol=1e-12)


def test_log_mean_matmul_exp_broadcasts_leading_dimensions():
    a, b = normal(3, 4), normal(2, 4, 5)
    torch.testing.assert_close(log_mean_matmul_exp(a, b)[1], log_mean_matmul_exp(a, b[1]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_product_whose_factors_peak_at_different_indices_stays_finite(dtype: torch.dtype):
    a = torch.tensor([[0.0, -3000.0]], dtype=dtype)
    b = torch.tensor([[-3000.0], [0.0]], dtype=dtype)
    assert log_mean_matmul_exp(a, b).item() == pytest.approx(-3000.0)  # subtracting each maximum gives -inf


def test_logmeanexp_in_float32_agrees_with_float64_at_scales_of_3000():
    x = normal(50, 20, dtype=torch.float32, scale=3000.0)
    torch.testing.assert_close(logmeanexp(x, -1).double(), logmeanexp(x.double(), -1), rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_minus_infinity_everywhere_has_the_gradient_zero(dtype: torch.dtype):
    x = torch.full((2, 3), -torch.inf, dtype=dtype)
    x[1, 1] = 2.0
    x.requires_grad_()
    value = logmeanexp(x, -1)
    value.sum().backward()
    assert value[0] == -torch.inf
    assert value[1].item() == pytest.approx(2.0 - math.log(3))
    assert torch.equal(x.grad, torch.tensor([[0, 0, 0], [0, 1, 0]], dtype=dtype))


@pytest.mark.parametrize("bad", [torch.inf, torch.nan])
def test_what_is_not_a_log_probability_is_not_hidden(bad: float):
    assert not logmeanexp(torch.tensor([0.0, bad]), 0).isfinite()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_dtype_is_preserved(dtype: torch.dtype):
    assert logmeanexp(normal(2, dtype=dtype), 0).dtype == dtype
    assert log_mean_matmul_exp(normal(2, 2, dtype=dtype), normal(2, 2, dtype=dtype)).dtype == dtype


def test_gradcheck():
    a, b = normal(2, 3).requires_grad_(), normal(3, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: logmeanexp(x, 0), a)
    assert torch.autograd.gradcheck(log_mean_matmul_exp, (a, b))
