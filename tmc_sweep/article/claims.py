"""The article's claims, from claims.yaml: claim → measurement → verdict."""

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
    """One thing that the article asserts."""

    id: str
    sentence: str
    source: str
    where: Condition
    epochs: int | None = None  # null: they do not matter
    measure: Measure
    rule: Rule
    sweep: str  # of search_spaces/: what measures it
    also: str = ""  # a command that is needed besides


class Claims(DataFile):
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


def judgements(sweeps: Iterable[SweepTables]) -> list[Judgement]:
    """What these sweeps say together about each claim, those that are measured first."""
    trials = [trial for sweep in sweeps for trial in evidence(sweep)]
    return sorted((judge(claim, trials) for claim in claims()), key=lambda each: each.verdict == Verdict.UNMEASURED)


def judge(claim: Claim, trials: Sequence[Trial]) -> Judgement:
    """What these trials, of any number of sweeps, say about the claim."""
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
    """Where a reading is not of the claim's setting."""
    departed = list(departures(claim.where, reading.where).values())
    last = reading.epochs[1] if claim.epochs and reading.epochs else claim.epochs
    return (*departed, *([] if last == claim.epochs else [f"{last} of {claim.epochs} epochs"]))


def _judged(rule: Rule, readings: Sequence[tuple[Reading, tuple[str, ...]]]) -> tuple[Judged, ...]:
    verdicts = rule.verdicts([reading.estimate for reading, _ in readings])
    return tuple(
        Judged(reading, verdict, departed) for (reading, departed), verdict in zip(readings, verdicts, strict=True)
    )
