"""The article's claims, read from claims.yaml, and their verdicts: claim → readings → verdict.

`judgements` is where `tmc-sweep claims` and the report's appendix enter. A claim's measure makes readings of the
trials. Readings in the article's own setting decide; others are shown as measured elsewhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from pydantic import Field

from tmc_sweep.article.conditions import Condition, combinations, departures, matches
from tmc_sweep.article.data_file import DataFile, load
from tmc_sweep.article.evidence import Trial, evidence
from tmc_sweep.article.measures import Measure
from tmc_sweep.article.reading import Reading
from tmc_sweep.article.verdicts import Rule, Verdict, together
from tmc_sweep.report.tables import SweepTables


class Claim(DataFile):
    """One thing that the article asserts, and how it is held against trials."""

    id: str
    sentence: str
    source: str  # section, figure or table of the article
    where: Condition  # the setting; of several values of a field, each must be measured
    epochs: int | None = None  # how many; null: they do not matter
    measure: Measure
    rule: Rule
    sweep: str  # the search space of search_spaces/ that measures it
    also: str = ""  # a command that is needed after it, if any


class Claims(DataFile):
    """The content of claims.yaml."""

    claims: tuple[Claim, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Judged:
    """A reading, its verdict, and its departures: sentences about where it is not like for like."""

    reading: Reading
    verdict: Verdict
    departures: tuple[str, ...]


@dataclass(frozen=True)
class Judgement:
    """A claim, all readings of it, and the verdict that follows."""

    claim: Claim
    verdict: Verdict
    readings: tuple[Judged, ...]  # in the article's setting: these decide
    elsewhere: tuple[Judged, ...]  # in other settings
    missing: tuple[Mapping[str, object], ...]  # the article's settings in which nothing is measured


@cache
def claims() -> tuple[Claim, ...]:
    """All claims of the article, in the order of the file."""
    return load(Claims, "claims.yaml").claims


def judgements(sweeps: Iterable[SweepTables]) -> list[Judgement]:
    """What these sweeps together say about each claim; claims that are measured come first."""
    trials = [trial for sweep in sweeps for trial in evidence(sweep)]
    return sorted((judge(claim, trials) for claim in claims()), key=lambda each: each.verdict == Verdict.UNMEASURED)


def judge(claim: Claim, trials: Sequence[Trial]) -> Judgement:
    """The judgement of one claim by these trials, of any number of sweeps."""
    readings = [(each, _departed(claim, each)) for each in claim.measure.readings(trials, claim.epochs)]
    deciding = _judged(claim.rule, [(each, departed) for each, departed in readings if not departed])
    elsewhere = _judged(claim.rule, [(each, departed) for each, departed in readings if departed])
    missing = tuple(
        {name: value for name, (value,) in setting.items()}
        for setting in combinations(claim.where)
        if not any(matches(setting, each.reading.where) for each in deciding)
    )
    verdict = together([each.verdict for each in deciding], whole=not missing)
    return Judgement(claim, verdict, deciding, elsewhere, missing)


def _departed(claim: Claim, reading: Reading) -> tuple[str, ...]:
    """Where a reading is not in the claim's setting, or not at its number of epochs; a text each."""
    departed = list(departures(claim.where, reading.where).values())
    last = reading.epochs[1] if claim.epochs and reading.epochs else claim.epochs
    return (*departed, *([] if last == claim.epochs else [f"{last} of {claim.epochs} epochs"]))


def _judged(rule: Rule, readings: Sequence[tuple[Reading, tuple[str, ...]]]) -> tuple[Judged, ...]:
    verdicts = rule.verdicts([reading.estimate for reading, _ in readings])
    return tuple(
        Judged(reading, verdict, departed) for (reading, departed), verdict in zip(readings, verdicts, strict=True)
    )
