"""From estimates to verdicts: what a rule asks, and when that is shown.

A claim holds if each of its readings lies inside of its rule, so each is tested at CHANCE and no more is needed. One
that lies outside is enough to refute it, and of many one may by chance: these tests are Holm's, over all readings. With
a bound on either side, inside means beyond both: two one-sided tests, of equivalence.
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
    """The values for which a claim holds."""

    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    below: float | None = None
    margin: float = 0.0  # how far outside the true value may be where the claim is said to hold
    why: str = ""  # where a number comes from that the article does not give

    def inside(self, estimate: Estimate) -> float:
        """The chance of such a value if the true one were outside by more than the margin."""
        lower = [estimate.above(bound - self.margin) for bound in (self.above, self.at_least) if bound is not None]
        upper = [estimate.below(bound + self.margin) for bound in (self.at_most, self.below) if bound is not None]
        return max(lower + upper)

    def outside(self, estimate: Estimate) -> Iterator[float]:
        """Of each bound the chance of such a value if the true one did not break it."""
        yield from (estimate.below(bound) for bound in (self.above, self.at_least) if bound is not None)
        yield from (estimate.above(bound) for bound in (self.at_most, self.below) if bound is not None)

    def verdicts(self, estimates: Sequence[Estimate | None]) -> list[Verdict]:
        """Of each reading of one claim; without an estimate there is none."""
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
    """One verdict: a claim holds where it holds in every setting, all of them measured."""
    for verdict in (Verdict.FAILS, Verdict.UNDECIDED):
        if verdict in verdicts:
            return verdict
    return Verdict.HOLDS if verdicts and whole else Verdict.UNMEASURED
