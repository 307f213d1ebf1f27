"""The runs of a sweep, and the window of epochs over which a group of them is summarised: a cell's seeds, or a pair's.

A value that is not finite is never passed over: it and whatever else makes a group's statistic unknown is a reason.
"""

import logging
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from tmc_sweep.config import EPOCHS_RULE, MAX_EPOCHS
from tmc_sweep.errors import InputError
from tmc_sweep.explain import did_you_mean
from tmc_sweep.records import METRICS, VALIDATION_METRICS, Column, Status
from tmc_sweep.store.earlier import earlier_cells, earlier_configs, left_out, without
from tmc_sweep.store.read import columns_of, find, read_stored

_log = logging.getLogger(__name__)
_HOW_ENDED = {
    Status.DIVERGED: "{run} diverged in epoch {last}",
    Status.FAILED: "{run} failed after epoch {last}",
    Status.STOPPED: "{run} was stopped after epoch {last}",
}


class Runs(NamedTuple):
    """What is stored of one metric.

    trials: a row per trial: its fields, status, last_epoch, nonfinite_epoch (the first whose value is not finite),
    start (where in `values` its epochs begin), the group it counts in (its cell, unless changed) and what sentences
    call it.
    values: of the epochs 1 to last_epoch of each trial, one trial after another; null where not evaluated.
    columns: those of `trials` that describe a cell.
    left_out: why some trials are not among them; empty if none are.
    """

    trials: pd.DataFrame
    values: pa.ChunkedArray
    columns: tuple[Column, ...]
    left_out: str = ""

    @property
    def fields(self) -> list[str]:
        """The names of `columns`."""
        return [column.name for column in self.columns]

    def told(self) -> Self:
        """The same; what is left out of it is logged."""
        if self.left_out:
            _log.warning(self.left_out)
        return self


def read_runs(path: str | Path, last: int, metric: str) -> Runs:
    """The runs in the epoch table `path`, less those of earlier numerics.

    InputError if there is none, no such metric, or `last` is out of bounds.
    """
    _check(last, metric)
    paths = find(path)
    columns = columns_of(paths)
    stored, measured = read_stored(paths, [metric])
    trials = _with_facts(stored, _nonfinite(values := measured[metric]))
    trials = trials[(trials["last_epoch"] > 0) | trials["status"].isin(list(_HOW_ENDED))].reset_index(drop=True)
    trials = trials.assign(group=trials["cell_id"], run="seed " + trials["seed"].astype(str))
    return _without(Runs(trials, values, columns), earlier_cells(trials), paths.name)


def windows(trials: pd.DataFrame, last: int) -> pd.DataFrame:
    """By group, its window: the `last` epochs up to the last one that all its runs have; and how many have epochs."""
    groups = trials.groupby("group", sort=False)
    last_epoch = groups["last_epoch"].min()
    first_epoch = (last_epoch - last + 1).clip(lower=1)
    n_seeds = (trials["last_epoch"] > 0).groupby(trials["group"]).sum().reindex(last_epoch.index)
    return pd.DataFrame(
        {
            "first_epoch": first_epoch,
            "last_epoch": last_epoch,
            "n_seeds": n_seeds,
            "n_epochs": last_epoch - first_epoch + 1,
        }
    )


def in_window(runs: Runs, window: pd.DataFrame) -> pd.DataFrame:
    """The rows of each group's window: trial (position in `trials`), epoch, value, null, nonfinite, group and seed."""
    first, last = window.loc[runs.trials["group"], ["first_epoch", "last_epoch"]].to_numpy().T
    counts = last - first + 1
    trial = np.repeat(np.arange(len(counts)), counts)
    epoch = np.arange(len(trial)) - np.repeat(counts.cumsum() - counts - first, counts)
    at = runs.trials["start"].to_numpy()[trial] + epoch - 1
    value = runs.values.take(pa.array(at))
    rows = pd.DataFrame({"trial": trial, "epoch": epoch, "value": value.to_numpy(), "null": value.is_null()})
    rows["nonfinite"] = rows.index.isin(_nonfinite(value))
    codes, groups = pd.factorize(runs.trials["group"], sort=True)
    rows["group"] = pd.Categorical.from_codes(codes[trial], groups)  # a text in each row would take half of the time
    return rows.assign(seed=runs.trials["seed"].to_numpy()[trial])


def reasons(trials: pd.DataFrame, rows: pd.DataFrame, last: int, metric: str) -> dict[Any, str]:
    """Why a group has no statistic, by group: the first reason that holds, for its first such seed.

    `rows` are those that `in_window` gave.
    """
    found: dict[Any, str] = {}
    by_seed = trials.sort_values("seed", kind="stable")
    ended = by_seed[by_seed["status"].isin(list(_HOW_ENDED)) | by_seed["nonfinite_epoch"].notna()]
    for group, run, status, epochs, nonfinite in _tuples(
        ended, "group", "run", "status", "last_epoch", "nonfinite_epoch"
    ):
        found.setdefault(group, _why_ended(run, status, epochs, nonfinite, metric))
    null = rows[rows["null"]].sort_values(["seed", "epoch"]).drop_duplicates("group")
    null = null[["trial", "epoch"]].join(trials, on="trial")
    for group, run, epoch, held_out in _tuples(null, "group", "run", "epoch", "validation_images"):
        why = ", since validation_images is 0" if metric in VALIDATION_METRICS and held_out == 0 else ""
        found.setdefault(group, f"{run} has no {metric} in epoch {epoch}{why}")
    shortest = by_seed.sort_values("last_epoch", kind="stable").drop_duplicates("group")
    for group, run, epochs in _tuples(shortest[shortest["last_epoch"] < last], "group", "run", "last_epoch"):
        found.setdefault(group, f"{run} has {epochs} epochs, fewer than {last}")
    return found


def _check(last: int, metric: str) -> None:
    if not 1 <= last <= MAX_EPOCHS:
        raise InputError(f"last must be {EPOCHS_RULE}, but got {last}: the article's is 50")
    if metric not in METRICS:
        hint = did_you_mean(metric, METRICS) or ": choose one of them"
        raise InputError(f"metric must be one of {', '.join(METRICS)}, but got {metric!r}{hint}")


def _nonfinite(values: pa.ChunkedArray) -> NDArray[np.uint64]:
    """Positions of those that were evaluated, and are not finite."""
    positions: NDArray[np.uint64] = compute.indices_nonzero(compute.invert(compute.is_finite(values))).to_numpy()
    return positions


def _with_facts(stored: pd.DataFrame, nonfinite: NDArray[np.uint64]) -> pd.DataFrame:
    """The trials with last_epoch, nonfinite_epoch and start; `nonfinite` are positions among the rows."""
    end = stored["n_rows"].cumsum()
    start = end - stored["n_rows"]
    trial = np.searchsorted(end, nonfinite, side="right")
    epoch = pd.Series(nonfinite - start.to_numpy()[trial] + 1, trial).groupby(level=0).min()
    return stored.drop(columns="n_rows").assign(
        last_epoch=stored["n_rows"], nonfinite_epoch=epoch.astype("Int64"), start=start
    )


def _without(runs: Runs, cells: Collection[str], sweep: str) -> Runs:
    """The runs of other cells."""
    if not cells:
        return runs
    earlier = earlier_configs(runs.trials[runs.trials["cell_id"].isin(cells)])
    said = left_out(sweep, earlier, set(runs.trials["trial_id"]))
    return runs._replace(trials=without(runs.trials, cells), left_out=said)


def _tuples(frame: pd.DataFrame, *columns: str) -> Iterator[tuple[Any, ...]]:
    return frame[list(columns)].itertuples(index=False, name=None)


def _why_ended(run: str, status: str | None, last_epoch: int, nonfinite_epoch: int, metric: str) -> str:
    if status in _HOW_ENDED:
        return _HOW_ENDED[Status(status)].format(run=run, last=last_epoch)
    return f"{run} diverged: its {metric} is not finite in epoch {nonfinite_epoch}"
