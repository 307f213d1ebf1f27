"""How claims are measured: each measure turns trials into readings.

A measure is a class here, named by `measure.name` in claims.yaml. Its method `readings(trials, epochs)` yields one
reading for each set of cells that can be compared; `epochs` is the claim's number of epochs, if it has one.

Where cells are compared, they are compared seed by seed, since trials with one seed share their random numbers, and at
the same epochs. Seeds count that all of the cells have. Cells of two sweeps are never compared: they may have been
trained on different machines.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from tmc_sweep.article.conditions import Condition, matches
from tmc_sweep.article.data_file import DataFile
from tmc_sweep.article.evidence import LAST, Trial, window
from tmc_sweep.article.reading import Reading, over_processes, over_seeds, too_few
from tmc_sweep.config import Objective
from tmc_sweep.records import ENDED_EARLY, PER_IMAGE, Status
from tmc_sweep.statistics.inference import Mean, Share, of_proportion
from tmc_sweep.statistics.paired import CONFIDENCE
from tmc_sweep.statistics.processes import unproven


class Contrast(DataFile):
    """The sum of a quantity over the cells `plus`, less that over the cells `minus`, everything else being equal."""

    name: Literal["contrast"]
    quantity: Literal["objective", "accuracy"] = "objective"
    plus: tuple[Condition, ...]
    minus: tuple[Condition, ...]

    def readings(self, trials: Sequence[Trial], epochs: int | None) -> Iterator[Reading]:
        """One for each set of cells, one per term, that differ in nothing else."""
        terms = (*self.plus, *self.minus)
        signs = (1,) * len(self.plus) + (-1,) * len(self.minus)
        measured = _accuracies if self.quantity == "accuracy" else _objectives
        for where, seeds in _alike(trials, terms):
            yield from measured(where, seeds, signs)


class SecondsRatio(DataFile):
    """The seconds of an epoch of the cell `plus`, divided by those of the cell `minus`, everything else being equal.

    Each seed gives a pair of processes, of each of which the median over its epochs counts.
    """

    name: Literal["seconds_ratio"]
    plus: Condition
    minus: Condition

    def readings(self, trials: Sequence[Trial], epochs: int | None) -> Iterator[Reading]:
        """One for each pair of cells that differ in nothing else."""
        for where, seeds in _alike(trials, (self.plus, self.minus)):
            pairs = [pair for pair in seeds if all(len(trial.seconds) for trial in pair)]
            if pairs:
                ratios = [float(np.median(above.seconds) / np.median(below.seconds)) for above, below in pairs]
                most = max(trial.beside for pair in pairs for trial in pair)
                yield over_processes(where, ratios, _untimed(pairs), most)


def _untimed(pairs: Sequence[tuple[Trial, ...]]) -> str:
    """Why the seconds of these pairs cannot decide; "" if they can."""
    trials = [trial for pair in pairs for trial in pair]
    if len({tuple(trial.machine.values()) for trial in trials}) > 1:
        return "timed on other machines, or in packs of other sizes"
    if any(trial.beside > 1 for trial in trials):
        return "timed beside other trials"
    return unproven([[trial.process for trial in pair] for pair in pairs])


class Change(DataFile):
    """The mean objective over the last 50 epochs, less that over the epochs `since`."""

    name: Literal["change"]
    since: tuple[int, int]  # first and last

    def readings(self, trials: Sequence[Trial], epochs: int | None) -> Iterator[Reading]:
        """One for each cell whose last epochs all lie after those."""
        first, last = self.since
        for where, seeds in _alike(trials, ({},)):
            begin, end = window([trial for (trial,) in seeds], LAST)
            if begin > last:
                values = [_mean(trial, begin, end) - _mean(trial, first, last) for (trial,) in seeds]
                yield over_seeds(where, values, PER_IMAGE, (begin, end), _ended(seeds))


class DivergedShare(DataFile):
    """The share of a cell's trials that diverged."""

    name: Literal["diverged_share"]

    def readings(self, trials: Sequence[Trial], epochs: int | None) -> Iterator[Reading]:
        """One for each cell; until all trials have the claim's epochs, more may diverge."""
        for where, seeds in _alike(trials, ({},)):
            diverged = sum(trial.status == Status.DIVERGED for (trial,) in seeds)
            lasting = sum(
                trial.status != Status.DIVERGED and trial.last_epoch >= (epochs or trial.asked) for (trial,) in seeds
            )
            n = len(seeds)
            going = [trial.last_epoch for (trial,) in seeds if trial.status != Status.DIVERGED]
            share = Share(diverged, n - lasting, n)
            seen = (1, min(going)) if going else None
            yield Reading(where, diverged / n, "diverged", n, share, f"{CONFIDENCE:.0%}", seen)


class Distance(DataFile):
    """The greatest distance of two bounds, on the same weights and samples, over all epochs and seeds."""

    name: Literal["distance"]
    between: tuple[Objective, Objective]

    def readings(self, trials: Sequence[Trial], epochs: int | None) -> Iterator[Reading]:
        """One for each cell that has epochs; its value has no error."""
        for where, seeds in _alike(trials, ({},)):
            _, end = window([trial for (trial,) in seeds], LAST)
            if end:
                one, other = ([trial.bounds[bound] for (trial,) in seeds] for bound in self.between)
                value = max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))
                why = _ended(seeds) or ("" if math.isfinite(value) else "not finite")
                few = too_few(len(seeds), "seed")
                estimate = None if why or few else Mean(value, 0.0, math.inf)
                yield Reading(
                    where, None if why else value, PER_IMAGE, len(seeds), estimate, epochs=(1, end), why=why or few
                )


class Growth(DataFile):
    """What a bound of the same trained model gains from one evaluated number of samples to the next larger one."""

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
                    yield over_seeds({**where, **step}, gains, PER_IMAGE, None)


Measure = Annotated[Contrast | SecondsRatio | Change | DivergedShare | Distance | Growth, Field(discriminator="name")]


def _alike(
    trials: Iterable[Trial], terms: Sequence[Condition]
) -> Iterator[tuple[dict[str, Any], list[tuple[Trial, ...]]]]:
    """Groups of trials of one sweep that differ only in the fields that the terms name.

    Of each group the fields that its trials share, and for each seed that has all terms one trial per term.
    """
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
    yield over_seeds(where, values, PER_IMAGE, (begin, end), _ended(seeds))


def _accuracies(
    where: Mapping[str, Any], seeds: Sequence[tuple[Trial, ...]], signs: Sequence[int]
) -> Iterator[Reading]:
    """A reading over the seeds whose latents were computed, if there are any; they must be of one epoch."""
    known = [[trial.accuracy for trial in cells if trial.accuracy] for cells in seeds]
    whole = [cells for cells in known if len(cells) == len(signs)]
    if whole:
        at = sorted({each.epoch for cells in whole for each in cells})
        why = "" if len(at) == 1 else f"computed at unequal epochs: {', '.join(map(str, at))}"
        values = [sum(sign * each.value for sign, each in zip(signs, cells, strict=True)) for cells in whole]
        shares = [(float(np.mean([each.value for each in cell])), cell[0].images) for cell in zip(*whole, strict=True)]
        known_error = sum(of_proportion(share, images) for share, images in shares)
        yield over_seeds(where, values, "of images", (at[0], at[0]), why, known_error)


def _mean(trial: Trial, first: int, last: int) -> float:
    """The mean objective of these epochs; NaN if there are none, or one is not finite."""
    values = trial.objective[first - 1 : last]
    return float(np.mean(values)) if len(values) else math.nan


def _ended(seeds: Iterable[tuple[Trial, ...]]) -> str:
    """Why there is no value, if a trial ended early: the first that did; else ""."""
    ended = [trial for cells in seeds for trial in cells if trial.status in ENDED_EARLY]
    return f"seed {ended[0].seed} of {ended[0].fields['objective']} {ended[0].status}" if ended else ""
