"""The weights of DReGs against the enumeration of all paths."""

import itertools

import pytest
import torch
from reference import enumerated_log_weights, enumerated_tmc
from torch import Tensor

from tmc_sweep.objectives import iwae, tmc, weighed_sample
from tmc_sweep.objectives.densities import normal_log_prob, normal_log_prob_pairs


def samples(n: int, K: int = 3) -> list[Tensor]:
    """n latents of two dimensions for two images."""
    generator = torch.Generator().manual_seed(n)
    return [torch.randn(2, K, 2, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(n)]


def factors(zs: list[Tensor], zeros: list[Tensor], pairs: bool) -> tuple[list[Tensor], list[Tensor]]:
    """Of z_n ~ N(0, 1), z_l ~ N(z_{l+1}, 0.7²), x = 0 ~ N(z_1, 0.5²), and q(z_l) = N(0.3, 1)."""
    one = torch.ones_like(zs[0])
    log_q = [normal_log_prob(z, 0.3 * one, one).unsqueeze(-2) + zero for z, zero in zip(zs, zeros, strict=True)]
    log_p = [
        normal_log_prob_pairs(z, above, 0.7 * one) if pairs else normal_log_prob(z, above, 0.7 * one).unsqueeze(-2)
        for z, above in itertools.pairwise(zs)
    ]
    of_x = normal_log_prob(0 * one, zs[0], 0.5 * one).unsqueeze(-1)
    return [of_x, *log_p, normal_log_prob(zs[-1], 0 * one, one).unsqueeze(-2)], log_q


def marginals(log_p: list[Tensor], log_q: list[Tensor]) -> list[Tensor]:
    """For each latent and sample, the share of all paths' weight that goes through it: [2, K]."""
    total = enumerated_tmc(log_p, log_q)
    return [-gradient.squeeze(-2) for gradient in torch.autograd.grad(total.sum(), log_q)]


@pytest.mark.parametrize("scale", [-1.0, 1.0, 0.1])
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("bound", [iwae, tmc])
def test_a_samples_gradient_is_multiplied_by_its_weight(bound, n: int, scale: float):
    zs, pairs = samples(n), bound is tmc
    plain = bound(*factors(zs, [torch.zeros(())] * n, pairs))
    weighed = bound(*factors(*map(list, zip(*map(weighed_sample, zs), strict=True)), pairs))
    assert torch.equal(plain, weighed)
    if pairs:
        weights = marginals(*factors(zs, [torch.zeros(())] * n, pairs=True))
    else:
        weights = [enumerated_log_weights(*factors(zs, [torch.zeros(())] * n, pairs=True)).softmax(-1)] * n
    expected = [g * w.unsqueeze(-1) for g, w in zip(torch.autograd.grad(plain.sum() * scale, zs), weights, strict=True)]
    torch.testing.assert_close(list(torch.autograd.grad(weighed.sum() * scale, zs)), expected, rtol=0, atol=1e-12)


def test_what_the_loss_does_not_see_has_no_gradient():
    (z,) = samples(1)
    sample, zero = weighed_sample(z)
    bound = iwae(*factors([sample], [zero], pairs=False))
    gradient = torch.autograd.grad(bound[0], z)[0]
    assert gradient[0].any()
    assert not gradient[1].any()
