"""What measured values say about the true value: confidence intervals and p-values.

Three kinds of estimate share one interface, `Estimate`: a `Mean`, a `Ratio`, and a `Share` of units in which something
was seen. A *unit* is what was repeated independently: a seed, or a process.

A *chance* is a one-sided p-value. `estimate.above(b)` is the chance of a value at least as high as the measured one if
the true value is b, so a small chance shows that the true value lies above b; `below` likewise. Intervals are of 95 %,
with 2.5 % on each side. The two agree: the interval lies above b exactly if `above(b)` is less than CHANCE, 2.5 %.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import bdtr, bdtrc, betaincinv, stdtr, stdtrit

from tmc_sweep.statistics.paired import CONFIDENCE

CHANCE = (1 - CONFIDENCE) / 2  # the chance of being false that a verdict may have, in either direction
LEAST = 3  # units: of fewer there is no estimate


class Estimate(Protocol):
    """A measured value with what is known of its error."""

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval, low and high."""

    def above(self, bound: float) -> float:
        """The chance, at most, of a value as high as the measured one if the true value is not above the bound."""

    def below(self, bound: float) -> float:
        """The chance, at most, of a value as low as the measured one if the true value is not below the bound."""


@dataclass(frozen=True)
class Mean:
    """A mean whose error is distributed by Student's t; one with error 0 is known exactly."""

    value: float
    error: float  # standard error
    freedom: float  # degrees of freedom

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of Student's t, low and high."""
        half = float(stdtrit(self.freedom, 1 - CHANCE)) * self.error if self.error else 0.0
        return self.value - half, self.value + half

    def above(self, bound: float) -> float:
        """The p-value of a one-sided t-test against "at most the bound"."""
        return self._tail(bound - self.value)

    def below(self, bound: float) -> float:
        """The p-value of a one-sided t-test against "at least the bound"."""
        return self._tail(self.value - bound)

    def _tail(self, distance: float) -> float:
        if not self.error:
            return float(distance >= 0)
        return float(stdtr(self.freedom, distance / self.error))


@dataclass(frozen=True)
class Ratio:
    """A ratio, such as one of seconds, whose logarithm is a mean over units; bounds must be positive."""

    logarithm: Mean

    @property
    def interval(self) -> tuple[float, float]:
        """The interval of the logarithm, as ratios."""
        low, high = self.logarithm.interval
        return math.exp(low), math.exp(high)

    def above(self, bound: float) -> float:
        """The p-value of the logarithm against that of the bound."""
        return self.logarithm.above(math.log(bound))

    def below(self, bound: float) -> float:
        """The p-value of the logarithm against that of the bound."""
        return self.logarithm.below(math.log(bound))


@dataclass(frozen=True)
class Share:
    """How often something happens, by the binomial distribution of the units in which it was seen.

    While units are unfinished, their number lies between two: it was seen in `least` so far, and may be in `most`.
    """

    least: int
    most: int
    n: int  # units

    @property
    def interval(self) -> tuple[float, float]:
        """The interval of Clopper and Pearson: its lower end for `least`, its upper end for `most`."""
        low = float(betaincinv(self.least, self.n - self.least + 1, CHANCE)) if self.least else 0.0
        high = float(betaincinv(self.most + 1, self.n - self.most, 1 - CHANCE)) if self.most < self.n else 1.0
        return low, high

    def above(self, bound: float) -> float:
        """The chance of seeing it in at least `least` units if it happens as often as the bound, a share."""
        return float(bdtrc(self.least - 1, self.n, bound)) if self.least else 1.0

    def below(self, bound: float) -> float:
        """The chance of seeing it in at most `most` units if it happens as often as the bound, a share."""
        return float(bdtr(self.most, self.n, bound))


def mean_of(values: Sequence[float], known: float = 0.0) -> Mean | None:
    """The mean over units, one value each; None if there are fewer than LEAST.

    `known` is a variance that all units share, and that more units would not lower: that of a finite set of test
    images. It is added to the variance over units; the degrees of freedom are then Welch and Satterthwaite's.
    """
    n = len(values)
    if n < LEAST:
        return None
    of_units = float(np.var(values, ddof=1)) / n
    variance = of_units + known
    freedom = (n - 1) * (variance / of_units) ** 2 if of_units else math.inf
    return Mean(float(np.mean(values)), math.sqrt(variance), freedom)


def of_proportion(share: float, n: int) -> float:
    """The variance of a share of `n` images, by the binomial distribution.

    One image more of either kind is counted, so that a share of 0 or 1 has a variance too.
    """
    estimate = (share * n + 1) / (n + 2)
    return estimate * (1 - estimate) / n


def holm(chances: Sequence[float], chance: float = CHANCE) -> list[bool]:
    """Whether each of several hypotheses, given by their p-values, is rejected.

    By Holm's method (1979): the chance of rejecting any true one, however many there are, is at most `chance`.
    """
    rejected = [False] * len(chances)
    for tried, position in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        if chances[position] > chance / (len(chances) - tried):
            break
        rejected[position] = True
    return rejected
