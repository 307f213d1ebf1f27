"""Paired differences: cells that differ in one field, compared seed by seed.

Trials with one seed share initial values, the order of the data and the noise, as far as their settings allow. Much of
what varies from seed to seed thus cancels in their difference, and the interval is narrower than that of two
independent means.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tmc_sweep.config import IDENTITY_DEFAULTS
from tmc_sweep.errors import InputError
from tmc_sweep.explain import did_you_mean
from tmc_sweep.paths import SweepPaths
from tmc_sweep.statistics.declared import declared_statistic
from tmc_sweep.statistics.labels import differing_fields
from tmc_sweep.statistics.windows import Runs, in_window, read_runs, reasons, windows
from tmc_sweep.store.read import columns_of, plain_rows
from tmc_sweep.text import plain

CONFIDENCE = 0.95
_DIFFERENCES = ["first_epoch", "last_epoch", "mean_difference", "std_difference", "low", "high", "n_seeds", "reason"]


class _Pair(NamedTuple):
    """Two cells that agree in every field but one, by field; the difference is `other` less `baseline`."""

    baseline: Mapping[str, Any]
    other: Mapping[str, Any]


def paired_differences(
    path: str | Path, by: str = "objective", last: int | None = None, metric: str | None = None
) -> pd.DataFrame:
    """One row per pair of cells that agree in every field but `by`, of the sweep in the epoch table `path`.

        paired_differences("results/grid", by="objective")        # tmc less iwae, for each K and lr

    In a group of cells that agree, all are compared with one baseline: the cell with the article's value of `by`, if it
    has one (`std` for gradient), else with the least value (iwae before tmc, 5 before 20). A field that follows from
    another need not agree: `eval_k` where it is K throughout, the images where all of a data set are used.

    `last` is the window's length in epochs, and `metric` a column of the epoch table; where they are not given they are
    as in the search space.

    Columns:

    - the other fields of a cell, null where the two do not agree; `by`, `baseline` and `value`; `metric`, `last`
    - `first_epoch`, `last_epoch`: the window, which ends with the last epoch that all compared runs have
    - `mean_difference`, in nats per image: mean over the seeds that both cells have of `value`'s mean over the window
      less the baseline's
    - `std_difference`: its std (ddof 1) over these seeds
    - `low`, `high`: the 95 % interval of Student's t for the mean
    - `n_seeds`: how many seeds both cells have
    - `reason`: why differences or interval are null, in one sentence; else null

    Cells of earlier numerics are left out, and a warning is logged. InputError if there is no such table, field or
    metric, or `last` is out of bounds; StorageError if the tables are damaged.
    """
    paths = SweepPaths.of_table(path)
    fields = [column.name for column in columns_of(paths)]
    if by not in fields:
        hint = did_you_mean(by, fields) or f": the fields are {', '.join(fields)}"
        raise InputError(f"cells must be compared by one of their fields, but got {by!r}{hint}")
    declared = declared_statistic(paths, last, metric)
    runs = read_runs(path, declared.last, declared.metric).told()
    return differences_of(runs, by, declared.last, declared.metric)


def differences_of(runs: Runs, by: str, last: int, metric: str) -> pd.DataFrame:
    """What `paired_differences` gives, of runs that were read with this `last` and `metric`."""
    cells = runs.trials.drop_duplicates("cell_id").sort_values([*runs.fields, "cell_id"])
    pairs = _pairs(plain_rows(cells[["cell_id", *runs.fields]]), runs.fields, by)
    sides = {
        group: [(cell["cell_id"], f" of {by} {plain(cell[by])}") for cell in pair] for group, pair in enumerate(pairs)
    }
    found = differences(_compared(runs, sides), pd.RangeIndex(len(pairs)), last, metric)
    others = [name for name in runs.fields if name != by]
    frame = pd.DataFrame([_agreed(pair, by) for pair in pairs], columns=[*others, "by", "baseline", "value"])
    return pd.concat([frame.assign(metric=metric, last=last), found], axis=1)


def differences_to_first(runs: Runs, cells: Sequence[str], last: int, metric: str) -> pd.DataFrame:
    """Each of the cells less the first of them: the columns of _DIFFERENCES by cell_id, without the first cell."""
    sides = {cell: [(cells[0], " of the first"), (cell, f" of {cell}")] for cell in cells[1:]}
    return differences(_compared(runs, sides), pd.Index(list(sides), dtype="str"), last, metric)


def _pairs(cells: Sequence[Mapping[str, Any]], fields: Sequence[str], by: str) -> list[_Pair]:
    same = [name for name in differing_fields(cells, fields) if name != by]
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for cell in cells:
        groups.setdefault(tuple(cell[name] for name in same), []).append(cell)
    usual = IDENTITY_DEFAULTS.get(by)
    ordered = [sorted(group, key=lambda cell: (cell[by] != usual, cell[by])) for group in groups.values()]
    return [_Pair(group[0], other) for group in ordered for other in group[1:]]


def half_width(std: Any, n: Any) -> Any:
    """Half the width of Student's 95 % interval of a mean of `n` values with this std (ddof 1); numbers or columns."""
    from scipy.special import stdtrit  # a tenth of a second, which a summary does without

    return stdtrit(n - 1, (1 + CONFIDENCE) / 2) * std / np.sqrt(n)


def _agreed(pair: _Pair, by: str) -> dict[str, Any]:
    agreed = {name: value if pair.other[name] == value else None for name, value in pair.baseline.items()}
    return {**agreed, "by": by, "baseline": pair.baseline[by], "value": pair.other[by]}


def _compared(runs: Runs, sides: Mapping[Any, Sequence[tuple[str, str]]]) -> Runs:
    """The runs to compare, in groups of two cells, less those of seeds that only one of the two has.

    `sides` has for each group the baseline and the other cell, each as its cell_id and what follows "seed 0" in the
    name of its runs. In the result, `sign` is -1 for the baseline's runs and 1 for the other's.
    """
    told = [
        (group, sign, cell_id, of)
        for group, pair in sides.items()
        for sign, (cell_id, of) in zip((-1, 1), pair, strict=True)
    ]
    trials = runs.trials.drop(columns="group")
    trials = pd.DataFrame(told, columns=["group", "sign", "cell_id", "of"]).merge(trials, on="cell_id")
    return of_common_seeds(runs._replace(trials=trials.assign(run=trials["run"] + trials["of"])))


def of_common_seeds(runs: Runs) -> Runs:
    """The runs of the seeds that both sides of a group have; `trials` must have a column `sign`."""
    both = runs.trials.groupby(["group", "seed"])["sign"].transform("size") == 2
    return runs._replace(trials=runs.trials[both].reset_index(drop=True))


def differences(runs: Runs, groups: "pd.Index[Any]", last: int, metric: str) -> pd.DataFrame:
    """The columns of _DIFFERENCES by group, of runs whose `sign` is -1 on the subtracted side and 1 on the other."""
    window = windows(runs.trials, last)
    rows = in_window(runs, window)
    unknown = reasons(runs.trials, rows, last, metric)
    mean = rows[~rows["group"].isin(list(unknown))].groupby("trial")["value"].mean().reindex(runs.trials.index)
    seeds = (mean * runs.trials["sign"]).groupby([runs.trials["group"], runs.trials["seed"]]).sum(min_count=2)
    of_pair = seeds.groupby("group")
    found = window[["first_epoch", "last_epoch"]].reindex(groups)
    found["mean_difference"], found["std_difference"] = of_pair.mean(), of_pair.std(ddof=1)
    found["n_seeds"] = n = of_pair.size().reindex(found.index, fill_value=0)
    half = half_width(found["std_difference"], n)
    found["low"], found["high"] = found["mean_difference"] - half, found["mean_difference"] + half
    too_few = n.map({0: "the cells have no seed in common", 1: "one common seed, and an interval needs two"})
    found["reason"] = pd.Series(unknown, dtype="str").reindex(found.index).fillna(too_few)
    return found[_DIFFERENCES]
