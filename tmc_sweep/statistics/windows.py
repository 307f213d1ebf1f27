"""The runs of a sweep, and the window of epochs over which a group of them is summarised: a cell's seeds, or a pair's.

A value that is not finite is never passed over: it and whatever else makes a group's statistic unknown is a reason.
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
import pyarrow as pa

from tmc_sweep.config import EPOCHS_RULE, MAX_EPOCHS
from tmc_sweep.errors import InputError
from tmc_sweep.explain import did_you_mean
from tmc_sweep.records import CELL_COLUMNS, FIXED_COLUMNS, METRICS, VALIDATION_METRICS, Column, Status
from tmc_sweep.store.earlier import earlier_cells, earlier_configs, left_out, without
from tmc_sweep.store.parquet import arrow_schema
from tmc_sweep.store.parts import read_rows
from tmc_sweep.store.present import part_files
from tmc_sweep.store.read import columns_of, find, read_trials

_KEYS = tuple(column for column in FIXED_COLUMNS if column not in CELL_COLUMNS)
_log = logging.getLogger(__name__)
_HOW_ENDED = {
    Status.DIVERGED: "{run} diverged in epoch {last}",
    Status.FAILED: "{run} failed after epoch {last}",
    Status.STOPPED: "{run} was stopped after epoch {last}",
}


class Runs(NamedTuple):
    """What is stored of one metric.

    trials: a row per trial: its fields, status, last_epoch, nonfinite_epoch (the first whose value is not finite), the
    group it counts in (its cell, unless changed) and what sentences call it.
    rows: trial (position in `trials`), epoch, value, null, nonfinite.
    columns: those of `trials` that describe a cell.
    left_out: why some trials are in neither; empty if none are.
    """

    trials: pd.DataFrame
    rows: pd.DataFrame
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
    trials, rows = _read(part_files(paths), columns, metric)
    trials = _with_statuses(trials, read_trials(path) if paths.trials.exists() else None)
    runs = Runs(trials.assign(group=trials["cell_id"], run="seed " + trials["seed"].astype(str)), rows, columns)
    return _without(runs, earlier_cells(trials), paths.name)


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
    """The rows of each group's window, by epoch number, with their group and seed."""
    bounds = window.loc[runs.trials["group"], ["first_epoch", "last_epoch"]].to_numpy()[runs.rows["trial"]]
    rows = runs.rows[runs.rows["epoch"].between(bounds[:, 0], bounds[:, 1])]
    return rows.join(runs.trials[["group", "seed"]], on="trial")


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


def _read(parts: Sequence[Path], columns: Sequence[Column], metric: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The trials that have rows, and the rows: `trial` is the trial's position in the first."""
    schema = arrow_schema([*_KEYS, *columns])
    trials, rows, n_trials = [], [], 0
    for part in parts:
        table = read_rows(part, [*schema.names, "epoch", metric])
        code = table["trial_id"].chunk(0).indices.to_numpy() if table.num_rows else np.empty(0, np.int32)
        first = pd.Series(code).drop_duplicates().index.to_numpy()
        position = np.empty(code.max(initial=-1) + 1, np.int64)
        position[code[first]] = n_trials + np.arange(len(first))
        n_trials += len(first)
        trials.append(table.select(schema.names).take(first).cast(schema))
        null = table[metric].is_null().to_numpy()
        value = table[metric].to_numpy()
        rows.append((position[code], table["epoch"].to_numpy(), value, null, ~np.isfinite(value) & ~null))
    pieces = zip(("trial", "epoch", "value", "null", "nonfinite"), zip(*rows, strict=True), strict=True)
    frame = pd.DataFrame({name: np.concatenate(of_parts) for name, of_parts in pieces})
    return _with_facts(pa.concat_tables(trials).to_pandas(), frame), frame


def _with_facts(trials: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The trials with their last epoch, and their first one whose value is not finite."""
    return trials.assign(
        last_epoch=rows.groupby("trial")["epoch"].max(),
        nonfinite_epoch=rows[rows["nonfinite"]].groupby("trial")["epoch"].min().astype("Int64"),
    )


def _with_statuses(trials: pd.DataFrame, known: pd.DataFrame | None) -> pd.DataFrame:
    """The trials with their status, and those that ended before their first row, so that they do not go unseen."""
    if known is None:
        return trials.assign(status=None)
    ended = known[known["status"].isin(list(_HOW_ENDED)) & ~known["trial_id"].isin(trials["trial_id"])]
    unseen = ended.assign(last_epoch=0, nonfinite_epoch=None)
    trials = trials.merge(known[["trial_id", "status"]], on="trial_id", how="left")
    unseen = unseen[list(trials.columns)]
    return pd.concat([trials, unseen.astype(trials.dtypes)], ignore_index=True)


def _without(runs: Runs, cells: Collection[str], sweep: str) -> Runs:
    """The runs of other cells; rows name their trial by its new position."""
    if not cells:
        return runs
    kept = ~runs.trials["cell_id"].isin(cells).to_numpy()
    rows = runs.rows[kept[runs.rows["trial"]]]
    said = left_out(sweep, earlier_configs(runs.trials[~kept]), set(runs.trials["trial_id"]))
    rows = rows.assign(trial=(kept.cumsum() - 1)[rows["trial"]]).reset_index(drop=True)
    return Runs(without(runs.trials, cells), rows, runs.columns, said)


def _tuples(frame: pd.DataFrame, *columns: str) -> Iterator[tuple[Any, ...]]:
    return frame[list(columns)].itertuples(index=False, name=None)


def _why_ended(run: str, status: str | None, last_epoch: int, nonfinite_epoch: int, metric: str) -> str:
    if status in _HOW_ENDED:
        return _HOW_ENDED[Status(status)].format(run=run, last=last_epoch)
    return f"{run} diverged: its {metric} is not finite in epoch {nonfinite_epoch}"
