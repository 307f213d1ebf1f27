"""The article's claims, from claims.yaml: claim → measurement → verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from pydantic import Field

from tmc_sweep.report.evidence import Trial
from tmc_sweep.report.kept import Kept, load
from tmc_sweep.report.measures import Measure, Reading
from tmc_sweep.report.setting import Setting, combinations, departures, matches


class Verdict(StrEnum):
    """What the measurements say about a claim."""

    HOLDS = "holds"
    FAILS = "does not hold"
    UNDECIDED = "undecided"
    UNMEASURED = "not yet measured"


class Rule(Kept):
    """The values for which a claim holds."""

    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    below: float | None = None
    why: str = ""  # where a bound comes from that the article does not give

    def verdict(self, low: float, high: float) -> Verdict:
        """Of a value that lies somewhere from `low` to `high`."""
        if self._rejects(high, low):
            return Verdict.FAILS
        return Verdict.UNDECIDED if self._rejects(low, high) else Verdict.HOLDS

    def _rejects(self, lower: float, upper: float) -> bool:
        """Whether `lower` breaks a lower bound or `upper` an upper one."""
        return (
            (self.above is not None and lower <= self.above)
            or (self.at_least is not None and lower < self.at_least)
            or (self.at_most is not None and upper > self.at_most)
            or (self.below is not None and upper >= self.below)
        )


class Claim(Kept):
    """One thing that the article asserts."""

    id: str
    sentence: str
    source: str
    where: Setting
    epochs: int | None = None  # null: they do not matter
    measure: Measure
    rule: Rule
    sweep: str  # of search_spaces/: what measures it
    also: str = ""  # a command that is needed besides


class Claims(Kept):
    """The whole file."""

    claims: tuple[Claim, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Judged:
    """A reading, its verdict, and where it is not like for like."""

    reading: Reading
    verdict: Verdict
    departures: tuple[str, ...]


@dataclass(frozen=True)
class Judgement:
    """A claim, what was measured of it, and the verdict of that."""

    claim: Claim
    verdict: Verdict
    readings: tuple[Judged, ...]  # that decide: in the article's setting
    elsewhere: tuple[Judged, ...]
    missing: tuple[Mapping[str, object], ...]  # settings of which none decides


@cache
def claims() -> tuple[Claim, ...]:
    """What the article asserts."""
    return load(Claims, "claims.yaml").claims


def judge(claim: Claim, trials: Sequence[Trial]) -> Judgement:
    """What these trials, of any number of sweeps, say about the claim."""
    judged = [_judged(claim, reading) for reading in claim.measure.readings(trials, claim.epochs)]
    deciding = tuple(each for each in judged if not each.departures)
    elsewhere = tuple(each for each in judged if each.departures)
    missing = tuple(
        {name: value for name, (value,) in setting.items()}
        for setting in combinations(claim.where)
        if not any(matches(setting, each.reading.where) for each in deciding)
    )
    verdict = _together([each.verdict for each in deciding], whole=not missing)
    return Judgement(claim, verdict, deciding, elsewhere, missing)


def _judged(claim: Claim, reading: Reading) -> Judged:
    departed = list(departures(claim.where, reading.where).values())
    last = reading.epochs[1] if claim.epochs and reading.epochs else claim.epochs
    if last != claim.epochs:
        departed.append(f"{last} of {claim.epochs} epochs")
    low, high = reading.low, reading.high
    verdict = Verdict.UNDECIDED if low is None or high is None else claim.rule.verdict(low, high)
    return Judged(reading, verdict, tuple(departed))


def _together(verdicts: Sequence[Verdict], *, whole: bool) -> Verdict:
    """One verdict: a claim holds where it holds in every setting, all of them measured."""
    for verdict in (Verdict.FAILS, Verdict.UNDECIDED):
        if verdict in verdicts:
            return verdict
    return Verdict.HOLDS if verdicts and whole else Verdict.UNMEASURED
