"""Early stopping: which cells go on, decided once, by the writer, when a cell comes to an epoch.

It is compared with what is on record of the others at that epoch; one with a seed that diverged is the worst.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from types import MappingProxyType

from tmc_sweep.config import TrialConfig
from tmc_sweep.search.curves import Curves
from tmc_sweep.space import SearchSpace
from tmc_sweep.space.schema import Scheduler, Statistic
from tmc_sweep.store.manifest import Decision

Decisions = Mapping[str, Decision]  # by cell
_FEWEST_OTHERS = 3  # whose median says something


def fair_order(configs: Iterable[TrialConfig]) -> list[TrialConfig]:
    """The trials cell by cell, in the order of the cells' hashes, as good as any drawn at random.

    A cell is compared with those before it, which should be a sample of all: in a file's order they are all alike, and
    of cells that come from worse to better none is ever stopped.
    """
    return sorted(configs, key=lambda config: config.cell_id)


def in_turn(space: SearchSpace, configs: Sequence[TrialConfig]) -> Sequence[TrialConfig]:
    """The trials as `run` takes them: in the file's order, but in a fair one where cells of a file are compared.

    Those that train alone go seed by seed, so that what the machine does meanwhile meets all cells alike.
    """
    if space.resources.alone:
        return sorted(configs, key=lambda config: space.seeds.index(config.seed))
    return fair_order(configs) if space.scheduler and not space.adaptive else configs


class EarlyStopping:
    """Decides, as the curves grow, which cells are to stop, and why.

    What is on record when it begins counts as decided: an epoch that is stored without a decision was let go.
    """

    def __init__(
        self, scheduler: Scheduler, statistic: Statistic, curves: Curves, decisions: Decisions = MappingProxyType({})
    ) -> None:
        self._scheduler = scheduler
        self._sign = 1.0 if statistic.mode == "max" else -1.0
        self._curves = curves
        self._decided = {cell: curves.reached(cell) for cell in curves.cells}  # up to which epoch
        for cell, decision in decisions.items():
            self._decided[cell] = max(decision.epoch, self._decided.get(cell, 0))

    def decide(self, cell: str) -> Decision | None:
        """What is decided now that the cell has come where it is; None if nothing is due."""
        before, reached = self._decided.get(cell, 0), self._curves.reached(cell)
        self._decided[cell] = max(before, reached)
        last = None
        for epoch in range(before + 1, min(reached, self._curves.cells[cell][0].epochs - 1) + 1):
            if self._is_due(epoch):
                against = self._against(cell, epoch)
                stop = f"stopped by {self._scheduler.algorithm} at epoch {epoch}: {against}" if against else None
                last = Decision(epoch, stop)
                if stop:
                    break
        return last

    def _is_due(self, epoch: int) -> bool:
        if self._scheduler.algorithm == "asha":
            return self._is_rung(epoch)
        return epoch >= self._scheduler.grace_epochs

    def _against(self, cell: str, epoch: int) -> str | None:
        """What speaks against going on from this epoch, if something does."""
        return (self._not_promoted if self._scheduler.algorithm == "asha" else self._below_median)(cell, epoch)

    def _is_rung(self, epoch: int) -> bool:
        rung = self._scheduler.grace_epochs
        while rung < epoch:
            rung *= self._scheduler.reduction
        return rung == epoch

    def _not_promoted(self, cell: str, epoch: int) -> str | None:
        own, others = self._value(cell, epoch), self._others(cell, epoch)
        places = math.ceil((len(others) + 1) / self._scheduler.reduction)
        better = sum(value > own for value in others)
        return f"{better} of {len(others)} other cells are better there" if places <= better else None

    def _below_median(self, cell: str, epoch: int) -> str | None:
        own, others = self._value(cell, epoch), self._others(cell, epoch)
        below = len(others) >= _FEWEST_OTHERS and own < median(others)
        return f"it is below the median of {len(others)} other cells there" if below else None

    def _others(self, cell: str, epoch: int) -> list[float]:
        """The other cells' values at this epoch, of those that have come so far."""
        others = (other for other in self._curves.cells if other != cell and self._curves.reached(other) >= epoch)
        return [self._value(other, epoch) for other in others]

    def _value(self, cell: str, epoch: int) -> float:
        """Higher is better."""
        value = self._sign * self._curves.value(cell, epoch, self._scheduler.last)
        return -math.inf if math.isnan(value) else value
