"""Tables as data frames; `pd.read_parquet` of the same files gives the same, without checking them."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from tmc_sweep.errors import InputError
from tmc_sweep.explain import did_you_mean
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import ATTEMPT_COLUMNS, CELL_COLUMNS, EPOCH_COLUMNS, OVER, TRIAL_COLUMNS, Column
from tmc_sweep.store.parquet import arrow_schema, read_table
from tmc_sweep.store.parts import read_rows
from tmc_sweep.store.present import check_present, is_there, part_files, sweep_names


def read_epochs(path: str | Path) -> pd.DataFrame:
    """Every epoch of every trial of the sweep whose table is the folder `path`, such as `results/grid`.

    InputError if there is none, StorageError if a part is damaged. Unevaluated and not finite values are both NaN.
    """
    parts = part_files(find(path))
    rows = pa.concat_tables(read_rows(part).cast(arrow_schema(EPOCH_COLUMNS)) for part in parts)
    frame: pd.DataFrame = rows.to_pandas()
    return frame


def columns_of(_: SweepPaths) -> tuple[Column, ...]:
    """The columns of a sweep's tables that describe its cells: the same in every sweep, as long as none has its own."""
    return CELL_COLUMNS


def read_trials(path: str | Path) -> pd.DataFrame:
    """One row per trial of the sweep whose epoch table is the folder `path`; counts that may be null are Int64.

    InputError if there is none, StorageError if it is damaged.
    """
    paths = find(path)
    if not paths.trials.exists():
        raise InputError(f"{paths.trials} must be the sweep's trial table, but is not there yet: run the sweep")
    table = read_table(paths.trials, TRIAL_COLUMNS)
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return frame


def read_attempts(paths: SweepPaths) -> pd.DataFrame:
    """Every attempt at a trial that is on record, in the order in which they began; StorageError if it is damaged."""
    there = paths.attempts.exists()
    table = read_table(paths.attempts, ATTEMPT_COLUMNS) if there else arrow_schema(ATTEMPT_COLUMNS).empty_table()
    frame: pd.DataFrame = table.to_pandas()
    return frame


def read_curves(paths: SweepPaths, metric: str) -> dict[str, list[float]]:
    """The metric of each trial that has rows, epoch by epoch; NaN where it was not evaluated."""
    parts = [read_rows(part, ["trial_id", "epoch", metric]).to_pandas() for part in part_files(paths)]
    rows = pd.concat(parts).sort_values("epoch")
    return {str(name): curve.tolist() for name, curve in rows.groupby("trial_id", observed=True)[metric]}


def stored_trials(paths: SweepPaths) -> dict[str, dict[str, Any]]:
    """The trial table's rows by trial, nulls as None; empty before the sweep's first run. Errors as `check_present`."""
    check_present(paths)
    if not paths.trials.exists():
        return {}
    return {row["trial_id"]: row for row in read_table(paths.trials, TRIAL_COLUMNS).to_pylist()}


def epochs_to_have(trials: pd.DataFrame) -> int:
    """The epochs asked for, less those that trials which diverged or were stopped will never have."""
    over = trials["status"].isin(OVER)
    return int(trials["epochs"].where(~over, trials["epochs_done"]).sum())


def plain_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A frame's rows as plain values, NaN and NA as None."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows]


def find(path: str | Path) -> SweepPaths:
    """The paths of the sweep whose epoch table is the folder `path`.

    InputError if there is nothing of such a sweep, DamagedError if one of its files is gone.
    """
    paths = SweepPaths.of_table(path)
    if not is_there(paths):
        sweeps = sweep_names(paths.results)
        there = f"the sweeps there are {', '.join(sweeps)}" if sweeps else "no sweep was run there"
        hint = did_you_mean(paths.name, sweeps) or ": run the sweep, or name another folder"
        raise InputError(f"{paths.epochs} must be a sweep's epoch table, but there is none ({there}){hint}")
    check_present(paths)
    return paths
