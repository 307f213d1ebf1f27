"""Early stopping: which cells go on, decided once, by the writer, when a cell comes to an epoch.

It is compared with what is on record of the others at that epoch; one with a seed that diverged is the worst.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from tmc_sweep.config import TrialConfig
from tmc_sweep.registry import STOPPING_RULES, loaded
from tmc_sweep.search.curves import Curves
from tmc_sweep.search.stopping_rule import StoppingRule
from tmc_sweep.space import SearchSpace
from tmc_sweep.space.schema import Scheduler, Statistic
from tmc_sweep.store.manifest import Decision

Decisions = Mapping[str, Decision]  # by cell


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
        self._rule: StoppingRule = loaded(STOPPING_RULES.find(scheduler.algorithm))(scheduler)
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
            if self._rule.is_due(epoch):
                against = self._rule.against(self._value(cell, epoch), self._others(cell, epoch))
                stop = f"stopped by {self._scheduler.algorithm} at epoch {epoch}: {against}" if against else None
                last = Decision(epoch, stop)
                if stop:
                    break
        return last

    def _others(self, cell: str, epoch: int) -> list[float]:
        """The other cells' values at this epoch, of those that have come so far."""
        others = (other for other in self._curves.cells if other != cell and self._curves.reached(other) >= epoch)
        return [self._value(other, epoch) for other in others]

    def _value(self, cell: str, epoch: int) -> float:
        """Higher is better."""
        value = self._sign * self._curves.value(cell, epoch, self._scheduler.last)
        return -math.inf if math.isnan(value) else value
