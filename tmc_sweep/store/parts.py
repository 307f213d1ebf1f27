"""One part of the epoch table: the rows of up to 64 trials, in memory and in its file.

Of each trial the measured columns are one small Arrow table, to which epochs are added. Its configuration is held once,
and spread over the rows only when the part is written, as indices into a dictionary. A commit thus converts no row that
is stored from Python objects.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from tmc_sweep.config import TrialConfig
from tmc_sweep.errors import StorageError
from tmc_sweep.records import (
    EPOCH_COLUMNS,
    FIXED_COLUMNS,
    MEASURED_COLUMNS,
    OUTCOME_COLUMNS,
    EpochRecord,
    fixed_values,
)
from tmc_sweep.store.parquet import TYPES, arrow_schema, read_encoded
from tmc_sweep.store.seal import damaged

_Ints = NDArray[np.integer[Any]]
_CHUNKS = 32  # pieces of a trial's rows in memory, before they are joined into one
_FIXED = [column.name for column in FIXED_COLUMNS]
_MEASURED = arrow_schema(MEASURED_COLUMNS)


class RecomputedEpochError(StorageError):
    """An epoch that was trained again by the same means did not come out as it is stored."""


@dataclass
class TrialRows:
    """The rows of one trial: epochs 1, 2, 3, … without a gap."""

    fixed: dict[str, Any]  # values of FIXED_COLUMNS, the same in every row
    measured: pa.Table  # MEASURED_COLUMNS, a row per epoch

    @classmethod
    def of(cls, config: TrialConfig) -> Self:
        """The rows of a trial that has none yet."""
        return cls(fixed_values(config), _MEASURED.empty_table())

    def unchanged(self, records: Sequence[EpochRecord], replace_before: int) -> int:
        """How many of these records, which follow one another, are stored with the same outcome, from the first on.

        RecomputedEpochError if the next one differs from a stored row of attempt `replace_before` or a later one.
        """
        skipped = records[0].epoch - 1
        again = records[: max(0, self.measured.num_rows - skipped)]
        equal, difference = self._compare(skipped, again)
        if difference and self.record(again[equal].epoch).attempt >= replace_before:
            raise RecomputedEpochError(difference)
        return equal

    def put(self, records: Sequence[EpochRecord]) -> None:
        """Replace all rows from the first of these records' epoch on by these records, one at least."""
        self.measured = pa.concat_tables([self.measured.slice(0, records[0].epoch - 1), _to_arrow(records)])
        if self.measured["epoch"].num_chunks > _CHUNKS:
            self.measured = self.measured.combine_chunks()

    def last(self) -> EpochRecord | None:
        """The record of the last epoch; None if there is no row."""
        return self.record(self.measured.num_rows) if self.measured.num_rows else None

    def disagrees(self, history: Sequence[EpochRecord]) -> EpochRecord | None:
        """The first record of a history from epoch 1 on that is stored with another outcome; None if none is."""
        equal, difference = self._compare(0, history[: self.measured.num_rows])
        return history[equal] if difference else None

    def record(self, epoch: int) -> EpochRecord:
        """The record of an epoch that has a row, counted from 1."""
        return EpochRecord(trial_id=self.fixed["trial_id"], **self.measured.slice(epoch - 1, 1).to_pylist()[0])

    def _compare(self, skipped: int, again: Sequence[EpochRecord]) -> tuple[int, str]:
        """How many of these records equal the rows after the first `skipped`, and a sentence about the next, if any."""
        outcomes = self.measured.slice(skipped, len(again)).select(OUTCOME_COLUMNS)
        stored_rows = zip(*(column.to_pylist() for column in outcomes.columns), strict=True)
        for index, (record, stored_row) in enumerate(zip(again, stored_rows, strict=True)):
            for name, got, stored in zip(OUTCOME_COLUMNS, record.outcome(), stored_row, strict=True):
                if not same(stored, got):
                    return index, (
                        f"trial {record.trial_id}, trained again, must reproduce its stored epoch {record.epoch}, but "
                        f"{name} is {got}, stored as {stored}: use the first run's torch build, device and threads, "
                        "or move the sweep's files away to train it anew"
                    )
        return len(again), ""


def same(a: float | None, b: float | None) -> bool:
    """Whether two values of an outcome are equal: None equals None, and NaN equals NaN."""
    return a == b or (a is not None and b is not None and math.isnan(a) and math.isnan(b))


def _to_arrow(records: Sequence[EpochRecord]) -> pa.Table:
    columns = [pa.array([getattr(record, field.name) for record in records], field.type) for field in _MEASURED]
    return pa.table(columns, schema=_MEASURED)


def to_table(trials: Iterable[TrialRows]) -> pa.Table:
    """A part's table of these trials' rows, trial after trial: EPOCH_COLUMNS, texts as dictionaries."""
    trials = list(trials)
    measured = pa.concat_tables([_MEASURED.empty_table(), *(trial.measured for trial in trials)]).combine_chunks()
    which = pa.array(np.repeat(np.arange(len(trials)), [trial.measured.num_rows for trial in trials]), pa.int32())
    fixed = []
    for column in FIXED_COLUMNS:
        values = pa.array([trial.fixed[column.name] for trial in trials], TYPES[column.dtype])
        fixed.append(_spread(values, which))
    return pa.table([*fixed, *measured.columns], names=[column.name for column in EPOCH_COLUMNS])


def _spread(values: pa.Array, which: pa.Array) -> pa.Array:
    if values.type != pa.string():
        return values.take(which)
    distinct = values.dictionary_encode()
    return pa.DictionaryArray.from_arrays(distinct.indices.take(which), distinct.dictionary)


def read_part(path: Path, sweep_id: str) -> dict[str, TrialRows]:
    """The trials of a stored part by trial_id, checked to the bit.

    StorageError if the file is damaged, newer or of another sweep, or a trial's epochs are not 1, 2, 3, ….
    """
    table, starts, counts = _read(path, None, sweep_id)
    measured = table.select([column.name for column in MEASURED_COLUMNS])
    rows = table.select(_FIXED).take(starts).to_pylist()
    return {
        fixed["trial_id"]: TrialRows(fixed, measured.slice(start, count))
        for fixed, start, count in zip(rows, starts.tolist(), counts.tolist(), strict=True)
    }


def read_counts(path: Path, sweep_id: str) -> dict[str, int]:
    """How many epochs each trial of a stored part has, in the part's order. Errors as `read_part`."""
    table, starts, counts = _read(path, ["epoch"], sweep_id)
    return dict(zip(table["trial_id"].take(starts).to_pylist(), counts.tolist(), strict=True))


def read_fixed(path: Path) -> pa.Table:
    """FIXED_COLUMNS of a part's trials, a row each, strings as dictionaries; errors as `read_part`."""
    table, starts, _ = _read(path, _FIXED, None)
    return table.select(_FIXED).take(starts)


def read_measured(path: Path, names: Sequence[str]) -> tuple[list[str], _Ints, pa.Table]:
    """Some measured columns of a part: its trials, how many rows each has, and the columns; errors as `read_part`.

    That a trial's rows are epochs 1, 2, 3, ... is looked at only where epoch is one of the columns: who wrote the part
    has seen to it, as does whoever goes on with it.
    """
    table, starts, counts = _read(path, names, None)
    return table["trial_id"].take(starts).to_pylist(), counts, table.select(names)


def read_rows(path: Path, names: Sequence[str] | None = None) -> pa.Table:
    """The rows of a part, or the columns `names` of them, texts as dictionaries.

    The part may be of any sweep, and only the pages that are read are checked; otherwise errors as `read_part`.
    """
    table, _, _ = _read(path, names and ["epoch", *names], None)
    return table.select(names) if names else table


def _read(path: Path, names: Sequence[str] | None, sweep_id: str | None) -> tuple[pa.Table, _Ints, _Ints]:
    """The table, with trial_id in any case; of each trial the position of its first row and the number of its rows."""
    table = read_encoded(path, EPOCH_COLUMNS, names and ["trial_id", *names], sweep_id)
    codes = table["trial_id"].combine_chunks().indices if table.num_rows else pa.array([], pa.int32())
    runs = compute.run_end_encode(codes)
    counts = np.diff(runs.run_ends.to_numpy(), prepend=0)
    starts = counts.cumsum() - counts
    apart = len(runs.values.unique()) < len(starts)
    if apart or ("epoch" in table.column_names and not _from_one(table["epoch"].to_numpy(), counts)):
        raise damaged(path, "a trial's epochs are not 1, 2, 3, ... once each, in order")
    return table, starts, counts


def _from_one(epoch: _Ints, counts: _Ints) -> bool:
    """Whether the epochs of so many rows each are 1, 2, 3, ..."""
    return np.array_equal(epoch, np.arange(1, len(epoch) + 1) - np.repeat(counts.cumsum() - counts, counts))
