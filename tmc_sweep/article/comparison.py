"""Published numbers beside ours: for each the cells that come nearest to its setting, and every departure from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tmc_sweep.article.conditions import departures
from tmc_sweep.article.evidence import LAST, Trial, evidence, window
from tmc_sweep.article.published import Number, published
from tmc_sweep.article.text import side_by_side
from tmc_sweep.config import fields_of
from tmc_sweep.records import ENDED_EARLY, OPEN
from tmc_sweep.report.tables import SweepTables
from tmc_sweep.statistics.summary import statistics

QUARTILES = ("lower quartile", "upper quartile")  # what stands for the spread of seconds, over epochs
_SAME = {"data", "objective", "architecture"}  # fields: a cell that differs in one of them is not compared at all
_NO_MATTER = fields_of("member")  # fields on which seconds do not depend
_TIMED_ON = ("device", "threads", "engine", "pack_size", "gpu")  # columns on which seconds depend


@dataclass(frozen=True)
class Comparison:
    """One published number beside ours."""

    number: Number
    where: Mapping[str, Any]  # the fields that our trials share
    value: float | None  # ours, in the number's unit; None: `why` says so
    difference: float | None  # ours less the published one, or less the nearest end of its range
    spreads: dict[str, float | None]  # of ours, by the name of the statistic
    departures: tuple[str, ...]  # texts: where it is not like for like
    why: str = ""  # why there is no value


def compare_published(sweep: SweepTables) -> list[Comparison]:
    """Every published number of which this sweep has a counterpart, beside each cell that comes nearest."""
    trials = evidence(sweep)
    left = sweep.trials[sweep.trials["status"].isin(OPEN)]
    unfinished = left["cell_id"].value_counts().to_dict()
    return [
        comparison(number, cell, sum(unfinished.get(name, 0) for name in {trial.cell_id for trial in cell}))
        for number in published().numbers
        for cell in _nearest(number, trials)
    ]


def comparison(number: Number, trials: Sequence[Trial], unfinished: int = 0) -> Comparison:
    """A published number beside that of these trials, which are of one cell or, for seconds, of several.

    `unfinished` is how many trials of these cells are not finished.
    """
    found = {name: text for trial in trials for name, text in departures(number.cell, trial.fields).items()}
    epochs = window(trials, LAST)
    texts = (*found.values(), *_circumstances(number, trials, epochs, unfinished))
    first, *others = (trial.fields for trial in trials)
    where = {name: value for name, value in first.items() if all(fields[name] == value for fields in others)}
    timed = number.metric == "epoch_seconds"
    if (ended := [trial for trial in trials if trial.status in ENDED_EARLY]) and not timed:
        why = f"seed {ended[0].seed} {ended[0].status}"
        return Comparison(number, where, None, None, {}, texts, why)
    value, spreads = _seconds(trials) if timed else _objective(trials, *epochs)
    return Comparison(number, where, value, _difference(number, value), spreads, texts)


def _nearest(number: Number, trials: Sequence[Trial]) -> list[list[Trial]]:
    """The trials, cell by cell, of the cells that come nearest to the number's setting.

    Nearest are those that differ in the fewest fields that the setting names and, of these, in the fewest of all. For
    seconds, none of the named fields may differ; cells that agree in all fields on which seconds depend, and were timed
    alike, are taken together.
    """
    groups: dict[tuple[Any, ...], list[Trial]] = {}
    distance: dict[tuple[Any, ...], tuple[int, int]] = {}
    timed = number.metric == "epoch_seconds"
    for trial in trials:
        different = departures(number.cell, trial.fields).keys()
        apart = different & number.cell.keys()
        if apart & _SAME or (timed and (apart or not trial.last_epoch)):
            continue
        key = _timed_alike(trial) if timed else (trial.cell_id,)
        groups.setdefault(key, []).append(trial)
        distance[key] = len(apart), len(different - {*_NO_MATTER} if timed else different)
    return [found for key, found in groups.items() if distance[key] == min(distance.values())]


def _timed_alike(trial: Trial) -> tuple[Any, ...]:
    fields = (value for name, value in trial.fields.items() if name not in _NO_MATTER)
    return (*fields, *(trial.machine[name] for name in _TIMED_ON))


def _objective(trials: Sequence[Trial], first: int, last: int) -> tuple[float, dict[str, float | None]]:
    """The mean and the spreads over these epochs, as `summarize` computes them."""
    frames = [
        pd.DataFrame(
            {"cell_id": "", "trial": i, "epoch": range(first, last + 1), "value": t.objective[first - 1 : last]}
        )
        for i, t in enumerate(trials)
    ]
    row = statistics(pd.concat(frames)).iloc[0].to_dict()
    value = float(row.pop("mean"))
    return value, {str(name): None if np.isnan(spread) else float(spread) for name, spread in row.items()}


def _seconds(trials: Sequence[Trial]) -> tuple[float, dict[str, float | None]]:
    low, median, high = np.percentile(np.concatenate([trial.seconds for trial in trials]), (25, 50, 75))
    return float(median), dict(zip(QUARTILES, (float(low), float(high)), strict=True))


def _difference(number: Number, value: float) -> float:
    top = number.value if number.to is None else number.to
    return value - min(max(value, number.value), top)


def _circumstances(number: Number, trials: Sequence[Trial], epochs: tuple[int, int], unfinished: int) -> list[str]:
    """What, beside fields of the cells, is not as in the article: epochs, seeds, devices, packs."""
    first, last = epochs
    devices = sorted({str(trial.machine["device"] or "an unknown device") for trial in trials})
    packs = sorted({int(trial.machine["pack_size"] or 1) for trial in trials})
    shares = sorted({trial.machine["gpu"] or 0.0 for trial in trials})
    most = max(trial.beside for trial in trials)
    timed = number.metric == "epoch_seconds"
    seeds = len({trial.seed for trial in trials})
    told = {
        f"{last} of {number.epochs} epochs": number.epochs is not None and last != number.epochs,
        f"mean of {last - first + 1} epochs, not {LAST}": not timed and last - first + 1 < LAST,
        f"{seeds} of {number.seeds} seeds": number.seeds is not None and seeds < number.seeds,
        f"on {', '.join(devices)}, not {number.device}": timed,
        f"on {' and '.join(f'{share:g}' for share in shares)} of a GPU": timed and 0 < shares[0] < 1,
        f"in packs of {', '.join(map(str, packs))}": timed and packs != [1],
        side_by_side(most): timed and most > 1,
        f"{unfinished} {'trial' if unfinished == 1 else 'trials'} unfinished": unfinished > 0,
    }
    return [text for text, so in told.items() if so]
