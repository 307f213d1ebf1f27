"""Asynchronous successive halving, its stopping variant (Li et al. 2018, https://arxiv.org/abs/1810.05934)."""

import math
from collections.abc import Sequence

from tmc_sweep.search.stopping_rule import StoppingRule


class Asha(StoppingRule):
    """At certain epochs, the rungs, only the best of the cells that have come there go on.

    Of n cells at a rung, the best n / `reduction`, rounded up, go on; the first to come there thus always does.
    """

    def is_due(self, epoch: int) -> bool:
        """Whether this is a rung: `grace_epochs` times a power of `reduction`."""
        rung = self.options.grace_epochs
        while rung < epoch:
            rung *= self.options.reduction
        return rung == epoch

    def against(self, own: float, others: Sequence[float]) -> str | None:
        """A reason if at least as many others are better as there are places; None otherwise."""
        places = math.ceil((len(others) + 1) / self.options.reduction)
        better = sum(value > own for value in others)
        return f"{better} of {len(others)} other cells are better there" if places <= better else None
