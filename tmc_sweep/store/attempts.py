"""The attempt table: a row for each time that a trial was begun: where, with what, in which pack, and how it ended.

The trial table keeps a trial's last attempt only. An attempt's row is durable before the trial table counts it.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Self

from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import ATTEMPT_COLUMNS, INTERRUPTED
from tmc_sweep.store import files
from tmc_sweep.store.manifest import open_manifest
from tmc_sweep.store.parquet import read_if_there, rows_to_parquet

AttemptRow = Mapping[str, Any]  # keyed by column
ATTEMPT_KEY = ("trial_id", "attempt")
_NAMES = tuple(column.name for column in ATTEMPT_COLUMNS)


def name_of_pack(members: Sequence[str]) -> str:
    """The name of a pack in the table: 12 hex digits of a hash of its members' names, in whatever order."""
    return hashlib.sha256(" ".join(sorted(members)).encode()).hexdigest()[:12]


class AttemptTable:
    """Every attempt at the trials of a sweep, in the order in which they began.

    Changes are in memory until `commit`. Its one writer holds `sweep_lock`.
    """

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
        return cls(paths, sweep_id, read_if_there(paths.attempts, ATTEMPT_COLUMNS, sweep_id).to_pylist())

    def get(self, trial_id: str, attempt: int) -> AttemptRow | None:
        """The attempt's row, by column; None if it is not on record, as attempts of 0.1.0 are not."""
        row = self._rows.get((trial_id, attempt))
        return MappingProxyType(row) if row else None

    def begin(self, row: AttemptRow) -> None:
        """Put an attempt on record, by column; an earlier one of the trial that has no end yet was interrupted."""
        trial_id, attempt = row["trial_id"], row["attempt"]
        self.end(trial_id, INTERRUPTED, None)
        self._rows[trial_id, attempt] = {name: row.get(name) for name in _NAMES}
        if row.get("end") is None:
            self._going[trial_id] = attempt
        self._dirty = True

    def end(self, trial_id: str, end: str, ended: datetime | None) -> None:
        """Record how the trial's present attempt ended, if there is one, and when; None if that is not known."""
        if attempt := self._going.pop(trial_id, None):
            self._rows[trial_id, attempt] |= {"end": end, "ended": ended}
            self._dirty = True

    def interrupt_all(self, ended: datetime | None) -> None:
        """Record that nothing is running any more: attempts without an end were interrupted."""
        for trial_id in list(self._going):
            self.end(trial_id, INTERRUPTED, ended)

    def commit(self) -> None:
        """Make the changes durable; after a StorageError all of them are still here, and a later commit may succeed."""
        if self._dirty:
            content = rows_to_parquet(self._rows.values(), ATTEMPT_COLUMNS, self._sweep_id)
            files.write(self._paths.attempts, content, self._paths.temporary)
            self._dirty = False
