"""The last-epochs statistic of each cell (science, section 6): every mean and spread has a name and a stated ddof.

Article, section 4.2: mean and std (ddof 0) over the last 50 epochs; it does not say whether its runs were averaged
first. `std_epochs` averages the seeds' curves first, `std_epochs_within` does not; `std_seeds` is between runs.
A value that is not finite is never passed over: it makes its cell's statistics null, and `reason` says so.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tmc_sweep.errors import InputError
from tmc_sweep.explain import did_you_mean
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import CELL_COLUMNS, EPOCH_COLUMNS, METRICS, SUMMARY_COLUMNS, Status
from tmc_sweep.tables import files
from tmc_sweep.tables.manifest import open_manifest
from tmc_sweep.tables.read import find, part_files, read_columns, read_trials
from tmc_sweep.tables.schema import arrow_schema, to_parquet

_CELL = [column.name for column in CELL_COLUMNS]
_TRIAL = ["trial_id", "cell_id", "seed", *_CELL]
_TRIAL_SCHEMA = pa.schema([field for name in _TRIAL for field in arrow_schema(EPOCH_COLUMNS) if field.name == name])
_STATISTICS = ["mean", "std_epochs", "std_epochs_within", "std_seeds"]
_ENDED_EARLY = {
    Status.DIVERGED: "seed {seed} diverged in epoch {last}",
    Status.FAILED: "seed {seed} failed after epoch {last}",
    Status.STOPPED: "seed {seed} was stopped after epoch {last}",
}


def summarize(path: str | Path, last: int = 50, metric: str = "test_objective") -> pd.DataFrame:
    """One row per cell of the sweep whose epoch table is `path`: SUMMARY_COLUMNS, in the order of the cells' fields.

    The window is the `last` epochs up to the last one that every seed with rows has. InputError if there is no such
    table or metric, or `last` is not positive.
    """
    _check(last, metric)
    paths = find(path)
    trials, rows = _read(part_files(paths), metric)
    trials = _with_statuses(trials, read_trials(path) if paths.trials.exists() else None)
    cells = _cells(trials, last)
    window = _window(rows, trials, cells)
    cells["n_nonfinite"] = window.groupby("cell_id")["nonfinite"].sum().reindex(cells.index, fill_value=0)
    reasons = _reasons(trials, cells, window, last, metric)
    cells["reason"] = pd.Series(reasons, dtype="str").reindex(cells.index)
    cells[_STATISTICS] = statistics(window[~window["cell_id"].isin(list(reasons))]).reindex(cells.index)
    cells = cells.reset_index().assign(metric=metric, last=last)
    return cells.sort_values([*_CELL, "cell_id"], ignore_index=True)[[column.name for column in SUMMARY_COLUMNS]]


def write_summary(paths: SweepPaths, frame: pd.DataFrame) -> None:
    """Store a summary as the sweep's `<name>.summary.parquet`, atomically."""
    table = pa.Table.from_pandas(frame, arrow_schema(SUMMARY_COLUMNS), preserve_index=False)
    sweep_id = open_manifest(paths).sweep_id
    files.write(paths.summary, to_parquet(table.replace_schema_metadata(None), sweep_id), paths.temporary)


def _check(last: int, metric: str) -> None:
    if last <= 0:
        raise InputError(f"last must be a positive number of epochs, but got {last}: the article's is 50")
    if metric not in METRICS:
        hint = did_you_mean(metric, METRICS) or ": choose one of them"
        raise InputError(f"metric must be one of {', '.join(METRICS)}, but got {metric!r}{hint}")


def _read(parts: Sequence[Path], metric: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The trials that have rows, and the rows: `trial` is the trial's position in the first."""
    trials, rows, n_trials = [], [], 0
    for part in parts:
        table = read_columns(part, [*_TRIAL, "epoch", metric])
        code = table["trial_id"].chunk(0).indices.to_numpy() if table.num_rows else np.empty(0, np.int32)
        first = pd.Series(code).drop_duplicates().index.to_numpy()
        position = np.empty(code.max(initial=-1) + 1, np.int64)
        position[code[first]] = n_trials + np.arange(len(first))
        n_trials += len(first)
        trials.append(table.select(_TRIAL).take(first).cast(_TRIAL_SCHEMA))
        null = table[metric].is_null().to_numpy()
        value = table[metric].to_numpy()
        rows.append((position[code], table["epoch"].to_numpy(), value, null, ~np.isfinite(value) & ~null))
    columns = zip(("trial", "epoch", "value", "null", "nonfinite"), zip(*rows, strict=True), strict=True)
    frame = pd.DataFrame({name: np.concatenate(pieces) for name, pieces in columns})
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
    ended = known[known["status"].isin(list(_ENDED_EARLY)) & ~known["trial_id"].isin(trials["trial_id"])]
    trials = trials.merge(known[["trial_id", "status"]], on="trial_id", how="left")
    unseen = ended[[*_TRIAL, "status"]].assign(last_epoch=0, nonfinite_epoch=None)
    return pd.concat([trials, unseen.astype(trials.dtypes)], ignore_index=True)


def _cells(trials: pd.DataFrame, last: int) -> pd.DataFrame:
    """The cells by cell_id, with the window that all their seeds have."""
    cells = trials.drop_duplicates("cell_id").set_index("cell_id")[_CELL]
    last_epoch = trials.groupby("cell_id")["last_epoch"].min().reindex(cells.index)
    first_epoch = (last_epoch - last + 1).clip(lower=1)
    n_seeds = (trials["last_epoch"] > 0).groupby(trials["cell_id"]).sum().reindex(cells.index)
    return cells.assign(
        first_epoch=first_epoch, last_epoch=last_epoch, n_seeds=n_seeds, n_epochs=last_epoch - first_epoch + 1
    )


def _window(rows: pd.DataFrame, trials: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """The rows of each cell's window, by epoch number, with their cell and seed."""
    bounds = cells.loc[trials["cell_id"], ["first_epoch", "last_epoch"]].to_numpy()[rows["trial"]]
    window = rows[rows["epoch"].between(bounds[:, 0], bounds[:, 1])]
    return window.join(trials[["cell_id", "seed"]], on="trial")


def _reasons(trials: pd.DataFrame, cells: pd.DataFrame, window: pd.DataFrame, last: int, metric: str) -> dict[str, str]:
    """Why a cell has no statistic, by cell_id: the first reason that holds, for its first such seed."""
    reasons: dict[str, str] = {}
    trials = trials.sort_values("seed")
    ended = trials[trials["status"].isin(list(_ENDED_EARLY)) | trials["nonfinite_epoch"].notna()]
    for cell, seed, status, epochs, nonfinite in _tuples(
        ended, "cell_id", "seed", "status", "last_epoch", "nonfinite_epoch"
    ):
        reasons.setdefault(cell, _why_ended(seed, status, epochs, nonfinite, metric))
    null = window[window["null"]].sort_values(["seed", "epoch"]).drop_duplicates("cell_id")
    for cell, seed, epoch in _tuples(null, "cell_id", "seed", "epoch"):
        none_held_out = metric.startswith("val_") and cells.at[cell, "validation_images"] == 0
        why = ", since validation_images is 0" if none_held_out else ""
        reasons.setdefault(cell, f"seed {seed} has no {metric} in epoch {epoch}{why}")
    shortest = trials.sort_values("last_epoch", kind="stable").drop_duplicates("cell_id")
    for cell, seed, epochs in _tuples(shortest[shortest["last_epoch"] < last], "cell_id", "seed", "last_epoch"):
        reasons.setdefault(cell, f"seed {seed} has {epochs} epochs, fewer than {last}")
    return reasons


def _tuples(frame: pd.DataFrame, *columns: str) -> Iterator[tuple[Any, ...]]:
    return frame[list(columns)].itertuples(index=False, name=None)


def _why_ended(seed: int, status: str | None, last_epoch: int, nonfinite_epoch: int, metric: str) -> str:
    if status in _ENDED_EARLY:
        return _ENDED_EARLY[Status(status)].format(seed=seed, last=last_epoch)
    return f"seed {seed} diverged: its {metric} is not finite in epoch {nonfinite_epoch}"


def statistics(window: pd.DataFrame) -> pd.DataFrame:
    """The statistics by cell_id; the rows (cell_id, trial, epoch, value) are of cells whose every value is finite."""
    runs = window.groupby(["cell_id", "trial"])["value"]
    means, stds = runs.mean().groupby("cell_id"), runs.std(ddof=0).groupby("cell_id")
    curve = window.groupby(["cell_id", "epoch"])["value"].mean().groupby("cell_id")
    return pd.DataFrame(
        {
            "mean": means.mean(),
            "std_epochs": curve.std(ddof=0),
            "std_epochs_within": stds.mean(),
            "std_seeds": means.std(ddof=1),
        }
    )
