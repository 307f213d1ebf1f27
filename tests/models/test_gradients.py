"""Gradient estimators on the real model, made a linear-Gaussian chain: its posterior is known, and q put near it."""

import math

import pytest
import torch
from torch import Tensor

from tmc_sweep.config import TrialConfig
from tmc_sweep.models import HierarchicalVAE
from tmc_sweep.models.layers import Conditional, PackedLinear
from tmc_sweep.objectives import elbo, iwae, tmc

BOUNDS = {"elbo": elbo, "iwae": iwae, "tmc": tmc}
UNBIASED = {
    "elbo, stl": {"objective": "elbo", "gradient": "stl"},
    "iwae, dregs": {"objective": "iwae", "gradient": "dregs"},
    "iwae, dregs, factorised": {"objective": "iwae", "gradient": "dregs", "proposal": "factorised"},
    "tmc, dregs, 1 latent": {"gradient": "dregs", "architecture": {"latents": [2]}},
    "tmc, dregs, 2 latents": {"gradient": "dregs", "proposal": "factorised", "architecture": {"latents": [2, 2]}},
    "tmc, dregs, 3 latents": {"gradient": "dregs", "proposal": "factorised"},
}
EXACT = {**UNBIASED, "tmc, stl, K = 1": {"gradient": "stl", "K": 1}}
REFUSED = {
    "iwae, stl": ({"objective": "iwae"}, "stl"),
    "tmc, stl": ({}, "stl"),
    "tmc, stl, factorised": ({"proposal": "factorised"}, "stl"),
    "tmc, dregs": ({"architecture": {"latents": [2, 2]}, "K": 2}, "dregs"),
}


def configured(**fields: object) -> TrialConfig:
    return TrialConfig.parse({"architecture": {"latents": [2, 2, 2]}, "K": 4, **fields})


@torch.no_grad()
def chain(config: TrialConfig, *, members: int = 1, off_by: float = 0.0, std: float = 0.6) -> HierarchicalVAE:
    """z_n ~ N(0, 1), z_l = slope · z_{l+1} + std · ε, and pixels of which z_1 says nothing.

    q is the chain reversed, its weights then moved by N(0, off_by²); all members are the same.
    """
    slope = 0.0 if config.proposal == "factorised" else 0.8  # a factorised posterior has independent latents
    model = HierarchicalVAE(config, members).double()
    variances = [1.0]  # of z_n, …, z_1
    for _ in model.latents[1:]:
        variances.append(slope**2 * variances[-1] + std**2)
    make_linear(model.p[0], 0.0, None)
    for p in list(model.p)[1:]:
        make_linear(p, slope, std)
    make_linear(model.q[0], 0.0, math.sqrt(variances[-1]))
    for q, own, below in zip(list(model.q)[1:], variances[-2::-1], variances[:0:-1], strict=True):
        make_linear(q, slope * own / below, std * math.sqrt(own / below))
    generator = torch.Generator().manual_seed(0)
    for weight in model.q.parameters():
        weight += off_by * torch.randn(weight.shape[1:], generator=generator, dtype=weight.dtype)
    return model


def make_linear(conditional: Conditional, slope: float, std: float | None) -> None:
    """mean = slope · parent and a constant std, exactly: leaky(leaky(x)) − leaky(leaky(−x)) = 1.01 x."""
    for layer in conditional.modules():
        if isinstance(layer, PackedLinear):
            layer.bias.zero_()
            layer.weight.zero_()
    if slope:
        both = torch.eye(2, dtype=torch.float64).repeat(1, 2) * torch.tensor([1.0, 1.0, -1.0, -1.0])
        conditional.first.weight.copy_(both)
        conditional.second.weight.copy_(torch.eye(4))
        conditional.heads[0].weight.copy_(slope / 1.01 * both.T)
    if std is not None:
        conditional.heads[1].bias.fill_(math.log(math.expm1(std - 0.01)))


def gradients(model: HierarchicalVAE, config: TrialConfig, gradient: str) -> tuple[Tensor, Tensor, Tensor]:
    """The bound of 4 images on each member's own samples, and its gradients by q's and p's weights, [member, …]."""
    generator = torch.Generator().manual_seed(1)
    members = len(model.p[0].first.weight)
    x = torch.rand(4, config.n_features, generator=generator, dtype=torch.float64).expand(members, -1, -1)
    noise = [torch.randn(members, 4, config.K, 2, generator=generator, dtype=torch.float64) for _ in model.latents]
    factors = model(x, noise, pairs=config.objective == "tmc", gradient=gradient)
    bound = BOUNDS[config.objective](*factors)
    model.zero_grad()
    (-bound.sum()).backward()
    q, p = (torch.cat([weight.grad.flatten(1) for weight in part.parameters()], 1) for part in (model.q, model.p))
    return bound.detach(), q, p


@pytest.mark.parametrize("fields", EXACT.values(), ids=EXACT)
def test_at_the_exact_posterior_the_gradient_of_q_is_zero_on_every_draw(fields: dict[str, object]):
    config = configured(**fields)
    model = chain(config)
    assert gradients(model, config, config.gradient)[1].abs().max() < 1e-10
    assert gradients(model, config, "std")[1].abs().max() > 0.1


def errors_apart(got: Tensor, expected: Tensor) -> float:
    """How many standard errors the means of paired draws are apart, at most over all weights."""
    difference = got - expected
    differing = difference.std(0) > 1e-12
    return (difference.mean(0) / difference.std(0))[differing].abs().max().item() * len(got) ** 0.5


@pytest.mark.parametrize("fields", UNBIASED.values(), ids=UNBIASED)
def test_an_estimator_changes_neither_value_nor_mean_but_lowers_the_variance(fields: dict[str, object]):
    config = configured(**fields)
    model = chain(config, members=400, off_by=0.1)
    value, of_q, of_p = gradients(model, config, "std")
    same_value, other, same_of_p = gradients(model, config, config.gradient)
    assert torch.equal(same_value, value)
    assert torch.equal(same_of_p, of_p)
    assert errors_apart(other, of_q) < 5
    assert other.var(0).sum() < 0.5 * of_q.var(0).sum()


@pytest.mark.parametrize(("fields", "gradient"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_biased(fields: dict[str, object], gradient: str):
    config = configured(**fields)
    model = chain(config, members=1500, off_by=0.3)
    assert errors_apart(gradients(model, config, gradient)[1], gradients(model, config, "std")[1]) > 8
