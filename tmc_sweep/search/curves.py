"""Curves: one metric of every trial, epoch by epoch, as far as it is on record. Choices between cells are made of them.

The writer's thread adds rows while the main thread may be reading.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from tmc_sweep.config import TrialConfig
from tmc_sweep.records import EpochRecord


class Outcome(NamedTuple):
    """What became of a cell."""

    value: float | None  # its statistic, or its value at the epoch where it was stopped; None: it diverged or failed
    stopped_at: int | None = None  # that epoch


class Curves:
    """The curves of a sweep's trials, and of its cells: a cell is as far as all of its seeds that did not diverge."""

    def __init__(self, metric: str, stored: Mapping[str, Sequence[float]], diverged: Iterable[str] = ()) -> None:
        """Curves of what is on record.

        `stored` has the metric of epochs 1, 2, … by trial_id, and `diverged` the trial_ids of those that diverged.
        """
        self._metric = metric
        self._curves = {name: list(curve) for name, curve in stored.items()}
        self._diverged = set(diverged)
        self._cells: Mapping[str, Sequence[TrialConfig]] = {}  # replaced, never changed: a thread may be reading it

    def add(self, configs: Iterable[TrialConfig]) -> None:
        """Let these trials count in their cells, whether they have epochs or not."""
        cells = dict(self._cells)
        for config in configs:
            cells[config.cell_id] = tuple(dict.fromkeys((*cells.get(config.cell_id, ()), config)))
            self._curves.setdefault(config.trial_id, [])
        self._cells = cells

    def take(self, records: Sequence[EpochRecord]) -> None:
        """Add rows that were recorded of one trial; epochs that are here already are passed over."""
        for record in records:
            curve = self._curves[record.trial_id]
            if record.epoch > len(curve):
                curve.append(getattr(record, self._metric))
            if record.diverged:
                self._diverged.add(record.trial_id)

    @property
    def cells(self) -> Mapping[str, Sequence[TrialConfig]]:
        """The trials of each cell, by cell_id."""
        return self._cells

    def reached(self, cell: str) -> int:
        """The last epoch that all seeds of the cell have that did not diverge; 0 if all diverged."""
        going = [config.trial_id for config in self._cells[cell] if config.trial_id not in self._diverged]
        return min((len(self._curves[name]) for name in going), default=0)

    def value(self, cell: str, epoch: int, last: int) -> float:
        """The cell's value at an epoch: the mean over its seeds of their means over the `last` epochs up to it.

        NaN if a seed diverged, at whatever epoch.
        """
        names = [config.trial_id for config in self._cells[cell]]
        if not self._diverged.isdisjoint(names):
            return math.nan
        return fmean(fmean(self._curves[name][max(0, epoch - last) : epoch]) for name in names)
