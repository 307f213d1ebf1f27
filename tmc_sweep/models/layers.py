"""Linear layers and conditionals of several trials (members of a pack) at once: every parameter leads with [member].

Each member has the bits that it would have alone, on CPU where widths are multiples of 4.
"""

import math
from collections.abc import Iterable
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.autograd.function import once_differentiable

from tmc_sweep.products import LEAKY_SLOPE, affine, by_rows, by_weight

Init = Literal["glorot_uniform", "torch"]

MIN_STD = 0.01


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
        out: tuple[Tensor] = _Layers.apply(x, 0, *self.affine())
        return out[0]


class Conditional(nn.Module):
    """Two hidden layers of leaky ReLUs, then one linear head per requested width (article, section 4.2)."""

    def __init__(self, members: int, n_in: int, hidden: int, heads: tuple[int, ...], weight_norm: bool) -> None:
        super().__init__()
        self.first = PackedLinear(members, n_in, hidden, weight_norm)
        self.second = PackedLinear(members, hidden, hidden, weight_norm)
        self.heads = nn.ModuleList(PackedLinear(members, hidden, width, weight_norm) for width in heads)

    def hidden(self, x: Float[Tensor, "member batch k n_in"]) -> Float[Tensor, "member batch k width"]:
        """The second hidden layer, which the heads read."""
        (second,) = self._outputs(x, ())
        return second

    def forward(self, x: Float[Tensor, "member batch k n_in"]) -> list[Tensor]:
        """One output per head."""
        return self._outputs(x, cast(Iterable[PackedLinear], self.heads))

    def _outputs(self, x: Tensor, heads: Iterable[PackedLinear]) -> list[Tensor]:
        layers = (self.first, self.second, *heads)
        return list(_Layers.apply(x, 2, *(tensor for layer in layers for tensor in layer.affine())))


class _Layers(torch.autograd.Function):
    """Hidden layers of leaky ReLUs, one above the other, and heads on the last; without heads the last itself.

    Written out, because autograd would keep views of all, and add up in new tensors what reaches the last layer.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, n_hidden: int, *affines: Tensor) -> tuple[Tensor, ...]:
        pairs = list(zip(affines[::2], affines[1::2], strict=True))
        layers = [x.reshape(x.shape[0], -1, x.shape[-1])]
        for weight, bias in pairs[:n_hidden]:
            layers.append(affine(layers[-1], weight, bias, leaky=True))
        outputs = [affine(layers[-1], weight, bias) for weight, bias in pairs[n_hidden:]]
        ctx.n_hidden, ctx.shape = n_hidden, x.shape
        ctx.save_for_backward(*layers, *affines[::2])
        return tuple(output.view(*x.shape[:-1], output.shape[-1]) for output in outputs or layers[-1:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        n, needs = ctx.n_hidden, ctx.needs_input_grad
        layers, weights = ctx.saved_tensors[: n + 1], ctx.saved_tensors[n + 1 :]
        by_affines: list[Tensor | None] = [None] * (2 * len(weights))

        def through(index: int, below: int, gradient: Tensor) -> Tensor | None:
            """The gradient by the layer below; that by weight and bias is kept."""
            if needs[2 + 2 * index]:
                by_affines[2 * index] = by_weight(layers[below], gradient)
                by_affines[2 * index + 1] = gradient.sum(1, keepdim=True)
            return by_rows(gradient, weights[index]) if below or needs[0] else None

        parts: list[Any] = [gradient.flatten(1, 2) for gradient in gradients]
        if n < len(weights):
            parts = [through(n + head, n, gradient) for head, gradient in enumerate(parts)]
        by_layer = parts[0]
        for part in parts[1:]:
            by_layer += part
        for index in reversed(range(n)):
            by_sum = torch.ops.aten.leaky_relu_backward(by_layer, layers[index + 1], LEAKY_SLOPE, True)
            by_layer = through(index, index, by_sum)
        return None if by_layer is None else by_layer.view(ctx.shape), None, *by_affines


def positive_std(raw: Float[Tensor, "member ..."]) -> Float[Tensor, "member ..."]:
    """0.01 + softplus(raw), without log1p and softplus, which torch has no vector code for.

    softplus(r) = max(r, 0) + log(1 + e) with e = exp(−|r|). What e loses when 1 is added to it, 6e-8 at most, is added
    to the logarithm: a std at its floor would feel it.
    """
    std: Tensor = _PositiveStd.apply(raw)
    return std


class _PositiveStd(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, raw: Tensor) -> Tensor:
        ctx.save_for_backward(raw)
        e = raw.abs().neg_().exp_()
        sum_ = e + 1
        lost = e.sub_(sum_ - 1)
        return sum_.log_().add_(lost).add_(raw.clamp_min(0)).add_(MIN_STD)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """σ(raw), member by member: of a tensor's last entries, those beyond its whole vectors, it has other bits."""
        raw: Tensor = ctx.saved_tensors[0].clone()
        for member in raw:
            member.sigmoid_()
        return raw.mul_(gradient)
