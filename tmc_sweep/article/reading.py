"""Readings: a reading is one measured value, with where it was measured and how sure it is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tmc_sweep.statistics.inference import LEAST, Estimate, Ratio, mean_of
from tmc_sweep.statistics.paired import CONFIDENCE


@dataclass(frozen=True)
class Reading:
    """One measured value. Without an estimate of its error it decides nothing."""

    where: Mapping[str, Any]  # the fields that its trials share
    value: float | None  # None: `why` says so
    unit: str
    n: int  # how many seeds, or whatever `counted` says, it is the mean of
    estimate: Estimate | None = None  # None: `why` says so
    interval: str = ""  # what kind of interval it has, such as "95% over seeds"; "" without one
    epochs: tuple[int, int] | None = None  # the first and the last that count; None: any
    why: str = ""  # why there is no value, or no estimate
    counted: str = "seed"  # the noun for what `n` counts
    beside: int = 1  # for seconds: how many processes trained at once on the machine

    @property
    def low(self) -> float | None:
        """The lower end of the interval; None without an estimate."""
        return self.estimate.interval[0] if self.estimate else None

    @property
    def high(self) -> float | None:
        """The upper end of the interval; None without an estimate."""
        return self.estimate.interval[1] if self.estimate else None


def over_seeds(
    where: Mapping[str, Any],
    values: Sequence[float],
    unit: str,
    epochs: tuple[int, int] | None,
    why: str = "",
    known: float = 0.0,
) -> Reading:
    """A reading of the mean over seeds, one value each.

    `known` is a variance that all seeds share, added to that over seeds. With `why`, or a value that is not finite, the
    reading has no value.
    """
    n = len(values)
    why = why or ("" if np.isfinite(values).all() else "not finite")
    if why:
        return Reading(where, None, unit, n, epochs=epochs, why=why)
    mean, estimate = float(np.mean(values)), mean_of(values, known)
    also = " and test images" if known else ""
    interval = f"{CONFIDENCE:.0%} over seeds{also}" if estimate else ""
    return Reading(where, mean, unit, n, estimate, interval, epochs, too_few(n, "seed"))


def over_processes(where: Mapping[str, Any], ratios: Sequence[float], why: str, beside: int) -> Reading:
    """A reading of the geometric mean of ratios of seconds, one from each pair of processes.

    With `why`, it has a value, but no estimate, and decides nothing.
    """
    logarithms, n = np.log(ratios), len(ratios)
    why = why or too_few(n, "process pair")
    mean = None if why else mean_of(list(logarithms))
    return Reading(
        where,
        math.exp(float(np.mean(logarithms))),
        "times",
        n,
        Ratio(mean) if mean else None,
        f"{CONFIDENCE:.0%} over processes" if mean else "",
        why=why,
        counted="process pair",
        beside=beside,
    )


def too_few(n: int, counted: str) -> str:
    """Why `n` seeds, say, are too few to decide; "" if they are enough."""
    return "" if n >= LEAST else f"a verdict needs {LEAST} {counted}s"
