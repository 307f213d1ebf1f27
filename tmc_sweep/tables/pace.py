"""How long epochs took, and how long those that are left should take; the same for a plan and for a sweep that runs.

Seconds are those of training processes: an epoch of a pack counts for each of its members by their number, so that
what trials take adds up to what their processes take.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd
from scipy.special import stdtrit

from tmc_sweep.paths import SweepPaths
from tmc_sweep.tables.manifest import read_manifest
from tmc_sweep.tables.read import part_files, read_columns

CONFIDENCE = 0.95
Job = Sequence[tuple[str, int]]  # trials that one process trains: the cell of each, and its epochs left


@dataclass
class Pace:
    """Seconds of a trial's epoch as measured so far."""

    epochs: int = 0
    seconds: float = 0.0
    squares: float = 0.0  # sum of the squared seconds

    def add(self, seconds: float) -> None:
        """Count one more epoch."""
        self.epochs += 1
        self.seconds += seconds
        self.squares += seconds * seconds

    @property
    def mean(self) -> float:
        """Mean seconds of an epoch."""
        return self.seconds / self.epochs

    @property
    def half_width(self) -> float | None:
        """Half of the interval in which a single epoch lies (95 %, Student's t); None for one epoch alone."""
        if self.epochs < 2:
            return None
        variance = max(0.0, self.squares - self.seconds * self.mean) / (self.epochs - 1)
        t: float = stdtrit(self.epochs - 1, (1 + CONFIDENCE) / 2)
        return t * math.sqrt(variance * (1 + 1 / self.epochs))


class Paces(defaultdict[str, Pace]):
    """By cell."""

    def __init__(self) -> None:
        super().__init__(Pace)

    @property
    def of_all(self) -> Pace:
        """Of all epochs together: what a cell not yet measured is taken to be, its spread included."""
        cells = self.values()
        return Pace(*(sum(getattr(cell, name) for cell in cells) for name in ("epochs", "seconds", "squares")))


class Estimate(NamedTuple):
    """What training the epochs that are left should take, in seconds.

    The interval is as if all of them were as quick, or as slow, as single ones have been (95 %): what makes one epoch
    slow, such as a busy machine, makes the next one slow too. None where a pace is known from one epoch alone.
    """

    seconds: float  # of all processes together
    wall_seconds: float  # on so many slots, jobs begun in their order
    spread: float | None  # half of the interval of either, as a part of it
    unmeasured_epochs: int  # of cells without a pace, taken to be as those of all others


def estimate(jobs: Iterable[Job], paces: Paces, slots: int) -> Estimate | None:
    """What these jobs should take on so many slots; None if something is left and no epoch is measured."""
    jobs = [[(cell, epochs) for cell, epochs in job if epochs] for job in jobs]
    left: defaultdict[str, int] = defaultdict(int)
    for cell, epochs in (trial for job in jobs for trial in job):
        left[cell] += epochs
    others = paces.of_all
    if left and not others.epochs:
        return None
    pace = {cell: paces.get(cell, others) for cell in left}
    means = {cell: measured.mean for cell, measured in pace.items()}
    seconds = sum(means[cell] * epochs for cell, epochs in left.items())
    widths = [(pace[cell].half_width, epochs) for cell, epochs in left.items()]
    known = [width * epochs for width, epochs in widths if width is not None]
    return Estimate(
        seconds,
        _makespan([sum(means[cell] * epochs for cell, epochs in job) for job in jobs], slots),
        (sum(known) / seconds if seconds else 0.0) if len(known) == len(widths) else None,
        sum(epochs for cell, epochs in left.items() if cell not in paces),
    )


def _makespan(durations: Iterable[float], slots: int) -> float:
    """When the last job ends, if each begins in its turn on the slot that is free first."""
    free = [0.0] * max(1, slots)
    for duration in durations:
        heapq.heapreplace(free, free[0] + duration)
    return max(free)


def measured(paths: SweepPaths) -> Paces:
    """The pace of each cell by the sweep's epoch table, from the last attempt of each trial; none without a table."""
    names = ["trial_id", "cell_id", "epoch_seconds", "attempt"]
    frames = [
        read_columns(part, names).to_pandas().astype({"trial_id": str, "cell_id": str}) for part in part_files(paths)
    ]
    paces = Paces()
    if not frames:
        return paces
    rows = pd.concat(frames, ignore_index=True)
    rows = rows[rows["attempt"] == rows.groupby("trial_id")["attempt"].transform("max")]
    share = rows["epoch_seconds"] / _members(rows, paths)
    sums = pd.DataFrame({"epochs": share, "seconds": share, "squares": share**2}).groupby(rows["cell_id"])
    for cell, epochs, seconds, squares in sums.agg({"epochs": "size", "seconds": "sum", "squares": "sum"}).itertuples():
        paces[cell] = Pace(epochs, seconds, squares)
    return paces


def _members(rows: pd.DataFrame, paths: SweepPaths) -> "pd.Series[int]":
    """How many trials were trained in each of these epochs: of one pack on record, those with the very same seconds."""
    manifest = read_manifest(paths)
    pack_of = {trial_id: pack[0] for pack in (manifest.packs if manifest else ()) for trial_id in pack}
    pack = pd.Series([pack_of.get(trial_id, trial_id) for trial_id in rows["trial_id"]], rows.index)
    return rows["trial_id"].groupby([pack, rows["epoch_seconds"]]).transform("nunique")
