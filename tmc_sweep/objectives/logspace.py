"""Means of exponentials whose logarithms span thousands of nats.

Departure from the article's Appendix A: it subtracts the maximum of each factor of the product, which returns −inf as
soon as the two maxima lie on different indices more than about 104 nats (float32) apart. We subtract one joint maximum
per output entry, which stays finite at any scale; float64 is not needed.
"""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable


def logmeanexp(x: Float[Tensor, "..."], dim: int) -> Float[Tensor, "..."]:
    """log(mean(exp(x), dim)), which overflows in float32 beyond 88 nats; this form does not.

    Where every term is −inf the result is −inf and its gradient 0 (torch.logsumexp gives NaN gradients there).
    """
    mean: Tensor = _LogMeanExp.apply(x, dim)
    return mean


class _LogMeanExp(torch.autograd.Function):
    """Written out, because the exponentials of the value are the weights of the gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dim: int) -> Tensor:
        largest = x.amax(dim, keepdim=True)
        largest.masked_fill_(largest.isinf(), 0.0)
        terms = (x - largest).exp_()
        total = terms.sum(dim, keepdim=True)
        ctx.dim = dim
        ctx.save_for_backward(terms, total)
        return total.log().add_(largest).squeeze(dim) - math.log(x.shape[dim])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        terms, total = ctx.saved_tensors  # at least 1, the largest term's own, unless all are 0
        return terms * (gradient.unsqueeze(ctx.dim) / total.clamp_min(1)), None


def log_mean_matmul_exp(
    a: Float[Tensor, "*#batch i j"], b: Float[Tensor, "*#batch j k"]
) -> Float[Tensor, "*batch i k"]:
    """log(exp(a) @ exp(b) / J): the matrix product of the article's Appendix A, as a mean over the J shared indices."""
    return logmeanexp(a.unsqueeze(-1) + b.unsqueeze(-3), dim=-2)
