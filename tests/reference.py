"""The article's model and bounds written down naively, for one trial: what the package must reproduce.

One layer at a time with torch.nn.functional and torch.distributions, all pairs by broadcasting, bounds path by path.
TMC so written down is shipped with the tests for models of one's own.
`benchmarks/reference.py` is no second one: it is the article's published step, without weight normalisation, learned
prior and factorised proposal, and with the product that underflows. It is there to be timed against.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Normal
from torch.nn.functional import leaky_relu, linear, softplus

from tmc_sweep.config import TrialConfig
from tmc_sweep.testing import enumerated_tmc as enumerated_tmc

Parameters = Mapping[str, Tensor]


def linear_layer(parameters: Parameters, name: str, x: Tensor) -> Tensor:
    weight, bias = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
    if f"{name}.scale" in parameters:
        weight = parameters[f"{name}.scale"] * weight / weight.norm(dim=0, keepdim=True)
    return linear(x, weight.T, bias.flatten())


def conditional(parameters: Parameters, name: str, x: Tensor) -> list[Tensor]:
    """Two hidden layers of leaky ReLUs, then the heads."""
    hidden = leaky_relu(linear_layer(parameters, f"{name}.first", x), 0.1)
    hidden = leaky_relu(linear_layer(parameters, f"{name}.second", hidden), 0.1)
    heads = sum(key.startswith(f"{name}.heads.") and key.endswith(".bias") for key in parameters)
    return [linear_layer(parameters, f"{name}.heads.{head}", hidden) for head in range(heads)]


def pairs(mean: Tensor, std: Tensor, z: Tensor) -> Tensor:
    """[batch, parent, d] twice and [batch, child, d] → log-density [batch, parent, child]."""
    return Normal(mean.unsqueeze(-2), std.unsqueeze(-2)).log_prob(z.unsqueeze(-3)).sum(-1)


def factors(
    config: TrialConfig, parameters: Parameters, x: Tensor, noise: Sequence[Tensor]
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """(zs, log_p, log_q) of images [batch, features] and noise [batch, k, d] per latent."""
    n, k = len(noise), noise[0].shape[-2]
    parent, zs, log_q = x.unsqueeze(-2).expand(-1, k, -1), [], []
    for level in range(n):
        mean, raw_std, *backbone = conditional(parameters, f"q.{level}", parent)
        std = 0.01 + softplus(raw_std)
        zs.append(mean + std * noise[level])
        table = pairs(mean, std, zs[level])
        log_q.append(table[:, :1] if level == 0 or config.proposal == "factorised" else table)
        parent = backbone[0] if backbone else zs[level]
    (logits,) = conditional(parameters, "p.0", zs[0])
    images = x.unsqueeze(-2).expand_as(logits)
    log_p = [Bernoulli(logits=logits, validate_args=False).log_prob(images).sum(-1, keepdim=True)]
    for level in range(1, n):
        mean, raw_std = conditional(parameters, f"p.{level}", zs[level])
        log_p.append(pairs(mean, 0.01 + softplus(raw_std), zs[level - 1]))
    if config.prior == "learned":
        prior = Normal(parameters["prior_mean"], 0.01 + softplus(parameters["prior_raw_std"]))
    else:
        prior = Normal(torch.zeros(()), torch.ones(()))
    return zs, [*log_p, prior.log_prob(zs[-1]).sum(-1).unsqueeze(-2)], log_q


def enumerated_log_weights(log_p: Sequence[Tensor], log_q: Sequence[Tensor]) -> Tensor:
    """log w_k of each single path k, k, …, k."""
    n, weights = len(log_q), []
    for k in range(log_q[0].shape[-1]):
        weight = log_p[0][..., k, 0] + log_p[n][..., 0, k]
        weight = weight + sum(log_p[level][..., k, k] for level in range(1, n))
        weights.append(weight - sum(factor[..., min(k, factor.shape[-2] - 1), k] for factor in log_q))
    return torch.stack(weights, -1)


def enumerated_iwae(log_p: Sequence[Tensor], log_q: Sequence[Tensor]) -> Tensor:
    """The log of the mean over the single paths."""
    log_weights = enumerated_log_weights(log_p, log_q)
    return log_weights.logsumexp(-1) - math.log(log_weights.shape[-1])
