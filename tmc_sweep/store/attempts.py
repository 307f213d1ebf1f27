"""The attempt table: one row for each time that training of a trial was started: where, with what, and how it ended.

The trial table keeps the last attempt only. Each row is durable before the trial table counts its attempt.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Self

import pyarrow as pa

from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import ATTEMPT_COLUMNS, INTERRUPTED
from tmc_sweep.store import files
from tmc_sweep.store.manifest import open_manifest
from tmc_sweep.store.parquet import arrow_schema, read_table, to_parquet

AttemptRow = Mapping[str, Any]  # keyed by column
ATTEMPT_KEY = ("trial_id", "attempt")
_NAMES = tuple(column.name for column in ATTEMPT_COLUMNS)


def name_of_pack(members: Sequence[str]) -> str:
    """What the table calls trials that are trained together: the first 12 hex digits of a hash of their names."""
    return hashlib.sha256(" ".join(sorted(members)).encode()).hexdigest()[:12]


class AttemptTable:
    """Every attempt at the trials of a sweep, in the order in which they began. Its one writer holds `sweep_lock`."""

    def __init__(self, paths: SweepPaths, sweep_id: str, rows: Iterable[dict[str, Any]]) -> None:
        self._paths = paths
        self._sweep_id = sweep_id
        self._rows = {(row["trial_id"], row["attempt"]): row for row in rows}
        self._going = {trial_id: attempt for (trial_id, attempt), row in self._rows.items() if row["end"] is None}
        self._dirty = not paths.attempts.exists()

    @classmethod
    def open(cls, paths: SweepPaths) -> Self:
        """The stored table, or an empty one; StorageError if it is damaged, of another sweep or of a newer format."""
        sweep_id = open_manifest(paths).sweep_id
        stored = read_table(paths.attempts, ATTEMPT_COLUMNS, sweep_id).to_pylist() if paths.attempts.exists() else []
        return cls(paths, sweep_id, stored)

    def get(self, trial_id: str, attempt: int) -> AttemptRow | None:
        """The attempt's row, keyed by column; None where it is unknown, as those of 0.1.0 are."""
        row = self._rows.get((trial_id, attempt))
        return MappingProxyType(row) if row else None

    def begin(self, row: AttemptRow) -> None:
        """Put an attempt on record; the trial's earlier one, if it had no end yet, was interrupted."""
        trial_id, attempt = row["trial_id"], row["attempt"]
        self.end(trial_id, INTERRUPTED, None)
        self._rows[trial_id, attempt] = {name: row.get(name) for name in _NAMES}
        if row.get("end") is None:
            self._going[trial_id] = attempt
        self._dirty = True

    def end(self, trial_id: str, end: str, ended: datetime | None) -> None:
        """Record how the trial's attempt ended, if one is going on, and when, if that is known."""
        if attempt := self._going.pop(trial_id, None):
            self._rows[trial_id, attempt] |= {"end": end, "ended": ended}
            self._dirty = True

    def interrupt_all(self, ended: datetime | None) -> None:
        """Record that nothing is running any more; a run that was killed left no end."""
        for trial_id in list(self._going):
            self.end(trial_id, INTERRUPTED, ended)

    def commit(self) -> None:
        """Make the table durable; after a StorageError everything is still here, and a later commit may succeed."""
        if not self._dirty:
            return
        table = pa.Table.from_pylist(list(self._rows.values()), arrow_schema(ATTEMPT_COLUMNS))
        files.write(self._paths.attempts, to_parquet(table, self._sweep_id), self._paths.temporary)
        self._dirty = False
