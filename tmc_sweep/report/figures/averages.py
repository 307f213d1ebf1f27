"""Curves averaged over seeds, and which part of the metric's axis shows them.

Objectives start far below where they end, and one bad cell may end far below all others. An axis that showed all would
show the interesting part as a line. `Limits.around` chooses the part that shows the bodies of the curves, and counts
what it leaves out, so that the caption can say it.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmc_sweep.records import Status
from tmc_sweep.report.tables import SweepTables

Array = NDArray[np.float64]

_BEGINNING = 0.1  # the part of the epochs that the axis need not show
# A curve's end is far below the others if it is more than 8 times a typical body's depth below the highest value, and
# more than a quarter of a typical whole curve's.
_FAR = 8, 0.25


@dataclass(frozen=True)
class Curve:
    """One cell's curve: the mean over its seeds in the epochs that all of them have with finite values."""

    epoch: Array
    mean: Array
    std: Array | None  # over seeds, ddof 1; None for one seed
    n_seeds: int
    diverged_epoch: int | None  # the first epoch in which a seed diverged
    stopped: bool = False  # whether a scheduler stopped the cell

    def after(self, epoch: float) -> Array:
        """The mean in the epochs after this one; that of the last epoch if there are none."""
        return self.mean[min(int(np.searchsorted(self.epoch, epoch, "right")), len(self.mean) - 1) :]


@dataclass(frozen=True)
class Limits:
    """The part of the metric's axis that shows the bodies of the curves."""

    low: float
    high: float
    cut_epoch: int  # the last epoch in which a curve, whose end is shown, lies below; 0 if none does
    n_below: int  # curves that lie below to their end

    @classmethod
    def around(cls, curves: Collection[Curve]) -> Self:
        """Limits that show every curve's end, and half of the curves whole from a tenth of the epochs on.

        Ends that are far below all others are left out. Curves that were stopped do not count if there are others.
        """
        curves = [curve for curve in curves if len(curve.epoch)]
        if not curves:
            return cls(0.0, 1.0, 0, 0)
        begun = _BEGINNING * max(curve.epoch[-1] for curve in curves)
        grown = [curve for curve in curves if curve.epoch[-1] > begun]
        grown = [curve for curve in grown if not curve.stopped] or grown
        bodies = [curve.after(begun) for curve in grown]
        high, typical = max(body.max() for body in bodies), float(np.median([body.min() for body in bodies]))
        lows = [curve.mean.min() for curve in curves]
        lowest = min(lows)
        far = max(_FAR[0] * (high - typical), _FAR[1] * (high - float(np.median(lows))))
        low = min([typical, *(body[-1] for body in bodies if high - body[-1] <= far)])
        if high - lowest < 1.5 * (high - low):
            low = lowest
        margin = 0.05 * (high - low) or 0.5
        low -= margin
        back = [curve for curve in curves if curve.mean[-1] >= low]
        cut_epoch = max((int(curve.epoch[curve.mean < low].max(initial=0)) for curve in back), default=0)
        return cls(low, high + margin, cut_epoch, len(curves) - len(back))


def foot(values: Sequence[float], times: int = _FAR[0]) -> float:
    """The least of these values, at least one, but for outliers.

    An outlier is more than `times` as far below the highest value as the median is.
    """
    high = max(values)
    far = times * (high - float(np.median(values))) or math.inf
    return min(value for value in values if high - value <= far)


def seed_averages(sweep: SweepTables) -> dict[str, Curve]:
    """The curve of the declared metric of each cell that has epochs, by cell_id."""
    diverged = sweep.trials[sweep.trials["status"] == Status.DIVERGED].groupby("cell_id")["epochs_done"].min()
    stopped = set(sweep.trials.loc[sweep.trials["status"] == Status.STOPPED, "cell_id"])
    return {
        str(cell_id): _average(rows, sweep.statistic.metric, diverged.get(cell_id), stopped=cell_id in stopped)
        for cell_id, rows in sweep.epochs.groupby("cell_id")
    }


def _average(rows: pd.DataFrame, metric: str, diverged_epoch: int | None, *, stopped: bool) -> Curve:
    seeds = rows.pivot(index="epoch", columns="trial_id", values=metric)
    values = seeds.to_numpy()
    whole = np.isfinite(values).all(axis=1)
    several = values.shape[1] > 1
    return Curve(
        seeds.index.to_numpy(np.float64)[whole],
        values[whole].mean(axis=1),
        values[whole].std(axis=1, ddof=1) if several else None,
        values.shape[1],
        diverged_epoch,
        stopped,
    )
