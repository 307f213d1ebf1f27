"""DReGs, the doubly reparameterised gradient of IWAE (Tucker et al., ICLR 2019) and of factorised TMC.

For q's weights φ, IWAE's is Σ_k ŵ_k² ∂log w_k/∂z_k ∂z_k/∂φ with ŵ = softmax(log w): what reaches a sample when log q's
own weights are stopped, ŵ_k ∂log w_k/∂z_k, times ŵ_k once more. For factorised TMC sample j of latent l is weighed by
its marginal weight, the share of the combinations with it in the sum over all. Both weights are −∂bound/∂log q(z_l^j),
so the backward pass that brings one factor brings the other, and p's weights keep their plain gradient.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable


def weighed_sample(
    z: Float[Tensor, "*batch k d"],
) -> tuple[Float[Tensor, "*batch k d"], Float[Tensor, "*batch 1 k"]]:
    """The samples, for all factors to use, and zeros to add to their log q, laid out [..., 1, K] as it is.

    On its way back through them each sample's gradient is multiplied by its weight, which the gradient at the zeros
    tells: up to a factor that all share, and the weights of a latent's samples sum to 1.
    """
    samples, zeros = _WeighedSample.apply(z)
    return samples, zeros


class _WeighedSample(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor) -> tuple[Tensor, Tensor]:
        return z.view_as(z), z.new_zeros(*z.shape[:-2], 1, z.shape[-2])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_z: Tensor, by_log_q: Tensor) -> Tensor:
        total = by_log_q.sum(-1, keepdim=True)
        weights = by_log_q / total.masked_fill(total == 0, 1.0)
        return by_z * weights.mT
