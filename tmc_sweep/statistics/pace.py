"""How long epochs took, and how long those that are left should take, for `plan` and for a running sweep alike.

An epoch lasts from the end of the one before it to its own end. In a pack it lasts as long for all members, and each of
n members is charged the n-th part, so that the seconds of all trials add up to those of the processes.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from tmc_sweep.paths import SweepPaths
from tmc_sweep.store.manifest import read_manifest
from tmc_sweep.store.parts import read_rows
from tmc_sweep.store.present import part_files

CONFIDENCE = 0.95
_BETWEEN_SECONDS = 0.1  # a pause between two epochs counts if it is at most this, beside half an epoch
_LEAST = 1e-9  # seconds: also an epoch of 0 s then has a logarithm
Job = Sequence[tuple[str, int]]  # a pack: (cell_id, epochs left) of each trial that one process trains


@dataclass
class Pace:
    """Seconds of a trial's epoch in one cell as measured so far, kept as sums over epochs."""

    epochs: int = 0
    seconds: float = 0.0
    logs: float = 0.0
    squared_logs: float = 0.0
    peak_memory_bytes: int = 0  # the most that a process held

    def add(self, seconds: float) -> None:
        """Count one more epoch that took this long."""
        self.epochs += 1
        self.seconds += seconds
        log = math.log(max(seconds, _LEAST))
        self.logs += log
        self.squared_logs += log**2

    @property
    def mean(self) -> float:
        """Mean seconds of an epoch; ZeroDivisionError if none is measured."""
        return self.seconds / self.epochs


class Paces(defaultdict[str, Pace]):
    """The paces of a sweep's cells, by cell_id."""

    def __init__(self) -> None:
        super().__init__(Pace)

    @property
    def of_all(self) -> Pace:
        """The pace of all epochs together, which a cell without one is taken to have."""
        return Pace(sum(pace.epochs for pace in self.values()), sum(pace.seconds for pace in self.values()))

    @property
    def factor(self) -> float | None:
        """The factor by which 95 % of single epochs are at most slower, or quicker, than the others of their cell.

        An estimate divided by it, and multiplied by it, gives an interval. That is as if all that is left were as
        quick, or as slow, as single epochs have been: what makes one epoch slow, such as a busy machine, makes the next
        one slow too. It comes from the spread of the seconds' logarithms within cells; None if no cell has two epochs.
        """
        freedom = sum(pace.epochs - 1 for pace in self.values())
        if not freedom:
            return None
        from scipy.special import stdtrit

        squares = sum(pace.squared_logs - pace.logs**2 / pace.epochs for pace in self.values())
        t: float = stdtrit(freedom, (1 + CONFIDENCE) / 2)
        return math.exp(t * math.sqrt(max(0.0, squares) / freedom))


class Estimate(NamedTuple):
    """What training the epochs that are left should take."""

    seconds: float  # of all processes together
    wall_seconds: float  # until the last job ends, jobs begun in their order on the slots
    unmeasured_epochs: int  # in cells of which nothing is known, taken to be as long as those of all others


def estimate(
    jobs: Iterable[Job], paces: Paces, slots: int, probed: Mapping[str, float] = MappingProxyType({})
) -> Estimate | None:
    """What these jobs should take on this many slots; None if something is left and nothing is measured.

    `probed` has seconds of an epoch by cell_id, measured in a few steps: they count for cells without a pace. A cell
    with neither is taken to be as the others.
    """
    left = [[(cell, epochs) for cell, epochs in job if epochs] for job in jobs]
    known = {**probed, **{cell: pace.mean for cell, pace in paces.items()}}
    if not known and any(left):
        return None
    others = paces.of_all.mean if paces else fmean(probed.values()) if probed else 0.0
    durations = [sum(known.get(cell, others) * epochs for cell, epochs in job) for job in left]
    unmeasured = sum(epochs for job in left for cell, epochs in job if cell not in known)
    return Estimate(sum(durations), _makespan(durations, slots), unmeasured)


def _makespan(durations: Iterable[float], slots: int) -> float:
    """Seconds until the last job ends, if each begins in its turn on the slot that is free first."""
    free = [0.0] * max(1, slots)
    for duration in durations:
        heapq.heapreplace(free, free[0] + duration)
    return max(free)


def lasted(epoch_seconds: npt.ArrayLike, since_last: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """How long epochs lasted in seconds, the pause before each included.

    `epoch_seconds` is their own time, and `since_last` the time from the last epoch's end to theirs, NaN if that is not
    known. A longer interruption, such as a machine asleep or another pack's turn, does not count.
    """
    own, since = np.asarray(epoch_seconds, np.float64), np.asarray(since_last, np.float64)
    return np.where((since > own) & (since < 1.5 * own + _BETWEEN_SECONDS), since, own)


def recorded_paces(paths: SweepPaths) -> Paces:
    """The pace of each cell, from the epochs of each trial's last attempt in the epoch table; none without a table."""
    names = ["trial_id", "cell_id", "epoch_seconds", "peak_memory_bytes", "attempt", "time"]
    parts = [read_rows(part, names) for part in part_files(paths)]
    paces = Paces()
    if not parts:
        return paces
    rows = pa.concat_tables(parts).unify_dictionaries().to_pandas()  # names stay dictionaries: there may be millions
    rows = rows[rows["attempt"] == _by_trial(rows)["attempt"].transform("max")]
    share = pd.Series(lasted(rows["epoch_seconds"], _since_last(rows)), rows.index) / _members(rows, paths)
    logs = np.log(share.clip(lower=_LEAST))
    summed = pd.DataFrame({"epochs": 1, "seconds": share, "logs": logs, "squared_logs": logs**2})
    of_cells = summed.groupby(rows["cell_id"], observed=True).sum()
    of_cells["peak_memory_bytes"] = rows.groupby("cell_id", observed=True)["peak_memory_bytes"].max()
    paces.update({cell: Pace(*of_cell) for cell, *of_cell in of_cells.itertuples()})
    return paces


def _since_last(rows: pd.DataFrame) -> "pd.Series[float]":
    """Seconds since the end of the trial's epoch before; NaN for its first.

    The rows are of one attempt at each trial, in the order of epochs, and none is missing between two.
    """
    since: pd.Series[float] = _by_trial(rows)["time"].diff().dt.total_seconds()
    return since


def _members(rows: pd.DataFrame, paths: SweepPaths) -> "pd.Series[int]":
    """How many trials trained together in each of these epochs: those of one pack that took the very same seconds."""
    manifest = read_manifest(paths)
    packs = [pack for pack in (manifest.packs if manifest else ()) if len(pack) > 1]
    pack = rows["trial_id"].map({trial_id: number for number, pack in enumerate(packs) for trial_id in pack})
    return rows["trial_id"].cat.codes.groupby([pack, rows["epoch_seconds"]]).transform("nunique").fillna(1)


def _by_trial(rows: pd.DataFrame) -> Any:
    return rows.groupby("trial_id", observed=True)
