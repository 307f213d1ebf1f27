"""The epoch table: a folder of Parquet parts of 64 trials each, rewritten part by part by one writer.

A trial stays in its part for ever. A commit writes each part that changed as a new file and renames it over the old
one. So at every moment each trial has its epochs 1..n once, and any reader, also another program's, sees whole files
only. There is no journal, and nothing to compact or to deduplicate.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from tmc_sweep.config import TrialConfig
from tmc_sweep.errors import StorageError
from tmc_sweep.paths import SweepPaths, part_name, part_number, part_numbers
from tmc_sweep.records import EPOCH_COLUMNS, EpochRecord
from tmc_sweep.store import files
from tmc_sweep.store.manifest import open_manifest
from tmc_sweep.store.parquet import arrow_schema, to_parquet
from tmc_sweep.store.parts import TrialRows, read_counts, read_part, to_table
from tmc_sweep.store.seal import damaged

TRIALS_PER_PART = 64
PARTS_IN_MEMORY = 32  # at most, beside those that a commit has yet to write: 320 MB if they are full


class EpochTable:
    """Every epoch of every trial of a sweep, for its one writer, who holds `sweep_lock`.

    Rows added are in memory until `commit`. Readers need nothing of this class: they read the files (`store/read.py`).
    """

    def __init__(self, paths: SweepPaths, sweep_id: str, counts: Sequence[Mapping[str, int]]) -> None:
        self._paths = paths
        self._sweep_id = sweep_id
        self._sizes = [len(trials) for trials in counts]  # by part: how many trials it has
        self._part = {trial_id: part for part, trials in enumerate(counts) for trial_id in trials}
        self._epochs_done = {trial_id: count for trials in counts for trial_id, count in trials.items()}
        self._loaded: dict[int, dict[str, TrialRows]] = {}  # the least recently used first
        self._dirty: set[int] = set()

    @classmethod
    def open(cls, paths: SweepPaths) -> Self:
        """The stored table, made with its first, empty part if there is none.

        StorageError, and nothing is changed, if a part is missing, damaged, of another sweep or of a newer format.
        """
        sweep_id = open_manifest(paths).sweep_id
        if not files.names(paths.epochs):
            _begin(paths, sweep_id)
        files.sync(paths.results)
        files.sync(paths.epochs)
        return cls(paths, sweep_id, _read_all_counts(paths, sweep_id))

    @property
    def epochs_done(self) -> Mapping[str, int]:
        """How many epochs each trial has that has rows, those that are not yet committed included."""
        return MappingProxyType(self._epochs_done)

    def columns(self, trial_id: str) -> Mapping[str, Any]:
        """The values of FIXED_COLUMNS of a trial that has rows; KeyError if it has none."""
        return MappingProxyType(self._rows(self._part[trial_id])[trial_id].fixed)

    def last(self, trial_id: str) -> EpochRecord | None:
        """The last epoch of a trial; None if it has no row."""
        return self._rows(self._part[trial_id])[trial_id].last() if trial_id in self._part else None

    def check(self, trial_id: str, records: Sequence[EpochRecord], replace_before: int = 0) -> int:
        """How many of these epochs, from the first on, are stored already with the same outcome.

        They must follow one another without a gap, and begin at most one after the trial's last; else StorageError. An
        epoch that differs from the stored one may replace it if an attempt before `replace_before` stored that; else it
        is a RecomputedEpochError.
        """
        _check_contiguous(trial_id, self._epochs_done.get(trial_id, 0), records)
        part = self._part.get(trial_id)
        return 0 if part is None else self._rows(part)[trial_id].unchanged(records, replace_before)

    def add(self, config: TrialConfig, records: Sequence[EpochRecord], replace_before: int = 0) -> None:
        """Add these epochs of one trial if `check` lets them pass; after an error of `check` nothing has changed."""
        self.take(config, records, self.check(config.trial_id, records, replace_before) if records else 0)

    def take(self, config: TrialConfig, records: Sequence[EpochRecord], unchanged: int) -> None:
        """Add these epochs of one trial, which `check` has let pass, in memory until `commit`.

        The first `unchanged` of them are stored already; their stored rows stay, with their times. The others replace
        all stored rows of the trial from their first epoch on.
        """
        trial_id, new = config.trial_id, records[unchanged:]
        if new:
            part = self._part.get(trial_id, self._part_with_room())
            trials = self._rows(part)
            rows = trials.get(trial_id) or TrialRows.of(config)
            rows.put(new)
            trials[trial_id] = rows
            self._settle(trial_id, part)
            self._epochs_done[trial_id] = rows.measured.num_rows
            self._dirty.add(part)

    def commit(self) -> None:
        """Make the added rows durable; after a StorageError they are all still here, and a later commit may succeed."""
        for part in sorted(self._dirty):
            content = to_parquet(to_table(self._loaded[part].values()), self._sweep_id)
            files.write(self._paths.part(part), content, self._paths.temporary)
            self._dirty.remove(part)

    def _part_with_room(self) -> int:
        """The first part with room: the last one or the next, unless `fill_gaps` made an earlier one anew."""
        return next((part for part, size in enumerate(self._sizes) if size < TRIALS_PER_PART), len(self._sizes))

    def _settle(self, trial_id: str, part: int) -> None:
        if trial_id not in self._part:
            self._part[trial_id] = part
            self._sizes += [0] * (part == len(self._sizes))
            self._sizes[part] += 1

    def _rows(self, part: int) -> dict[str, TrialRows]:
        """The trials of a part, from memory if it was used lately, else read and verified."""
        if part not in self._loaded:
            self._forget_clean()
            stored = part < len(self._sizes)
            self._loaded[part] = read_part(self._paths.part(part), self._sweep_id) if stored else {}
        self._loaded[part] = self._loaded.pop(part)  # now the last used
        return self._loaded[part]

    def _forget_clean(self) -> None:
        clean = [part for part in self._loaded if part not in self._dirty]
        for part in clean[: max(0, len(self._loaded) - PARTS_IN_MEMORY + 1)]:
            del self._loaded[part]


def fill_gaps(paths: SweepPaths, sweep_id: str) -> list[Path]:
    """Make the parts that are missing before the last one, empty; their paths. For `repair`."""
    numbers = part_numbers(files.names(paths.epochs))
    missing = sorted(set(range(max(numbers, default=0))) - set(numbers))
    for number in missing:
        files.write(paths.part(number), _empty(sweep_id), paths.temporary)
    return [paths.part(number) for number in missing]


def _begin(paths: SweepPaths, sweep_id: str) -> None:
    """Make the table with its first part, also where its folder is there already, empty but for hidden files."""
    if paths.epochs.exists():
        files.write(paths.part(0), _empty(sweep_id), paths.temporary)
    else:
        files.write_folder(paths.epochs, [(paths.part(0).name, _empty(sweep_id))], paths.temporary)


def _empty(sweep_id: str) -> bytes:
    return to_parquet(arrow_schema(EPOCH_COLUMNS).empty_table(), sweep_id)


def _read_all_counts(paths: SweepPaths, sweep_id: str) -> list[dict[str, int]]:
    found = files.names(paths.epochs)
    for name in found:
        if part_number(name) is None:
            raise StorageError(f"{paths.epochs} must hold parts of the table only, but has {name}: move it elsewhere")
    for number, name in enumerate(found):
        if name != part_name(number):
            raise damaged(paths.part(number), "it is missing")
    counts = [read_counts(paths.part(part), sweep_id) for part in range(len(found))]
    seen: set[str] = set()
    for part, trials in enumerate(counts):
        if twice := seen & trials.keys():
            raise damaged(paths.part(part), f"trial {min(twice)} is also in an earlier part")
        seen |= trials.keys()
    return counts


def _check_contiguous(trial_id: str, done: int, records: Sequence[EpochRecord]) -> None:
    expected = min(records[0].epoch, done + 1)
    for record in records:
        if record.trial_id != trial_id:
            raise StorageError(
                f"the rows of trial {trial_id} must name it, but one names {record.trial_id}: report this"
            )
        if record.epoch != expected or record.epoch < 1:
            raise StorageError(
                f"trial {trial_id} must get its epochs one after another, but got {record.epoch} "
                f"where {expected} is due: run again, which trains from the last checkpoint"
            )
        expected += 1
