"""A reading: one measured value, where it was measured, and how sure it is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tmc_sweep.statistics.inference import LEAST, Estimate, Ratio, mean_of
from tmc_sweep.statistics.paired import CONFIDENCE


@dataclass(frozen=True)
class Reading:
    """One measured value; without an estimate of its error it decides nothing."""

    where: Mapping[str, Any]  # the fields that its trials share
    value: float | None  # None: `why`
    unit: str
    n: int  # what it is the mean of
    estimate: Estimate | None = None  # None: `why`
    interval: str = ""  # what its interval is
    epochs: tuple[int, int] | None = None  # first and last that count
    why: str = ""  # no value or no estimate
    counted: str = "seed"  # what `n` counts
    beside: int = 1  # processes that trained at once on the machine, where seconds are measured

    @property
    def low(self) -> float | None:
        """The interval's lower end."""
        return self.estimate.interval[0] if self.estimate else None

    @property
    def high(self) -> float | None:
        """Its upper end."""
        return self.estimate.interval[1] if self.estimate else None


def over_seeds(
    where: Mapping[str, Any],
    values: Sequence[float],
    unit: str,
    epochs: tuple[int, int] | None,
    why: str = "",
    known: float = 0.0,
) -> Reading:
    """The mean over seeds; `known` is a variance besides that seeds share."""
    n = len(values)
    why = why or ("" if np.isfinite(values).all() else "not finite")
    if why:
        return Reading(where, None, unit, n, epochs=epochs, why=why)
    mean, estimate = float(np.mean(values)), mean_of(values, known)
    also = " and test images" if known else ""
    interval = f"{CONFIDENCE:.0%} over seeds{also}" if estimate else ""
    return Reading(where, mean, unit, n, estimate, interval, epochs, too_few(n, "seed"))


def over_processes(where: Mapping[str, Any], ratios: Sequence[float], why: str, beside: int) -> Reading:
    """The geometric mean of ratios of seconds, one of each round of processes; `why` it decides nothing, if so."""
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
    """Why so many decide nothing; empty if they may."""
    return "" if n >= LEAST else f"a verdict needs {LEAST} {counted}s"
