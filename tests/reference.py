"""The article's model and protocol written down naively, for one trial: what the package must reproduce.

One layer at a time with torch.nn.functional and torch.distributions, all pairs by broadcasting, bounds by logsumexp.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Normal
from torch.nn.functional import leaky_relu, linear, softplus

from tmc_sweep.config import TrialConfig

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


def iwae(log_p: Sequence[Tensor], log_q: Sequence[Tensor]) -> Tensor:
    """log mean_k w_k per image."""

    def diagonal(factor: Tensor) -> Tensor:
        return factor.flatten(-2) if 1 in factor.shape[-2:] else factor.diagonal(dim1=-2, dim2=-1)

    log_w = sum(map(diagonal, log_p)) - sum(map(diagonal, log_q))
    return log_w.logsumexp(-1) - math.log(log_w.shape[-1])


def tmc(log_p: Sequence[Tensor], log_q: Sequence[Tensor]) -> Tensor:
    """log of the mean over all combinations per image, as one sum over the whole tensor of combinations."""
    n, batch = len(log_q), len(log_p[0])
    total = log_p[0].reshape(batch, -1, *[1] * (n - 1))
    for level in range(n):
        own = [1] * n
        own[level] = log_q[level].shape[-1]
        mixture = log_q[level].logsumexp(-2) - math.log(log_q[level].shape[-2])
        total = total - mixture.reshape(batch, *own)
        if level < n - 1:
            both = [1] * n
            both[level : level + 2] = log_p[level + 1].mT.shape[-2:]
            total = total + log_p[level + 1].mT.reshape(batch, *both)
        else:
            total = total + log_p[n].reshape(batch, *own)
    return total.flatten(1).logsumexp(-1) - math.log(total[0].numel())
