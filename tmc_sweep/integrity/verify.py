"""Verifying a sweep: every stored file is checked to the bit, and against the others. Nothing is changed.

May run while the sweep runs: what it was just changing is looked at again. `repair` begins with the same inspection,
and mends the problems that it finds.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

import pyarrow as pa

from tmc_sweep.config import TrialConfig
from tmc_sweep.errors import DamagedError, NewerError, StorageError
from tmc_sweep.paths import SweepPaths, part_numbers
from tmc_sweep.records import (
    ATTEMPT_COLUMNS,
    EPOCH_COLUMNS,
    SUMMARY_COLUMNS,
    TRIAL_COLUMNS,
    Column,
    EpochRecord,
    Status,
)
from tmc_sweep.store import files
from tmc_sweep.store.artefacts import ARTEFACTS
from tmc_sweep.store.attempts import ATTEMPT_KEY
from tmc_sweep.store.checkpoints import CheckpointFiles
from tmc_sweep.store.manifest import is_copy, read_manifest
from tmc_sweep.store.parquet import read_sweep_id, read_table
from tmc_sweep.store.parts import TrialRows, read_part
from tmc_sweep.store.present import gone, is_there, missing, part_files
from tmc_sweep.store.read import find
from tmc_sweep.store.seal import damaged
from tmc_sweep.store.trials import TrialRow, config_of
from tmc_sweep.training import history, stated


@dataclass(frozen=True)
class Problem:
    """One file that is missing, broken, or does not agree with others."""

    file: Path
    sentence: str  # names the file, and says what is wrong and how to mend it
    remove: bool = False  # whether mending begins with moving the file away
    mendable: bool = True  # False for a file that a newer version wrote, or that the system cannot read


@dataclass(frozen=True)
class Findings:
    """What an inspection found: how much there is, and every problem."""

    parts: int = 0  # of the epoch table
    trials: int = 0
    epochs: int = 0  # rows of the epoch table
    checkpoints: int = 0  # that are as they were written
    problems: tuple[Problem, ...] = ()
    sweep_id: str = ""  # the id that most of the whole files have; "" if none is whole
    is_copy: bool = False  # a copy has no checkpoints, and misses none


def known_sweep(results: Path, name: str) -> SweepPaths:
    """The paths of a sweep of which there is something, however damaged; InputError if there is nothing."""
    paths = SweepPaths(results, name)
    return paths if is_there(paths) else find(paths.epochs)


def verify(paths: SweepPaths) -> Findings:
    """What `inspect` finds; if it finds problems, a second look tells which of them last.

    The others were files that a running sweep was just changing.
    """
    findings = inspect(paths)
    if findings.problems:
        lasting = set(inspect(paths).problems)
        findings = replace(findings, problems=tuple(problem for problem in findings.problems if problem in lasting))
    return findings


def inspect(paths: SweepPaths) -> Findings:
    """The sweep as it is at this moment: every file read and checked, whatever is wrong with others."""
    return _Inspection(paths).findings()


def config_in(payload: bytes) -> TrialConfig | None:
    """The configuration in a checkpoint's content; None if it is not that of the trial which the checkpoint names."""
    says = stated(payload)
    return config_of({"config": says.get("config"), "trial_id": says.get("trial_id")})


@dataclass
class _Inspection:
    """One inspection of a sweep: notes problems as it goes from file to file."""

    paths: SweepPaths
    problems: list[Problem] = field(default_factory=list)
    checkpoints: int = 0
    is_copy: bool = False

    def findings(self) -> Findings:
        self._missing()
        sweep_id = self._sweep_id()
        trials = self._trials(sweep_id)
        self._attempts(sweep_id, trials)
        rows: dict[str, EpochRecord] = {}
        numbers = self._part_numbers()
        for number in numbers:
            self._part(self.paths.part(number), sweep_id, trials, rows)
        self._strays()
        self._check_trials(trials, rows)
        for trial_id in CheckpointFiles(self.paths).trial_ids():
            if trial_id not in rows:
                self._check_checkpoints(trial_id, trials, None)
        self._checked(self.paths.summary, SUMMARY_COLUMNS, sweep_id)
        for artefact in ARTEFACTS:
            self._checked(artefact.file(self.paths), artefact.columns, sweep_id)
        return Findings(
            parts=len(numbers),
            trials=len(trials or rows),
            epochs=sum(last.epoch for last in rows.values()),
            checkpoints=self.checkpoints,
            problems=tuple(self.problems),
            sweep_id=sweep_id,
            is_copy=self.is_copy,
        )

    def _report(self, file: Path, what: str) -> None:
        self.problems.append(Problem(file, str(damaged(file, what))))

    def _failed(self, file: Path, error: StorageError) -> None:
        broken = isinstance(error, DamagedError)
        self.problems.append(Problem(file, str(error), remove=broken, mendable=broken))

    def _sweep_id(self) -> str:
        """The id of the sweep that most of the whole files belong to; a manifest with another id is a problem."""
        stated_ids: dict[Path, str] = {}
        try:
            if manifest := read_manifest(self.paths):
                stated_ids[self.paths.manifest] = manifest.sweep_id
                self.is_copy = is_copy(self.paths, manifest)
        except StorageError as error:
            self._failed(self.paths.manifest, error)
        parts = [self.paths.part(number) for number in self._part_numbers()]
        for path, columns in [*((part, EPOCH_COLUMNS) for part in parts), (self.paths.trials, TRIAL_COLUMNS)]:
            try:
                stated_ids[path] = read_sweep_id(path, columns)
            except StorageError:
                continue  # reported when its content is read
        if not stated_ids:
            return ""
        sweep_id = Counter(stated_ids.values()).most_common(1)[0][0]
        if stated_ids.get(self.paths.manifest, sweep_id) != sweep_id:
            self._failed(self.paths.manifest, damaged(self.paths.manifest, "it belongs to another sweep"))
        return sweep_id

    def _part_numbers(self) -> list[int]:
        return part_numbers(files.names(self.paths.epochs))

    def _missing(self) -> None:
        with suppress(StorageError):  # of the manifest or the trial table, which is reported when it is read
            for path in missing(self.paths):
                self.problems.append(Problem(path, str(gone(self.paths, path))))

    def _strays(self) -> None:
        """Note files that lie where only parts or checkpoints may."""
        parts = {self.paths.part(number) for number in self._part_numbers()}
        for path in (path for path in part_files(self.paths) if path not in parts):
            self._failed(path, damaged(path, "another program put it there"))
        for path in CheckpointFiles(self.paths).strays():
            self._failed(path, damaged(path, "another program put it there"))

    def _checked(self, path: Path, columns: Sequence[Column], sweep_id: str) -> pa.Table | None:
        try:
            return read_table(path, columns, sweep_id) if path.exists() else None
        except StorageError as error:
            self._failed(path, error)
            return None

    def _trials(self, sweep_id: str) -> dict[str, TrialRow]:
        table = self._checked(self.paths.trials, TRIAL_COLUMNS, sweep_id)
        return {} if table is None else {row["trial_id"]: row for row in table.to_pylist()}

    def _attempts(self, sweep_id: str, trials: Mapping[str, TrialRow]) -> None:
        """Check the attempt table: it must have the last attempt of each trial, but for those that 0.1.0 trained.

        Those can be told by their processor, which is not on record.
        """
        path = self.paths.attempts
        table = self._checked(path, ATTEMPT_COLUMNS, sweep_id)
        if table is None or self._is_broken(path):
            return
        last = {(trial_id, row["attempts"]) for trial_id, row in trials.items() if row["processor"] is not None}
        stored = {*zip(*table.select(ATTEMPT_KEY).to_pydict().values(), strict=True)}
        if len(stored) < table.num_rows:
            self._failed(path, damaged(path, "it has an attempt twice"))
            return
        for trial_id, attempt in sorted(last - stored):
            self._report(path, f"attempt {attempt} of trial {trial_id} is missing")

    def _part(self, path: Path, sweep_id: str, trials: Mapping[str, TrialRow], rows: dict[str, EpochRecord]) -> None:
        try:
            part = read_part(path, sweep_id)
        except StorageError as error:
            self._failed(path, error)
            return
        if twice := part.keys() & rows.keys():
            self._failed(path, damaged(path, f"trial {min(twice)} is also in an earlier part"))
            return
        for trial_id, stored in part.items():
            rows[trial_id] = stored.record(stored.measured.num_rows)
            if trial_id not in trials and not self._is_broken(self.paths.trials):
                self._report(path, f"its trial {trial_id} is not in the trial table")
            self._check_checkpoints(trial_id, trials, stored)

    def _is_broken(self, path: Path) -> bool:
        return any(problem.file == path for problem in self.problems)

    def _check_trials(self, trials: Mapping[str, TrialRow], rows: Mapping[str, EpochRecord]) -> None:
        """Check that the rows and checkpoints of which the trial table speaks are there.

        They were durable before it spoke of them, so what is not there now was lost.
        """
        for trial_id, row in trials.items():
            counted = row["epochs_done"]
            last = rows.get(trial_id)
            there = last.epoch if last else 0
            if there < counted and not (last and _is_of_a_later_attempt(last, row)):
                what = f"it has {there} epochs of trial {trial_id} where {counted} were stored"
                self._report(self.paths.epochs, what)
            known_gone = self.is_copy or self._is_broken(self.paths.checkpoints)
            if row["checkpoint"] and not known_gone and self._is_gone(named := PurePath(row["checkpoint"]), row):
                self._report(self.paths.checkpoints / trial_id / named.name, "it is missing")

    def _is_gone(self, checkpoint: PurePath, row: TrialRow) -> bool:
        """Whether a checkpoint that the trial table names is missing.

        Of a running trial it may have been replaced by newer ones since. Only its own name is looked for, and not its
        whole path: the sweep's files may have been renamed.
        """
        stored = [path.name for _, path in self._stored(row["trial_id"])]
        return checkpoint.name not in stored and not (stored and row["status"] == Status.RUNNING)

    def _check_checkpoints(self, trial_id: str, trials: Mapping[str, TrialRow], rows: TrialRows | None) -> None:
        row = trials.get(trial_id)
        for epoch, path in self._stored(trial_id):
            try:
                payload = CheckpointFiles(self.paths).read(path)
                if payload is not None:
                    self.checkpoints += 1
                    self._check_checkpoint(path, epoch, payload, row, rows)
            except StorageError as error:
                self._failed(path, error)

    def _stored(self, trial_id: str) -> list[tuple[int, Path]]:
        """The trial's checkpoints; none if its folder is a link, which is a problem of its own."""
        is_link = (self.paths.checkpoints / trial_id).is_symlink()
        return [] if is_link else CheckpointFiles(self.paths).stored(trial_id)

    def _check_checkpoint(
        self, path: Path, epoch: int, payload: bytes, row: TrialRow | None, rows: TrialRows | None
    ) -> None:
        says = stated(payload)
        if says.get("trial_id") != path.parent.name:
            raise damaged(path, f"it names trial {says.get('trial_id')}")
        config = config_of(row) if row else config_in(payload)
        if row is None and not self._is_broken(self.paths.trials):
            self._report(path, f"its trial {path.parent.name} is not in the trial table")
        if config is None:
            return
        try:
            records = history(payload, config)
        except NewerError:
            raise
        except StorageError as error:
            raise damaged(path, f"it cannot be used ({error})") from error
        if len(records) != epoch:
            raise damaged(path, f"its history is not epochs 1 to {epoch}")
        other = rows.disagrees(records) if rows else None
        if other and rows and other.attempt <= rows.record(other.epoch).attempt:  # a later one is to replace the row
            raise damaged(path, f"its epoch {other.epoch} is not as it is in the epoch table")


def _is_of_a_later_attempt(last: EpochRecord, row: TrialRow) -> bool:
    """Whether a trial may have fewer rows than counted since a later attempt trained an epoch again.

    If that came out differently, it replaced the stored epoch and all after it.
    """
    return last.attempt == row["attempts"] and last.attempt != 1
