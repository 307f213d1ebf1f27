"""Matrix products of all members, [member, row, n_in] by [member, n_in, n_out], by whoever is quickest here.

torch hands float32 products to MKL, which on an AMD processor runs its AVX2 code whatever the processor has. oneDNN,
which torch ships, uses AVX-512 there (2.2 times as quick on Zen 5, level on Zen 4, whose units are half as wide), and
adds bias and leaky ReLU before a product leaves the cache. torch reaches it by a private operator alone, which is
called here and nowhere else; torch's own products are its twin, on other processors, on a GPU, in float64, where a
product is too small to pay, and for torch's compiler, which refuses it.

Which it is follows from what the processor is, never from a stopwatch, so that bits do not change from run to run.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import leaky_relu_

LEAKY_SLOPE = 0.1
_PAYS = 2**22  # multiplications of one member's product

Maker = Literal["oneDNN", "torch"]


def _has_amds_avx512() -> bool:
    """Whether this is an AMD processor on which torch uses AVX-512."""
    try:
        cores = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:  # no Linux
        return False
    return "AuthenticAMD" in cores and torch.backends.cpu.get_cpu_capability() == "AVX512"


_ONEDNN = _has_amds_avx512() and torch.backends.mkldnn.is_available()


def maker(device: str) -> Maker:
    """Who makes large products in float32 on torch's `device`."""
    return "oneDNN" if _ONEDNN and device == "cpu" else "torch"


def affine(
    rows: Float[Tensor, "member n n_in"],
    weight: Float[Tensor, "member n_in n_out"],
    bias: Float[Tensor, "member 1 n_out"],
    leaky: bool = False,
) -> Float[Tensor, "member n n_out"]:
    """rows @ weight + bias, through a leaky ReLU if so asked."""
    if _is_onednns(rows, weight.shape[-1]):
        form = ("leaky_relu", [LEAKY_SLOPE]) if leaky else ("none", [])
        return _each(lambda x, w, b: _product(x, w.t(), b[0], *form), rows, weight, bias)
    out = torch.baddbmm(bias, rows, weight)
    return leaky_relu_(out, LEAKY_SLOPE) if leaky else out


def by_rows(
    gradient: Float[Tensor, "member n n_out"], weight: Float[Tensor, "member n_in n_out"]
) -> Float[Tensor, "member n n_in"]:
    """gradient @ weightᵀ: the gradient by the rows of a product with this weight."""
    if _is_onednns(gradient, weight.shape[-2]):
        return _each(lambda g, w: _product(g, w, None, "none", []), gradient, weight)
    return gradient @ weight.mT


def by_weight(
    rows: Float[Tensor, "member n n_in"], gradient: Float[Tensor, "member n n_out"]
) -> Float[Tensor, "member n_in n_out"]:
    """rowsᵀ @ gradient: the gradient by the weight of a product with these rows."""
    if not _is_onednns(rows, gradient.shape[-1]):
        return rows.mT @ gradient
    if rows.shape[-1] > gradient.shape[-1]:  # oneDNN is quicker where the result is wide
        return _each(lambda x, g: _product(g.t(), x.t(), None, "none", []), rows, gradient).mT
    return _each(lambda x, g: _product(x.t(), g.t(), None, "none", []), rows, gradient)


def _is_onednns(rows: Tensor, columns: int) -> bool:
    pays = rows.shape[1] * rows.shape[2] * columns >= _PAYS
    here = rows.dtype == torch.float32 and rows.device.type == "cpu" and not torch.compiler.is_compiling()
    return _ONEDNN and pays and here


def _product(rows: Tensor, weight: Tensor, bias: Tensor | None, form: str, numbers: list[float]) -> Tensor:
    """rows @ weightᵀ + bias."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, form, numbers, "")
    return product


def _each(of_member: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """What each member's matrices give, each by a call of its own, as it would alone."""
    results = [of_member(*matrices) for matrices in zip(*tensors, strict=True)]
    return results[0].unsqueeze(0) if len(results) == 1 else torch.stack(results)
