"""Log-densities of the article's conditionals, summed over the dimensions of one variable."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from tmc_sweep.products import affine, by_rows, by_weight

_LOG_2_PI = math.log(2 * math.pi)


def normal_log_prob(
    z: Float[Tensor, "*#batch d"], mean: Float[Tensor, "*#batch d"], std: Float[Tensor, "*#batch d"]
) -> Float[Tensor, "*batch"]:
    """log N(z; mean, diag(std²)), in nats: [..., d] → [...]."""
    log_prob: Tensor = _Normal.apply(z, mean, std)
    return log_prob


class _Normal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        scaled = (z - mean).div_(std)
        ctx.shapes = z.shape, mean.shape
        ctx.save_for_backward(scaled, std)
        log_prob = (scaled * scaled).sum(-1).mul_(-0.5)
        return log_prob.sub_(std.log().sum(-1)).sub_(0.5 * _LOG_2_PI * z.shape[-1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """∂/∂m = g (z − m)/s², ∂/∂z = −∂/∂m, ∂/∂s = g ((z − m)²/s² − 1)/s."""
        scaled, std = ctx.saved_tensors
        of_z, of_mean = ctx.shapes
        over_std = gradient.unsqueeze(-1) / std
        by_mean = scaled * over_std
        by_std = (scaled * by_mean).sub_(over_std)
        return by_mean.neg().sum_to_size(of_z), by_mean.sum_to_size(of_mean), by_std.sum_to_size(std.shape)


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
    """Written out, because autograd would keep and walk some twenty small tensors.

    With h = −1/(2s²) the product is of [z², −2z] and [h, hm], and hm² − log s is the same for all children.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        half = std.square().reciprocal_().mul_(-0.5)
        ctx.save_for_backward(z, mean, std, half)
        of_child, square, linear = _double_width(z, torch.float64)
        square.copy_(linear.copy_(z)).square_()
        linear.mul_(-2)
        of_parent, scale, scaled = _double_width(mean, torch.float64)
        exact = mean.to(torch.float64, copy=True)
        scaled.copy_(exact).mul_(scale.copy_(half))
        constant = exact.mul_(scaled).sum(-1, keepdim=True)
        constant.sub_(std.log().sum(-1, keepdim=True)).sub_(0.5 * _LOG_2_PI * z.shape[-1])
        return (of_parent @ of_child.mT).add_(constant).to(z.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """With p = 1/s²: ∂/∂z = Σ_i g p (m − z), ∂/∂m = Σ_j g p (z − m), ∂/∂s = Σ_j g ((z − m)² p − 1)/s.

        Expanded too, and measured from the children's mean, where the terms cancel least; that does in float32 for all
        but the squares.
        """
        z, mean, std, half = ctx.saved_tensors
        d = z.shape[-1]
        centre = z.mean(-2, keepdim=True)
        z, mean = z - centre, mean - centre
        of_parent, precision, scaled = _double_width(mean, mean.dtype)
        scaled.copy_(mean).mul_(precision.copy_(half).mul_(-2))
        to_child = gradient.mT @ of_parent
        by_z = to_child[..., d:] - to_child[..., :d].mul_(z)
        of_child, square, linear = _double_width(z, torch.float64)
        square.copy_(linear.copy_(z)).square_()
        gradient = gradient.double()
        to_parent = gradient @ of_child
        total = gradient.sum(-1, keepdim=True)
        square, linear = to_parent[..., :d], to_parent[..., d:]
        centred = torch.addcmul(linear, mean.double(), total, value=-1)
        square.sub_(linear.add_(centred).mul_(mean))
        by_mean = centred.to(z.dtype).mul_(precision)
        by_std = square.to(z.dtype).mul_(precision).sub_(total).div_(std)
        return by_z, by_mean, by_std


def _double_width(like: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """A tensor of twice the width, yet to be filled, and its two halves."""
    d = like.shape[-1]
    both = like.new_empty((*like.shape[:-1], 2 * d), dtype=dtype)
    return both, both[..., :d], both[..., d:]


def bernoulli_linear_log_prob(
    x: Float[Tensor, "member batch d"],
    hidden: Float[Tensor, "member batch k h"],
    weight: Float[Tensor, "member h d"],
    bias: Float[Tensor, "member 1 d"],
) -> Float[Tensor, "member batch k"]:
    """Σ x·logit − softplus(logit) for logits hidden @ weight + bias, in nats; x may be any value in [0, 1].

    Fused, because the logits are by far the largest array. Σ x·logit is hidden · (weight @ x) + bias · x, without them;
    and since softplus(l) = max(l, 0) − log max(σ, 1 − σ), where a row's logarithms are few logarithms of products, all
    else needs the logits' sigmoids σ only, which take their place. `log(sigmoid)` would be −inf beyond 104 in float32.
    Differentiable once.
    """
    log_prob: Tensor = _BernoulliLinear.apply(x, hidden, weight, bias)
    return log_prob


class _BernoulliLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        x_weight = by_rows(x, weight)
        log_prob = (hidden * x_weight.unsqueeze(-2)).sum(-1) + (x * bias).sum(-1, keepdim=True)
        sigmoids: list[Tensor] = []
        scratch = x.new_empty(0)  # of one block: memory that is new costs more than what is written into it
        for member, images in _blocks(hidden, x.shape[-1]):
            rows = hidden[member, images].flatten(1, 2)
            logits = affine(rows, weight[member], bias[member])
            if scratch.shape != logits.shape:
                scratch = torch.empty_like(logits)
            log_prob[member, images] -= _softplus_leaving_sigmoids(logits, scratch).view_as(log_prob[member, images])
            sigmoids.append(logits)
        ctx.save_for_backward(x, hidden, weight, x_weight, *sigmoids)
        return log_prob

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, Tensor, Tensor]:
        """With G = g (x − σ) by the logits: x's part of each product is narrow, and σ's has σ itself as its factor."""
        x, hidden, weight, x_weight, *sigmoids = ctx.saved_tensors
        weighed = hidden * gradient.unsqueeze(-1)
        by_hidden = torch.empty_like(hidden)
        by_weights = weighed.sum(-2).mT @ x
        by_bias = gradient.sum(-1).unsqueeze(-2) @ x
        for (member, images), sigmoid in zip(_blocks(hidden, x.shape[-1]), sigmoids, strict=True):
            by_sigmoid = by_rows(sigmoid, weight[member]).view_as(by_hidden[member, images])
            torch.sub(x_weight[member, images].unsqueeze(-2), by_sigmoid, out=by_hidden[member, images])
            by_weights[member] -= by_weight(weighed[member, images].flatten(1, 2), sigmoid)
            by_bias[member] -= gradient[member, images].flatten(1, 2).unsqueeze(-2) @ sigmoid
        return None, by_hidden.mul_(gradient.unsqueeze(-1)), by_weights, by_bias


_IN_CACHE = 2**18  # logits of one member worked on at a time, on a CPU
_FACTORS = 112  # at least 1/2 each: float32 can hold their product


def _blocks(hidden: Tensor, d: int) -> list[tuple[slice, slice]]:
    """Members and images whose logits are worked on together: all on a GPU, on a CPU as many of a member as fit."""
    members, images, k = hidden.shape[:3]
    if hidden.device.type != "cpu":
        return [(slice(None), slice(None))]
    step = max(1, _IN_CACHE // (k * d))
    return [
        (slice(member, member + 1), slice(first, first + step))
        for member in range(members)
        for first in range(0, images, step)
    ]


def _softplus_leaving_sigmoids(logits: Tensor, scratch: Tensor) -> Tensor:
    """Σ softplus(logit) of each row, [member, row]; the logits become their sigmoids."""
    total = torch.clamp_min(logits, 0, out=scratch).sum(-1)
    logits.sigmoid_()
    larger = torch.maximum(logits, torch.sub(1, logits, out=scratch), out=scratch)
    return total.sub_(larger.unflatten(-1, (-1, _factors(logits.shape[-1]))).prod(-1).log_().sum(-1))


def _factors(d: int) -> int:
    """The most factors, at least 1/2 each, whose product float32 can hold, and into which d divides."""
    return next(factors for factors in range(min(d, _FACTORS), 0, -1) if d % factors == 0)
