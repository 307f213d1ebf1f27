"""Log-densities of the article's conditionals, summed over the dimensions of one variable."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

_LOG_2_PI = math.log(2 * math.pi)


def normal_log_prob(
    z: Float[Tensor, "*#batch d"], mean: Float[Tensor, "*#batch d"], std: Float[Tensor, "*#batch d"]
) -> Float[Tensor, "*batch"]:
    """log N(z; mean, diag(std²)), in nats: [..., d] → [...]."""
    scaled = (z - mean) / std
    return -0.5 * (scaled * scaled).sum(-1) - std.log().sum(-1) - 0.5 * _LOG_2_PI * z.shape[-1]


def normal_log_prob_pairs(
    z: Float[Tensor, "*#batch child d"],
    mean: Float[Tensor, "*#batch parent d"],
    std: Float[Tensor, "*#batch parent d"],
) -> Float[Tensor, "*batch parent child"]:
    """log N(z_j; mean_i, diag(std_i²)) of every pair (parent i, child j), in nats.

    Replaces `normal_log_prob(z[..., None, :, :], mean[..., :, None, :], std[..., :, None, :])`, whose temporaries have
    d times as many entries. The square is expanded, (z − m)²/s² = z²/s² − 2zm/s² + m²/s², so that the pairs are one
    matrix product; in float32 the terms cancel (0.1 nats at std 0.01), so the product is taken in float64.
    """
    dtype = z.dtype
    z, mean, precision = z.double(), mean.double(), std.double().pow(-2)
    scaled_mean = mean * precision
    constant = (mean * scaled_mean).sum(-1) + 2 * std.double().log().sum(-1) + _LOG_2_PI * z.shape[-1]
    of_parent = torch.cat([precision, scaled_mean], -1)
    of_child = torch.cat([-0.5 * z * z, z], -1)
    return (of_parent @ of_child.mT - 0.5 * constant.unsqueeze(-1)).to(dtype)


def bernoulli_log_prob(x: Float[Tensor, "*#batch d"], logits: Float[Tensor, "*#batch d"]) -> Float[Tensor, "*batch"]:
    """Σ x·logit − softplus(logit), in nats; x may be any value in [0, 1] (then it is a negative cross-entropy).

    `log(sigmoid)` is −inf beyond 104 in float32; softplus(l) = −logsigmoid(−l) is not, and, unlike torch's softplus,
    gives an entry the same bits wherever it stands in a tensor.
    """
    return (x * logits + logsigmoid(-logits)).sum(-1)
