"""Linear layers and conditionals of several trials (members of a pack) at once: every parameter leads with [member].

A batched matrix product gives each member the bits it would have alone, on CPU where widths are multiples of 4.
"""

import math
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import leaky_relu

Init = Literal["glorot_uniform", "torch"]

MIN_STD = 0.01
LEAKY_SLOPE = 0.1


class PackedLinear(nn.Module):
    """x @ weight + bias, one weight [n_in, n_out] and bias [n_out] per member; uninitialised until `initialise`.

    With `weight_norm`, weight = scale · direction / ‖direction‖ per output (Salimans and Kingma, 2016, Eq. 2).
    """

    def __init__(self, members: int, n_in: int, n_out: int, weight_norm: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(members, n_in, n_out))
        self.bias = nn.Parameter(torch.empty(members, 1, n_out))
        self.scale = nn.Parameter(torch.empty(members, 1, n_out)) if weight_norm else None

    @torch.no_grad()
    def initialise(self, member: int, init: Init, generator: Generator) -> None:
        """Draw one member's values: Glorot-uniform weights and no bias, or torch's default for nn.Linear."""
        weight, bias = self.weight[member], self.bias[member]
        n_in, n_out = weight.shape
        if init == "glorot_uniform":
            bound = math.sqrt(6 / (n_in + n_out))
            weight.uniform_(-bound, bound, generator=generator)
            bias.zero_()
        else:
            bound = 1 / math.sqrt(n_in)
            weight.uniform_(-bound, bound, generator=generator)
            bias.uniform_(-bound, bound, generator=generator)
        if self.scale is not None:
            self.scale[member] = weight.norm(dim=0, keepdim=True)

    def affine(self) -> tuple[Float[Tensor, "member n_in n_out"], Float[Tensor, "member 1 n_out"]]:
        """The matrix and the bias that are applied."""
        if self.scale is None:
            return self.weight, self.bias
        return self.weight * (self.scale / self.weight.norm(dim=-2, keepdim=True)), self.bias

    def forward(self, x: Float[Tensor, "member batch k n_in"]) -> Float[Tensor, "member batch k n_out"]:
        """Each member's linear map of its own rows."""
        weight, bias = self.affine()
        rows = x.reshape(x.shape[0], -1, x.shape[-1])
        return torch.baddbmm(bias, rows, weight).view(*x.shape[:-1], weight.shape[-1])


class Conditional(nn.Module):
    """Two hidden layers of leaky ReLUs, then one linear head per requested width (article, section 4.2)."""

    def __init__(self, members: int, n_in: int, hidden: int, heads: tuple[int, ...], weight_norm: bool) -> None:
        super().__init__()
        self.first = PackedLinear(members, n_in, hidden, weight_norm)
        self.second = PackedLinear(members, hidden, hidden, weight_norm)
        self.heads = nn.ModuleList(PackedLinear(members, hidden, width, weight_norm) for width in heads)

    def hidden(self, x: Float[Tensor, "member batch k n_in"]) -> Float[Tensor, "member batch k width"]:
        """The second hidden layer, which the heads read."""
        first: Tensor = leaky_relu(self.first(x), LEAKY_SLOPE, inplace=True)
        second: Tensor = leaky_relu(self.second(first), LEAKY_SLOPE, inplace=True)
        return second

    def forward(self, x: Float[Tensor, "member batch k n_in"]) -> list[Tensor]:
        """One output per head."""
        hidden = self.hidden(x)
        return [head(hidden) for head in self.heads]


def positive_std(raw: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """0.01 + softplus(raw), of exp and log1p: torch's softplus gives a tensor's last entries other bits."""
    std: Tensor = _PositiveStd.apply(raw)
    return std


class _PositiveStd(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, raw: Tensor) -> Tensor:
        ctx.save_for_backward(raw)
        return raw.abs().neg_().exp_().log1p_().add_(raw.clamp_min(0)).add_(MIN_STD)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        raw: Tensor = ctx.saved_tensors[0]
        return gradient / raw.neg().exp_().add_(1)
