"""Tables as data frames; `pd.read_parquet` of the same files gives the same, without checking them."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from tmc_sweep.errors import InputError
from tmc_sweep.explain import did_you_mean
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import (
    ATTEMPT_COLUMNS,
    CELL_COLUMNS,
    FIXED_COLUMNS,
    MEASURED_COLUMNS,
    OVER,
    TRIAL_COLUMNS,
    Column,
)
from tmc_sweep.store.parquet import arrow_schema, completed, read_encoded, read_if_there, read_table
from tmc_sweep.store.parts import read_fixed, read_measured, read_rows
from tmc_sweep.store.present import check_present, is_there, part_files, sweep_names

_FIXED = [column.name for column in FIXED_COLUMNS]
_TOGETHER = 2**16  # equal texts in one piece of memory
_OF_TRIAL = tuple(column for column in TRIAL_COLUMNS if column.name in (*_FIXED, "status"))


class Stored(NamedTuple):
    """Every trial of a sweep, and some measured columns of all their rows.

    trials: FIXED_COLUMNS, status (null where the trial table lacks the trial) and n_rows; those that have rows come
    first, in the order of these.
    measured: the columns; of each trial epochs 1, 2, 3, ...
    """

    trials: pd.DataFrame
    measured: pa.Table


def read_epochs(path: str | Path) -> pd.DataFrame:
    """Every epoch of every trial of the sweep whose table is the folder `path`, such as `results/grid`.

    InputError if there is none, StorageError if a part is damaged. Unevaluated and not finite values are both NaN.
    """
    trials, rows = read_stored(find(path), [column.name for column in MEASURED_COLUMNS])
    measured: pd.DataFrame = rows.to_pandas(self_destruct=True)  # both at once would be twice the memory
    trials = trials[trials["n_rows"] > 0]
    fixed = {name: _spread(trials[name], trials["n_rows"].to_numpy()) for name in _FIXED}
    return pd.concat([pd.DataFrame(fixed, measured.index, copy=False), measured], axis=1)


def _spread(values: "pd.Series[Any]", counts: NDArray[np.integer[Any]]) -> Any:
    """Each of the values as often as its count, in their own dtype; equal texts share their memory."""
    if not isinstance(values.dtype, pd.StringDtype):
        return np.repeat(values.to_numpy(), counts)
    first = np.flatnonzero(values != values.shift())  # of each run of equal ones
    runs = pd.Series(np.add.reduceat(counts, first) if len(first) else counts, values.iloc[first])
    longest = runs.groupby(level=0).max().clip(upper=_TOGETHER)
    texts = {text: pa.repeat(pa.scalar(text, pa.large_string()), count) for text, count in longest.items()}
    chunks = [
        texts[text].slice(0, count - begin) for text, count in runs.items() for begin in range(0, count, _TOGETHER)
    ]
    return pd.array(pa.chunked_array(chunks, pa.large_string()), dtype=values.dtype)


def read_stored(paths: SweepPaths, names: Sequence[str]) -> Stored:
    """These measured columns, and whose they are by the trial table; StorageError if a file is damaged."""
    parts = {part: read_measured(part, names) for part in part_files(paths)}
    trials = _trials(paths, {part: ids for part, (ids, _, _) in parts.items()}).set_index("trial_id", drop=False)
    ids = [trial_id for of_part, _, _ in parts.values() for trial_id in of_part]
    trials = trials.loc[[*ids, *trials.index.difference(ids, sort=False)]].reset_index(drop=True)
    n_rows = np.concatenate([counts for _, counts, _ in parts.values()])
    trials["n_rows"] = np.pad(n_rows, (0, len(trials) - len(ids)))
    return Stored(trials, pa.concat_tables(table for _, _, table in parts.values()))


def _trials(paths: SweepPaths, parts: Mapping[Path, Collection[str]]) -> pd.DataFrame:
    """_OF_TRIAL of each trial on record, and of those that a part has although the trial table lacks them."""
    schema = arrow_schema(_OF_TRIAL)
    trials = read_encoded(paths.trials, TRIAL_COLUMNS, schema.names) if paths.trials.exists() else schema.empty_table()
    on_record = set(trials["trial_id"].to_pylist())
    more = [completed(read_fixed(part), _OF_TRIAL) for part, ids in parts.items() if not on_record.issuperset(ids)]
    frame: pd.DataFrame = pa.concat_tables([table.cast(schema) for table in (trials, *more)]).to_pandas()
    return frame.drop_duplicates("trial_id")


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
    frame: pd.DataFrame = read_if_there(paths.attempts, ATTEMPT_COLUMNS).to_pandas()
    return frame


def read_curves(paths: SweepPaths, metric: str) -> dict[str, list[float]]:
    """The metric of each trial that has rows, epoch by epoch; NaN where it was not evaluated."""
    parts = [read_rows(part, ["trial_id", "epoch", metric]).to_pandas() for part in part_files(paths)]
    rows = pd.concat(parts).sort_values("epoch")
    return {str(name): curve.tolist() for name, curve in rows.groupby("trial_id", observed=True)[metric]}


def stored_trials(paths: SweepPaths) -> dict[str, dict[str, Any]]:
    """The trial table's rows by trial, nulls as None; empty before the sweep's first run. Errors as `check_present`."""
    check_present(paths)
    return {row["trial_id"]: row for row in read_if_there(paths.trials, TRIAL_COLUMNS).to_pylist()}


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
