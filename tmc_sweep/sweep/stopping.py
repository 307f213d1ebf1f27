"""Early stopping: which cells go on, decided by the writer from the epochs that are on record.

A cell counts as far as all of its seeds have come, with the mean over its seeds of their running mean; one with a seed
that diverged is the worst. It is compared with what is on record of the others when it comes to an epoch, once.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from statistics import fmean, median

from tmc_sweep.config import TrialConfig
from tmc_sweep.records import EpochRecord
from tmc_sweep.space.schema import Scheduler, Statistic

_FEWEST_OTHERS = 3  # whose median says something


class Stopping:
    """Takes rows as they are recorded, and says which trials are to be stopped, and why."""

    def __init__(
        self,
        scheduler: Scheduler,
        statistic: Statistic,
        configs: Iterable[TrialConfig],
        curves: Mapping[str, Sequence[float]],
        diverged: Collection[str] = (),
    ) -> None:
        """`curves` and `diverged` are what is on record: the metric of the trials, epoch by epoch, and who diverged."""
        self._scheduler = scheduler
        self._metric = statistic.metric
        self._sign = 1.0 if statistic.mode == "max" else -1.0
        self._cells: defaultdict[str, list[TrialConfig]] = defaultdict(list)
        for config in configs:
            self._cells[config.cell_id].append(config)
        self._cell_of = {config.trial_id: cell for cell, members in self._cells.items() for config in members}
        self._curves = {name: list(curves.get(name, ())) for name in self._cell_of}
        self._diverged = set(diverged)
        self._reached = {cell: self._epochs(cell) for cell in self._cells}

    def take(self, trial_id: str, records: Sequence[EpochRecord]) -> dict[str, str]:
        """Rows of one trial that were recorded; the trials that end with them, each with its reason."""
        curve, cell = self._curves[trial_id], self._cell_of[trial_id]
        for record in records:
            if record.epoch > len(curve):
                curve.append(getattr(record, self._metric))
            if record.diverged:
                self._diverged.add(trial_id)
        before, self._reached[cell] = self._reached[cell], self._epochs(cell)
        reason = self._verdict(cell, range(before + 1, self._reached[cell] + 1))
        return {config.trial_id: reason for config in self._cells[cell]} if reason else {}

    def _epochs(self, cell: str) -> int:
        """That all of its seeds have, those that diverged aside."""
        going = [config for config in self._cells[cell] if config.trial_id not in self._diverged]
        return min((len(self._curves[config.trial_id]) for config in going), default=0)

    def _verdict(self, cell: str, epochs: range) -> str | None:
        last = self._cells[cell][0].epochs
        for epoch in epochs:
            if epoch < last and (against := self._against(cell, epoch)):
                return f"stopped by {self._scheduler.algorithm} at epoch {epoch}: {against}"
        return None

    def _against(self, cell: str, epoch: int) -> str | None:
        """What speaks against going on from this epoch, if something does."""
        if self._scheduler.algorithm == "asha":
            return self._not_promoted(cell, epoch) if self._is_rung(epoch) else None
        return self._below_median(cell, epoch) if epoch >= self._scheduler.grace_epochs else None

    def _is_rung(self, epoch: int) -> bool:
        rung = self._scheduler.grace_epochs
        while rung < epoch:
            rung *= self._scheduler.reduction
        return rung == epoch

    def _not_promoted(self, cell: str, epoch: int) -> str | None:
        own, others = self._value(cell, epoch), self._others(cell, epoch)
        places = (len(others) + 1) // self._scheduler.reduction
        better = sum(value > own for value in others)
        return f"{better} of {len(others)} other cells are better there" if 0 < places <= better else None

    def _below_median(self, cell: str, epoch: int) -> str | None:
        own, others = self._value(cell, epoch), self._others(cell, epoch)
        below = len(others) >= _FEWEST_OTHERS and own < median(others)
        return f"it is below the median of {len(others)} other cells there" if below else None

    def _others(self, cell: str, epoch: int) -> list[float]:
        """The other cells' values at this epoch, of those that have come so far."""
        return [
            self._value(other, epoch) for other, reached in self._reached.items() if other != cell and reached >= epoch
        ]

    def _value(self, cell: str, epoch: int) -> float:
        """Higher is better; minus infinity where a seed diverged."""
        if any(config.trial_id in self._diverged for config in self._cells[cell]):
            return -math.inf
        window = slice(max(0, epoch - self._scheduler.last), epoch)
        return self._sign * fmean(fmean(self._curves[config.trial_id][window]) for config in self._cells[cell])
