"""The interface of a stopping rule, which says whether a cell, compared with others, is to stop.

A rule is one class in one file, named by `scheduler.algorithm`: `asha.py` and `median.py` are built in, one of one's
own is named by its import path. The one method that it must have is `against`:

    class Worst(StoppingRule):
        def against(self, own, others):
            return "it is the worst" if others and own < min(others) else None
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from tmc_sweep.space.schema import Scheduler


@dataclass(frozen=True)
class StoppingRule(ABC):
    """Decides from a cell's value and those of others at one epoch whether the cell is stopped there.

    It remembers nothing: `EarlyStopping` keeps what was decided.
    """

    options: Scheduler  # the section `scheduler` of the search space

    def is_due(self, epoch: int) -> bool:
        """Whether cells are compared at this epoch; unless overridden, at each from `grace_epochs` on."""
        return epoch >= self.options.grace_epochs

    @abstractmethod
    def against(self, own: float, others: Sequence[float]) -> str | None:
        """Why the cell is to stop, in words that follow "stopped by … at epoch …:"; None if it goes on.

        `own` is the cell's value at the epoch, and `others` are those of the other cells that have come there. Higher
        is better, whatever the statistic's mode; -inf means that a seed diverged.
        """
