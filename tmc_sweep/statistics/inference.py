"""What measured values say about the true one: intervals, and the chance of values so far out.

A *unit* is what was repeated independently, a seed or a process. A *chance* is a p-value: of a value at least so high
(`above`) or so low (`below`) where the true one is at the bound. Intervals are of 95 %, 2.5 % on each side, and with
`CHANCE` of 2.5 % the two agree: the chance of a value above a bound is less exactly if the interval lies above it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import bdtr, bdtrc, betaincinv, stdtr, stdtrit

from tmc_sweep.statistics.paired import CONFIDENCE

CHANCE = (1 - CONFIDENCE) / 2  # what a verdict may have of being false, in either direction
LEAST = 3  # units, below which nothing is decided


class Estimate(Protocol):
    """A measured value with what is known of its error."""

    @property
    def interval(self) -> tuple[float, float]:
        """Of 95 %."""

    def above(self, bound: float) -> float:
        """The chance of so high a value where the true one is no higher than the bound."""

    def below(self, bound: float) -> float:
        """The chance of so low a value where the true one is no lower than the bound."""


@dataclass(frozen=True)
class Mean:
    """A mean by Student's t; without an error it is known exactly."""

    value: float
    error: float  # standard error
    freedom: float  # degrees of it

    @property
    def interval(self) -> tuple[float, float]:
        """Of Student's t."""
        half = float(stdtrit(self.freedom, 1 - CHANCE)) * self.error if self.error else 0.0
        return self.value - half, self.value + half

    def above(self, bound: float) -> float:
        """By Student's t."""
        return self._tail(bound - self.value)

    def below(self, bound: float) -> float:
        """By Student's t."""
        return self._tail(self.value - bound)

    def _tail(self, distance: float) -> float:
        if not self.error:
            return float(distance >= 0)
        return float(stdtr(self.freedom, distance / self.error))


@dataclass(frozen=True)
class Ratio:
    """A ratio whose logarithm is a mean."""

    logarithm: Mean

    @property
    def interval(self) -> tuple[float, float]:
        """That of the logarithm."""
        low, high = self.logarithm.interval
        return math.exp(low), math.exp(high)

    def above(self, bound: float) -> float:
        """That of the logarithm."""
        return self.logarithm.above(math.log(bound))

    def below(self, bound: float) -> float:
        """That of the logarithm."""
        return self.logarithm.below(math.log(bound))


@dataclass(frozen=True)
class Share:
    """How likely something is that was seen in at least `least` and at most `most` of `n` units, by the binomial."""

    least: int
    most: int
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        """Clopper and Pearson's, of what is seen now to what may yet be seen."""
        low = float(betaincinv(self.least, self.n - self.least + 1, CHANCE)) if self.least else 0.0
        high = float(betaincinv(self.most + 1, self.n - self.most, 1 - CHANCE)) if self.most < self.n else 1.0
        return low, high

    def above(self, bound: float) -> float:
        """Of seeing it so often."""
        return float(bdtrc(self.least - 1, self.n, bound)) if self.least else 1.0

    def below(self, bound: float) -> float:
        """Of seeing it so rarely."""
        return float(bdtr(self.most, self.n, bound))


def mean_of(values: Sequence[float], known: float = 0.0) -> Mean | None:
    """The mean over units, with a variance `known` besides that more units do not lower; None of fewer than LEAST.

    Degrees of freedom are Welch and Satterthwaite's: those of the values where nothing is known besides.
    """
    n = len(values)
    if n < LEAST:
        return None
    of_units = float(np.var(values, ddof=1)) / n
    variance = of_units + known
    freedom = (n - 1) * (variance / of_units) ** 2 if of_units else math.inf
    return Mean(float(np.mean(values)), math.sqrt(variance), freedom)


def of_proportion(share: float, n: int) -> float:
    """The variance of a share of `n` images, by the binomial; one more of each kind keeps it from being nothing."""
    estimate = (share * n + 1) / (n + 2)
    return estimate * (1 - estimate) / n


def holm(chances: Sequence[float], chance: float = CHANCE) -> list[bool]:
    """Which of several hypotheses are rejected, so that any true one is with at most `chance` (Holm 1979)."""
    rejected = [False] * len(chances)
    for tried, position in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        if chances[position] > chance / (len(chances) - tried):
            break
        rejected[position] = True
    return rejected
