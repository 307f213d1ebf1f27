"""From estimates to verdicts: what a rule asks of a value, and when the measurements show it.

A claim *holds* if every reading lies inside of its rule. Each reading is tested at the level CHANCE; since all must
pass, nothing needs to be corrected for their number. A claim *does not hold* if one reading lies outside of the rule.
Of many readings one may do so by chance, so these tests are corrected by Holm's method over all readings. If a rule has
bounds on both sides, inside means beyond both: two one-sided tests, a test of equivalence. What shows neither is
*undecided*.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum

from tmc_sweep.article.data_file import DataFile
from tmc_sweep.statistics.inference import CHANCE, Estimate, holm


class Verdict(StrEnum):
    """What the measurements say about a claim."""

    HOLDS = "holds"
    FAILS = "does not hold"
    UNDECIDED = "undecided"
    UNMEASURED = "not yet measured"


class Rule(DataFile):
    """The values for which a claim holds: bounds, in the unit of its readings."""

    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    below: float | None = None
    margin: float = 0.0  # a claim also holds if the true value may lie this far outside
    why: str = ""  # where a bound or margin comes from, if not from the article

    def inside(self, estimate: Estimate) -> float:
        """The p-value against "the true value is outside by more than the margin": small if it lies inside."""
        lower = [estimate.above(bound - self.margin) for bound in (self.above, self.at_least) if bound is not None]
        upper = [estimate.below(bound + self.margin) for bound in (self.at_most, self.below) if bound is not None]
        return max(lower + upper)

    def outside(self, estimate: Estimate) -> Iterator[float]:
        """For each bound the p-value against "the true value keeps it": small if the value breaks the bound."""
        yield from (estimate.below(bound) for bound in (self.above, self.at_least) if bound is not None)
        yield from (estimate.above(bound) for bound in (self.at_most, self.below) if bound is not None)

    def verdicts(self, estimates: Sequence[Estimate | None]) -> list[Verdict]:
        """The verdict of each reading of one claim, by its estimate; undecided without one."""
        chances = [(i, chance) for i, each in enumerate(estimates) if each for chance in self.outside(each)]
        shown = {i for (i, _), rejected in zip(chances, holm([c for _, c in chances]), strict=True) if rejected}
        return [
            Verdict.FAILS
            if i in shown
            else Verdict.HOLDS
            if each and self.inside(each) <= CHANCE
            else Verdict.UNDECIDED
            for i, each in enumerate(estimates)
        ]


def together(verdicts: Sequence[Verdict], *, whole: bool) -> Verdict:
    """One verdict of those of a claim's readings: it holds if all hold, and its settings are `whole`, all measured."""
    for verdict in (Verdict.FAILS, Verdict.UNDECIDED):
        if verdict in verdicts:
            return verdict
    return Verdict.HOLDS if verdicts and whole else Verdict.UNMEASURED
