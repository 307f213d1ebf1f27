"""The interface of a stopping rule: of one cell among others, whether it goes no further.

A rule is one class in one file: `asha.py` and `median.py` are two. The one method that it must have is `against`:

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
    """Tells from a cell's value and those of others at the same epoch whether it is stopped there.

    It remembers nothing: what was decided, and for which epochs, is `EarlyStopping`'s.
    """

    options: Scheduler

    def is_due(self, epoch: int) -> bool:
        """Whether cells are compared at this epoch, counted from 1."""
        return epoch >= self.options.grace_epochs

    @abstractmethod
    def against(self, own: float, others: Sequence[float]) -> str | None:
        """What speaks against going on, as it is told after the epoch; None if nothing does.

        `others` are the values there of the cells that have come so far. Higher is better; -inf diverged.
        """
