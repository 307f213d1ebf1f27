"""What choices between cells are made from: one metric of every trial, epoch by epoch, as far as it is on record."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from tmc_sweep.config import TrialConfig
from tmc_sweep.records import EpochRecord


class Curves:
    """The curves by cell. A cell is as far as all of its seeds have come, those that diverged aside."""

    def __init__(self, metric: str, stored: Mapping[str, Sequence[float]], diverged: Iterable[str] = ()) -> None:
        """`stored` and `diverged` are what is on record, by trial: epochs 1, 2, ... of the metric, and who diverged."""
        self._metric = metric
        self._curves = {name: list(curve) for name, curve in stored.items()}
        self._diverged = set(diverged)
        self._cells: Mapping[str, Sequence[TrialConfig]] = {}  # replaced, never changed: a thread may be reading it

    def add(self, configs: Iterable[TrialConfig]) -> None:
        """Let these trials count, each in its cell."""
        cells = dict(self._cells)
        for config in configs:
            cells[config.cell_id] = tuple(dict.fromkeys((*cells.get(config.cell_id, ()), config)))
            self._curves.setdefault(config.trial_id, [])
        self._cells = cells

    def take(self, records: Sequence[EpochRecord]) -> None:
        """Rows of one trial that were recorded; those that were before are passed over."""
        for record in records:
            curve = self._curves[record.trial_id]
            if record.epoch > len(curve):
                curve.append(getattr(record, self._metric))
            if record.diverged:
                self._diverged.add(record.trial_id)

    @property
    def cells(self) -> Mapping[str, Sequence[TrialConfig]]:
        """The trials of each cell."""
        return self._cells

    def reached(self, cell: str) -> int:
        """The last epoch that all of its seeds have; 0 if all diverged."""
        going = [config.trial_id for config in self._cells[cell] if config.trial_id not in self._diverged]
        return min((len(self._curves[name]) for name in going), default=0)

    def value(self, cell: str, epoch: int, last: int) -> float:
        """Mean over its seeds of each one's mean over the `last` epochs up to this one; NaN where one diverged."""
        names = [config.trial_id for config in self._cells[cell]]
        if not self._diverged.isdisjoint(names):
            return math.nan
        return fmean(fmean(self._curves[name][max(0, epoch - last) : epoch]) for name in names)
