"""Log-probability factors for the tests of the bounds: random ones, and those of a linear-Gaussian chain."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributions import Normal

Factors = tuple[list[Tensor], list[Tensor]]


def random_factors(
    samples: Sequence[int],
    *,
    leading: tuple[int, ...] = (2,),
    factorised: bool = False,
    dtype: torch.dtype = torch.float64,
    scale: float = 2.0,
    seed: int = 0,
) -> Factors:
    """(log_p, log_q) of one latent per entry of `samples`, drawn from N(0, scale²), with gradients."""
    generator = torch.Generator().manual_seed(seed)

    def factor(parents: int, children: int) -> Tensor:
        shape = (*leading, parents, children)
        return (torch.randn(shape, generator=generator, dtype=dtype) * scale).requires_grad_()

    proposal_parents = [1, *([1] * (len(samples) - 1) if factorised else samples[:-1])]
    log_q = [factor(parents, children) for parents, children in zip(proposal_parents, samples, strict=True)]
    pairs = [factor(above, below) for below, above in itertools.pairwise(samples)]
    return [factor(samples[0], 1), *pairs, factor(1, samples[-1])], log_q


def normal(mean: Tensor | float, std: Tensor | float) -> Normal:
    return Normal(torch.as_tensor(mean, dtype=torch.float64), torch.as_tensor(std, dtype=torch.float64))


class Chain(NamedTuple):
    """z_n ~ N(0, 1), z_l = slope·z_{l+1} + std·ε, x = slope·z_1 + std·ε, all scalars."""

    n: int = 3
    slope: float = 0.8
    std: float = 0.7

    def variance(self, level: int) -> float:
        """Of z_level; level 0 is x."""
        return 1.0 if level == self.n else self.slope**2 * self.variance(level + 1) + self.std**2

    def log_evidence(self, x: Tensor) -> Tensor:
        return normal(0.0, math.sqrt(self.variance(0))).log_prob(x)

    def reversed_conditional(self, level: int, parent: Tensor) -> Normal:
        """p(z_level | z_{level-1}): what the exact posterior of the chain is made of."""
        below, own = self.variance(level - 1), self.variance(level)
        return normal(self.slope * own / below * parent, math.sqrt(own * self.std**2 / below))

    def factors(self, x: Tensor, k: int, *, seed: int, factorised: bool = False, wrong_by: float = 0.0) -> Factors:
        """Factors of samples of q, the exact reversed chain, each mean moved by wrong_by and each std grown by it."""
        generator = torch.Generator().manual_seed(seed)
        parent, zs, log_q = x.reshape(*x.shape, 1), [], []
        for level in range(1, self.n + 1):
            exact = self.reversed_conditional(level, parent)
            q = normal(exact.mean + wrong_by, exact.stddev * (1 + wrong_by))
            z = q.mean + q.stddev * torch.randn(*x.shape, k, generator=generator, dtype=x.dtype)
            log_q.append(normal(q.mean[..., None], q.stddev[..., None]).log_prob(z[..., None, :]))
            zs.append(z)
            parent = x.reshape(*x.shape, 1) if factorised else z
        log_p = [
            normal(self.slope * above[..., None], self.std).log_prob(below[..., None, :])
            for below, above in itertools.pairwise([x.reshape(*x.shape, 1), *zs])
        ]
        return [*log_p, normal(0.0, 1.0).log_prob(zs[-1])[..., None, :]], log_q
