"""The epoch table: bucketed copy-on-write Parquet with one writer; any reader sees whole files only.

Each part holds 64 trials for ever under one name. A commit rewrites the parts that changed, each atomically, so that at
every moment each trial has epochs 1..n once. There is no journal and nothing to compact or to deduplicate.
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
PARTS_IN_MEMORY = 32  # 320 MB of full parts


class EpochTable:
    """Every epoch of every trial of a sweep. Its one writer holds `sweep_lock`; readers need nothing of this."""

    def __init__(self, paths: SweepPaths, sweep_id: str, counts: Sequence[Mapping[str, int]]) -> None:
        self._paths = paths
        self._sweep_id = sweep_id
        self._sizes = [len(trials) for trials in counts]  # of the parts: how many trials live there
        self._part = {trial_id: part for part, trials in enumerate(counts) for trial_id in trials}
        self._epochs_done = {trial_id: count for trials in counts for trial_id, count in trials.items()}
        self._loaded: dict[int, dict[str, TrialRows]] = {}  # the least recently used first
        self._dirty: set[int] = set()

    @classmethod
    def open(cls, paths: SweepPaths) -> Self:
        """The stored table, made with its first, empty part if there is none.

        StorageError if a part is missing, damaged, of another sweep or of a newer format; it is left as it is.
        """
        sweep_id = open_manifest(paths).sweep_id
        if not files.names(paths.epochs):
            _begin(paths, sweep_id)
        files.sync(paths.results)
        files.sync(paths.epochs)
        return cls(paths, sweep_id, _read_all_counts(paths, sweep_id))

    @property
    def epochs_done(self) -> Mapping[str, int]:
        """Epochs of each trial that has rows; those added since the last commit count, but are not yet durable."""
        return MappingProxyType(self._epochs_done)

    def columns(self, trial_id: str) -> Mapping[str, Any]:
        """What is the same in every row of a trial that has rows."""
        return MappingProxyType(self._rows(self._part[trial_id])[trial_id].fixed)

    def last(self, trial_id: str) -> EpochRecord | None:
        """The last epoch of a trial, or None if it has no row."""
        return self._rows(self._part[trial_id])[trial_id].last() if trial_id in self._part else None

    def check(self, trial_id: str, records: Sequence[EpochRecord], replace_before: int = 0) -> int:
        """How many of these epochs, which begin at most one after the trial's last, are stored with the same outcome.

        The next one may differ from a stored one if an attempt before `replace_before` stored that; else it is a
        RecomputedEpochError. StorageError at a gap.
        """
        _check_contiguous(trial_id, self._epochs_done.get(trial_id, 0), records)
        part = self._part.get(trial_id)
        return 0 if part is None else self._rows(part)[trial_id].unchanged(records, replace_before)

    def add(self, config: TrialConfig, records: Sequence[EpochRecord], replace_before: int = 0) -> None:
        """`take` what `check` lets pass; after an error nothing has changed."""
        self.take(config, records, self.check(config.trial_id, records, replace_before) if records else 0)

    def take(self, config: TrialConfig, records: Sequence[EpochRecord], unchanged: int) -> None:
        """Take these epochs of one trial, in memory until `commit`.

        The first of them, which are stored and `unchanged`, stay as they are, time and all. The others take the place
        of the stored rows from their first on.
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
        """Make durable what was added; after a StorageError all of it is still here, and a later commit may succeed."""
        for part in sorted(self._dirty):
            content = to_parquet(to_table(self._loaded[part].values()), self._sweep_id)
            files.write(self._paths.part(part), content, self._paths.temporary)
            self._dirty.remove(part)

    def _part_with_room(self) -> int:
        """The last part, or the next, unless an earlier one was made anew by `fill_gaps`."""
        return next((part for part, size in enumerate(self._sizes) if size < TRIALS_PER_PART), len(self._sizes))

    def _settle(self, trial_id: str, part: int) -> None:
        if trial_id not in self._part:
            self._part[trial_id] = part
            self._sizes += [0] * (part == len(self._sizes))
            self._sizes[part] += 1

    def _rows(self, part: int) -> dict[str, TrialRows]:
        """The trials of a part: in memory if it was lately touched, else read and verified."""
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
    """Let every part up to the last be there, empty if it must; those that were missing."""
    numbers = part_numbers(files.names(paths.epochs))
    missing = sorted(set(range(max(numbers, default=0))) - set(numbers))
    for number in missing:
        files.write(paths.part(number), _empty(sweep_id), paths.temporary)
    return [paths.part(number) for number in missing]


def _begin(paths: SweepPaths, sweep_id: str) -> None:
    """Let the table appear with its first part, also in a folder that is there: empty, or with hidden files in it."""
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
