"""Early stopping: when a cell comes to an epoch, a stopping rule decides once whether it goes on.

The writer asks, as rows are recorded. The cell is compared with all others that have come to that epoch by then; a cell
with a seed that diverged counts as the worst. What was decided is kept in the manifest, and never decided again.
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
    """The trials cell by cell, in the order of the cells' hashes, which is as good as a random one.

    A cell is compared with those that trained before it, and these should be a sample of all. In a file's order they
    would be alike, and if cells go from worse to better, none would ever be stopped.
    """
    return sorted(configs, key=lambda config: config.cell_id)


def in_turn(space: SearchSpace, configs: Sequence[TrialConfig]) -> Sequence[TrialConfig]:
    """The trials in the order in which `run` trains them: the file's, or `fair_order` if a scheduler compares cells.

    With `resources.alone` they go seed by seed, so that what the machine does meanwhile meets all cells alike.
    """
    if space.resources.alone:
        return sorted(configs, key=lambda config: space.seeds.index(config.seed))
    return fair_order(configs) if space.scheduler and not space.adaptive else configs


class EarlyStopping:
    """Decides, as the curves grow, which cells are to stop, and why.

    Epochs that are on record when it is made count as decided: a cell went on at those without a decision to stop.
    `decisions` are those that the manifest has.
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
        """What is decided now that the cell, by its cell_id, has come where it is; None if nothing is due there."""
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
        """The values at this epoch of the other cells that have come there."""
        others = (other for other in self._curves.cells if other != cell and self._curves.reached(other) >= epoch)
        return [self._value(other, epoch) for other in others]

    def _value(self, cell: str, epoch: int) -> float:
        """The cell's value at this epoch, turned so that higher is better; -inf if it diverged."""
        value = self._sign * self._curves.value(cell, epoch, self._scheduler.last)
        return -math.inf if math.isnan(value) else value
