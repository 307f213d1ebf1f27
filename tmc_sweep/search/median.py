"""The median stopping rule (Golovin et al. 2017, https://doi.org/10.1145/3097983.3098043)."""

from collections.abc import Sequence
from statistics import median

from tmc_sweep.search.stopping_rule import StoppingRule

_FEWEST_OTHERS = 3  # cells: the median of fewer says nothing


class Median(StoppingRule):
    """From `grace_epochs` on, a cell below the median of three or more others ends."""

    def against(self, own: float, others: Sequence[float]) -> str | None:
        """A reason if there are enough others and the cell is below their median; None otherwise."""
        below = len(others) >= _FEWEST_OTHERS and own < median(others)
        return f"it is below the median of {len(others)} other cells there" if below else None
