"""How claims are measured: each measure turns trials into readings, values with the interval they may lie in.

A reading of several seeds is the mean over the seeds that all of its cells have, each seed's cells compared with each
other (their random numbers are the same), with Student's interval over seeds, as `paired_differences` has it; of one
seed it has no interval. Cells of two sweeps, which may have been trained on other machines, are not compared.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from tmc_sweep.config import Objective
from tmc_sweep.records import ENDED_EARLY, Status
from tmc_sweep.report.evidence import LAST, Trial, window
from tmc_sweep.report.kept import Kept
from tmc_sweep.report.setting import Setting, matches
from tmc_sweep.tables.paired import CONFIDENCE, half_width


@dataclass(frozen=True)
class Reading:
    """One measured value, where it was measured, and how sure it is."""

    where: Mapping[str, Any]  # the fields that its trials share
    value: float | None  # None: `why`
    unit: str
    low: float | None = None  # of the interval; None: `why`
    high: float | None = None
    interval: str = ""  # what the interval is
    epochs: tuple[int, int] | None = None  # first and last that count
    n_seeds: int = 0
    why: str = ""  # no value or no interval
    beside: int = 1  # processes that trained at once on the machine, where seconds are measured


class Contrast(Kept):
    """A quantity of the cells `plus` less that of the cells `minus`, everything else being equal."""

    name: Literal["contrast"]
    quantity: Literal["objective", "accuracy"] = "objective"
    plus: tuple[Setting, ...]
    minus: tuple[Setting, ...]

    def readings(self, trials: Sequence[Trial], epochs: int | None) -> Iterator[Reading]:
        """One for each set of cells that differ in nothing else."""
        terms = (*self.plus, *self.minus)
        signs = (1,) * len(self.plus) + (-1,) * len(self.minus)
        measured = _accuracies if self.quantity == "accuracy" else _objectives
        for where, seeds in _alike(trials, terms):
            yield from measured(where, seeds, signs)


class SecondsRatio(Kept):
    """Seconds of an epoch of the cell `plus` over those of `minus`, everything else being equal: medians."""

    name: Literal["seconds_ratio"]
    plus: Setting
    minus: Setting

    def readings(self, trials: Sequence[Trial], epochs: int | None) -> Iterator[Reading]:
        """One for each pair of cells that differ in nothing else; the interval is between their quartiles."""
        for where, seeds in _alike(trials, (self.plus, self.minus)):
            above, below = (np.concatenate([pair[side].seconds for pair in seeds]) for side in (0, 1))
            if not (len(above) and len(below)):
                continue
            (low, median, high), (least, middle, most) = (np.percentile(s, (25, 50, 75)) for s in (above, below))
            beside = {max(pair[side].beside for pair in seeds) for side in (0, 1)}
            alike = len({tuple(trial.machine.values()) for pair in seeds for trial in pair}) == len(beside) == 1
            yield Reading(
                where,
                float(median / middle),
                "times",
                float(low / most) if alike else None,
                float(high / least) if alike else None,
                "between quartiles of epochs",
                (1, min(trial.last_epoch for pair in seeds for trial in pair)),
                len(seeds),
                "" if alike else "timed on other machines, in packs of other sizes, or beside more trials",
                max(beside),
            )


class Change(Kept):
    """The last epochs' mean objective less that of the epochs `since`."""

    name: Literal["change"]
    since: tuple[int, int]

    def readings(self, trials: Sequence[Trial], epochs: int | None) -> Iterator[Reading]:
        """One for each cell whose last epochs lie after."""
        first, last = self.since
        for where, seeds in _alike(trials, ({},)):
            begin, end = window([trial for (trial,) in seeds], LAST)
            if begin > last:
                values = [_mean(trial, begin, end) - _mean(trial, first, last) for (trial,) in seeds]
                yield _estimate(where, values, "nats per image", (begin, end), _ended(seeds))


class DivergedShare(Kept):
    """How many of a cell's trials diverged."""

    name: Literal["diverged_share"]

    def readings(self, trials: Sequence[Trial], epochs: int | None) -> Iterator[Reading]:
        """One for each cell; the interval is what the share can still become, until all have the claim's epochs."""
        for where, seeds in _alike(trials, ({},)):
            diverged = sum(trial.status == Status.DIVERGED for (trial,) in seeds)
            lasting = sum(
                trial.status != Status.DIVERGED and trial.last_epoch >= (epochs or trial.asked) for (trial,) in seeds
            )
            n = len(seeds)
            going = [trial.last_epoch for (trial,) in seeds if trial.status != Status.DIVERGED]
            low, high = diverged / n, (n - lasting) / n
            still = "what it can still become" if low < high else ""
            yield Reading(where, low, "diverged", low, high, still, (1, min(going)) if going else None, n)


class Growth(Kept):
    """What a bound of the same trained model gains from one number of samples to the next larger one evaluated."""

    name: Literal["growth"]
    bound: Objective

    def readings(self, trials: Sequence[Trial], epochs: int | None) -> Iterator[Reading]:
        """One for each cell and step, of the seeds that were evaluated with both numbers."""
        for where, seeds in _alike(trials, ({},)):
            values = [{n: v for (name, n), v in t.evaluations.items() if name == self.bound} for (t,) in seeds]
            for few, many in pairwise(sorted({n for of_seed in values for n in of_seed})):
                gains = [of_seed[many] - of_seed[few] for of_seed in values if {few, many} <= of_seed.keys()]
                if gains:
                    step = {"bound": self.bound, "samples": f"{few} to {many}"}
                    yield _estimate({**where, **step}, gains, "nats per image", None, "")


Measure = Annotated[Contrast | SecondsRatio | Change | DivergedShare | Growth, Field(discriminator="name")]


def _alike(
    trials: Iterable[Trial], terms: Sequence[Setting]
) -> Iterator[tuple[dict[str, Any], list[tuple[Trial, ...]]]]:
    """A sweep's trials that differ only in the fields of the terms: what they share, and one trial per term by seed."""
    named = {name for term in terms for name in term}
    groups: dict[tuple[tuple[str, Any], ...], dict[int, dict[int, Trial]]] = defaultdict(lambda: defaultdict(dict))
    for trial in trials:
        shared = {"sweep": trial.sweep, **trial.fields}
        where = tuple((name, value) for name, value in shared.items() if name not in named)
        for position, term in enumerate(terms):
            if matches(term, trial.fields):
                groups[where][trial.seed][position] = trial
    for where, seeds in groups.items():
        whole = [tuple(found[i] for i in range(len(terms))) for found in seeds.values() if len(found) == len(terms)]
        if whole:
            yield dict(where), whole


def _objectives(
    where: Mapping[str, Any], seeds: Sequence[tuple[Trial, ...]], signs: Sequence[int]
) -> Iterator[Reading]:
    begin, end = window([trial for cells in seeds for trial in cells], LAST)
    values = [sum(sign * _mean(trial, begin, end) for sign, trial in zip(signs, cells, strict=True)) for cells in seeds]
    yield _estimate(where, values, "nats per image", (begin, end), _ended(seeds))


def _accuracies(
    where: Mapping[str, Any], seeds: Sequence[tuple[Trial, ...]], signs: Sequence[int]
) -> Iterator[Reading]:
    """Of the seeds whose latents were computed, if there are any."""
    known = [[(t.accuracy, t.accuracy_epoch) for t in cells if t.accuracy is not None] for cells in seeds]
    whole = [cells for cells in known if len(cells) == len(signs)]
    if whole:
        values = [sum(sign * value for sign, (value, _) in zip(signs, cells, strict=True)) for cells in whole]
        last = min(epoch or 0 for cells in whole for _, epoch in cells)
        yield _estimate(where, values, "of images", (last, last), "")


def _mean(trial: Trial, first: int, last: int) -> float:
    """The mean objective of these epochs; NaN where they are not all there and finite."""
    values = trial.objective[first - 1 : last]
    return float(np.mean(values)) if len(values) else math.nan


def _ended(seeds: Iterable[tuple[Trial, ...]]) -> str:
    """Why there is no value: the first trial that ended early."""
    ended = [trial for cells in seeds for trial in cells if trial.status in ENDED_EARLY]
    return f"seed {ended[0].seed} of {ended[0].fields['objective']} {ended[0].status}" if ended else ""


def _estimate(
    where: Mapping[str, Any], values: Sequence[float], unit: str, epochs: tuple[int, int] | None, why: str
) -> Reading:
    """The mean over seeds with its interval."""
    why = why or ("" if np.isfinite(values).all() else "not finite")
    if why:
        return Reading(where, None, unit, epochs=epochs, n_seeds=len(values), why=why)
    mean, n = float(np.mean(values)), len(values)
    if n == 1:
        return Reading(where, mean, unit, epochs=epochs, n_seeds=1, why="one seed, so no interval")
    half = float(half_width(np.std(values, ddof=1), n))
    return Reading(where, mean, unit, mean - half, mean + half, f"{CONFIDENCE:.0%} over seeds", epochs, n)
