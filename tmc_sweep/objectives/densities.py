"""Log-densities of the article's conditionals, summed over the dimensions of one variable."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

_LOG_2_PI = math.log(2 * math.pi)


def normal_log_prob(
    z: Float[Tensor, "*#batch d"], mean: Float[Tensor, "*#batch d"], std: Float[Tensor, "*#batch d"]
) -> Float[Tensor, "*batch"]:
    """log N(z; mean, diag(std²)), in nats: [..., d] → [...]."""
    scaled = (z - mean) / std
    return -0.5 * (scaled * scaled).sum(-1) - std.log().sum(-1) - 0.5 * _LOG_2_PI * z.shape[-1]


def normal_log_prob_pairs(
    z: Float[Tensor, "*batch child d"],
    mean: Float[Tensor, "*batch parent d"],
    std: Float[Tensor, "*batch parent d"],
) -> Float[Tensor, "*batch parent child"]:
    """log N(z_j; mean_i, diag(std_i²)) of every pair (parent i, child j), in nats.

    Replaces `normal_log_prob(z[..., None, :, :], mean[..., :, None, :], std[..., :, None, :])`, whose temporaries have
    d times as many entries. The square is expanded, (z − m)²/s² = z²/s² − 2zm/s² + m²/s², so that the pairs are one
    matrix product; in float32 the terms cancel (0.1 nats at std 0.01), so the product is taken in float64.
    """
    if mean.shape[-2] == 1:
        return normal_log_prob(z, mean, std).unsqueeze(-2)
    pairs: Tensor = _NormalPairs.apply(z, mean, std)
    return pairs


class _NormalPairs(torch.autograd.Function):
    """Written out, because autograd would keep and walk some twenty small tensors."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        d = z.shape[-1]
        precision = std.square().reciprocal_()
        ctx.save_for_backward(z, mean, std, precision)
        of_child = z.new_empty((*z.shape[:-1], 2 * d), dtype=torch.float64)
        of_child[..., :d] = of_child[..., d:] = z
        of_child[..., :d].square_()
        of_parent = mean.new_empty((*mean.shape[:-1], 2 * d), dtype=torch.float64)
        of_parent[..., d:] = mean
        of_parent[..., :d] = precision
        mean_square = of_parent[..., d:].square().mul_(of_parent[..., :d]).sum(-1, keepdim=True)
        of_parent[..., d:].mul_(of_parent[..., :d])
        of_parent[..., :d].mul_(-0.5)
        constant = mean_square.mul_(0.5).add_(std.log().sum(-1, keepdim=True)).add_(0.5 * _LOG_2_PI * d)
        return (of_parent @ of_child.mT).sub_(constant).to(z.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """With p = 1/s²: ∂/∂z = Σ_i g p (m − z), ∂/∂m = Σ_j g p (z − m), ∂/∂s = Σ_j g ((z − m)² p − 1)/s.

        Expanded too, and measured from the children's mean, where the terms cancel least; that does in float32 for all
        but the squares.
        """
        z, mean, std, precision = ctx.saved_tensors
        d = z.shape[-1]
        centre = z.mean(-2, keepdim=True)
        z, mean = z - centre, mean - centre
        to_child = gradient.mT @ torch.cat([precision, mean * precision], -1)
        by_z = to_child[..., d:] - z * to_child[..., :d]
        exact, gradient = z.double(), gradient.double()
        to_parent = gradient @ torch.cat([exact.square(), exact], -1)
        square, linear = to_parent[..., :d], to_parent[..., d:]
        total = gradient.sum(-1, keepdim=True)
        centred = torch.addcmul(linear, mean.double(), total, value=-1)
        square -= linear.add_(centred).mul_(mean)
        by_mean = centred.to(z.dtype).mul_(precision)
        by_std = square.to(z.dtype).mul_(precision).sub_(total).div_(std)
        return by_z, by_mean, by_std


def bernoulli_linear_log_prob(
    x: Float[Tensor, "member batch d"],
    hidden: Float[Tensor, "member batch k h"],
    weight: Float[Tensor, "member h d"],
    bias: Float[Tensor, "member 1 d"],
) -> Float[Tensor, "member batch k"]:
    """Σ x·logit − softplus(logit) for logits hidden @ weight + bias, in nats; x may be any value in [0, 1].

    Fused, because the logits are by far the largest array: the gradient needs only their sigmoids σ, which take their
    place, and the value needs no more, since softplus(l) = max(l, 0) − log max(σ, 1 − σ), where a row's logarithms are
    few logarithms of products. `log(sigmoid)` would be −inf beyond 104 in float32. Differentiable once.
    """
    log_prob: Tensor = _BernoulliLinear.apply(x, hidden, weight, bias)
    return log_prob


class _BernoulliLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        logits = torch.baddbmm(bias, hidden.flatten(1, 2), weight).view(*hidden.shape[:-1], -1)
        images = max(1, _IN_CACHE // logits[0, 0].numel())
        parts = zip(x.split(images, 1), logits.split(images, 1), strict=True)
        log_prob = torch.cat([_log_prob_leaving_sigmoids(*part) for part in parts], 1)
        ctx.save_for_backward(x, hidden, weight, logits)
        return log_prob

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, Tensor, Tensor]:
        """Through the logits, whose gradient (x − σ) g takes the place of σ."""
        x, hidden, weight, sigmoids = ctx.saved_tensors
        by_logits = sigmoids.neg_().add_(x.unsqueeze(-2)).mul_(gradient.unsqueeze(-1)).flatten(1, 2)
        by_hidden = (by_logits @ weight.mT).view(hidden.shape)
        by_weight = hidden.flatten(1, 2).mT @ by_logits
        return None, by_hidden, by_weight, by_logits.sum(1, keepdim=True)


_IN_CACHE = 2**18  # logits worked on at a time
_FACTORS = 112  # at least 1/2 each: float32 can hold their product


def _log_prob_leaving_sigmoids(x: Tensor, logits: Tensor) -> Tensor:
    """Log-probabilities [member, batch, k] of some images; the logits become their sigmoids."""
    log_prob = (logits * x.unsqueeze(-2)).sub_(logits.clamp_min(0)).sum(-1)
    sigmoids = logits.neg_().exp_().add_(1).reciprocal_()  # torch's own gives a tensor's last entries other bits
    larger = torch.maximum(sigmoids, 1 - sigmoids)
    for factors in larger.split(_FACTORS, -1):
        log_prob += factors.prod(-1).log_()
    return log_prob
