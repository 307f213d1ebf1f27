"""How far each bound lies below log p(x) where that is known: a linear-Gaussian chain of scalars.

    z_n ~ N(0, 1)    z_l = 0.8 z_{l+1} + 0.6 ε    x = 0.8 z_1 + 0.6 ε

Every z_l and x are then N(0, 1), and the exact posterior is the chain reversed, z_l ~ N(0.8 z_{l-1}, 0.6²) from x on.
The proposals err in a stated way: the mean of each conditional is moved by `shift` of its standard deviation, which is
then made `spread` times as large. The nonfactorised one is the posterior but for that; the factorised one besides
ignores how the latents depend on each other: it errs from the exact q(z_l | x) = N(0.8^l x, 1 − 0.8^(2l)).
No gap depends on x: with the posterior's means subtracted, neither p(x, z) / p(x) nor q contains it.
"""

import math
from collections.abc import Sequence
from itertools import pairwise, product
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Float64
from torch import Generator, Tensor

from tmc_sweep.config import Objective
from tmc_sweep.errors import InputError
from tmc_sweep.objectives.densities import normal_log_prob, normal_log_prob_pairs
from tmc_sweep.registry import BOUNDS, loaded

Kind = Literal["nonfactorised", "factorised"]

KS = (1, 2, 5, 10, 20, 50)
X = 1.0
LOG_EVIDENCE = -0.5 * (X**2 + math.log(2 * math.pi))
SLOPE, STD = 0.8, 0.6
_PAIRS = 2**22  # of samples of two latents, at a time
_RANGES = {
    "latents": (1, 100),
    "draws": (2, 10**7),
    "seed": (0, 2**63 - 1),
    "shift": (-100.0, 100.0),
    "spread": (0.01, 100.0),
}


class Gap(NamedTuple):
    """log p(x) minus the mean of a bound over the draws, in nats."""

    proposal: Kind
    bound: Objective
    K: int
    gap: float
    standard_error: float  # of that mean


def gaps(
    latents: int = 5,
    draws: int = 2_000,
    seed: int = 0,
    *,
    shift: float = 0.5,
    spread: float = 1.2,
    ks: Sequence[int] = KS,
) -> list[Gap]:
    """The gap of each bound with each proposal and each K, on the same samples for the three bounds.

    InputError where a number is out of its range.
    """
    _check(latents=latents, draws=draws, seed=seed, shift=shift, spread=spread)
    return [
        Gap(proposal, name, k, below.mean().item(), below.std().item() / math.sqrt(draws))
        for proposal, k in product(get_args(Kind), ks)
        for name, below in _below(proposal, latents, draws, k, shift, spread, Generator().manual_seed(seed)).items()
    ]


def _below(
    proposal: Kind, latents: int, draws: int, k: int, shift: float, spread: float, random: Generator
) -> dict[Objective, Float64[Tensor, " draws"]]:
    """log p(x) minus each bound, draw by draw."""
    at_once = max(1, _PAIRS // (latents * k**2))
    found: dict[Objective, list[Tensor]] = {name: [] for name in BOUNDS}
    for start in range(0, draws, at_once):
        n = min(at_once, draws - start)
        noise = [torch.randn(n, k, 1, generator=random, dtype=torch.float64) for _ in range(latents)]
        factors = _factors(proposal, noise, shift, spread)
        for name, bound in BOUNDS.items():
            found[name].append(LOG_EVIDENCE - loaded(bound.function)(*factors))
    return {name: torch.cat(parts) for name, parts in found.items()}


def _factors(
    proposal: Kind, noise: Sequence[Float64[Tensor, "draws k 1"]], shift: float, spread: float
) -> tuple[list[Tensor], list[Tensor]]:
    """(log_p, log_q) of one sample per noise, in the layout of `tmc_sweep.objectives.bounds`."""
    x = torch.full((len(noise[0]), 1, 1), X, dtype=torch.float64)
    zs, log_q = [x], []
    for level, eps in enumerate(noise, 1):
        exact, exact_std = SLOPE * zs[-1], STD
        if proposal == "factorised":
            exact, exact_std = SLOPE**level * x, math.sqrt(1 - SLOPE ** (2 * level))
        mean, std = exact + shift * exact_std, torch.full_like(exact, spread * exact_std)
        zs.append(mean + std * eps)
        log_q.append(normal_log_prob_pairs(zs[-1], mean, std))
    log_p = [normal_log_prob_pairs(z, SLOPE * above, torch.full_like(above, STD)) for z, above in pairwise(zs)]
    of_top = normal_log_prob(zs[-1], torch.zeros_like(zs[-1]), torch.ones_like(zs[-1]))
    return [*log_p, of_top.unsqueeze(-2)], log_q


def _check(**given: int | float) -> None:
    for name, value in given.items():
        low, high = _RANGES[name]
        if not low <= value <= high:
            raise InputError(f"{name} must be a number from {low:g} to {high:g}, but got {value}")
