"""Mending a sweep: broken files are set aside, and their rows come back from the histories in the checkpoints.

A checkpoint has all epochs of its trial up to its own, so what the tables lost is often still there. Nothing is
deleted: broken files go to the sweep's folder `quarantine`. A repair that is killed at any point leaves files from
which the next call goes on.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tmc_sweep.commands import command
from tmc_sweep.config import EarlierConfig, TrialConfig
from tmc_sweep.errors import InputError, StorageError
from tmc_sweep.integrity.verify import Findings, config_in, inspect
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import ENDED, INTERRUPTED, EpochRecord, Status
from tmc_sweep.space.load import parse_stored
from tmc_sweep.store import files
from tmc_sweep.store.attempts import AttemptTable
from tmc_sweep.store.checkpoints import CheckpointFiles
from tmc_sweep.store.earlier import WHY
from tmc_sweep.store.epochs import EpochTable, fill_gaps
from tmc_sweep.store.lock import sweep_lock
from tmc_sweep.store.manifest import open_manifest, read_manifest
from tmc_sweep.store.recorder import Recorder
from tmc_sweep.store.renamed import adopt, later_name
from tmc_sweep.store.trials import TrialRow, TrialTable, config_by_columns, config_of
from tmc_sweep.training import history


@dataclass(frozen=True)
class Mended:
    """What `repair` did, and what was lost so that the next run trains it again; a sentence each."""

    done: tuple[str, ...]
    to_train: tuple[str, ...]


def repair(paths: SweepPaths) -> Mended:
    """Mend the sweep; what was done, nothing if nothing was broken.

    SweepBusyError if the sweep runs, InputError if it was renamed and its tables are under another name. StorageError,
    and nothing is changed, if a file cannot be read or a newer version wrote it.
    """
    if later := later_name(paths):
        mend = command(f"repair {later.name}", paths.results)
        raise InputError(
            f"a sweep must be repaired under its name, but {paths.name} was renamed to {later.name}: use {mend}"
        )
    with sweep_lock(paths):
        moved = list(adopt(paths))
        findings = inspect(paths)
        for problem in findings.problems:
            if not problem.mendable:
                raise StorageError(problem.sentence)
        done = [*moved, *_set_aside(paths, findings), *_fill(paths, findings)]
        rows = {row["trial_id"]: dict(row) for row in TrialTable.open(paths)}
        done += _restore_attempts(paths, rows.values())
        counted = {trial_id: row["epochs_done"] for trial_id, row in rows.items()}
        configs = _configs(paths)
        done += [f"entered in the trial table: trial {trial_id}" for trial_id in configs if trial_id not in counted]
        recorder = Recorder.open(paths, list(configs.values()))
        gone = [] if findings.is_copy else [path for path in recorder.lost.values() if path not in _broken(findings)]
        done += [f"no longer named: {path}, which is gone" for path in gone]
        back = [line for config in configs.values() for line in _mend(recorder, CheckpointFiles(paths), config)]
        if back and recorder.decisions:
            back.append("a scheduler stops no cell at epochs that were brought back: they count as decided to go on")
        done += back
        counted = {**dict.fromkeys(configs, 0), **counted}
        recorder.commit()
        left = {trial_id: recorder.row(trial_id)["epochs_done"] for trial_id in counted}
    lost = {
        trial_id: f"trial {trial_id}: epochs {left[trial_id] + 1} to {before}"
        for trial_id, before in counted.items()
        if left[trial_id] < before
    }
    for trial_id in list(lost):
        if why := _why_never_again(recorder.row(trial_id), configs.get(trial_id)):
            done.append(f"lost for ever, since {why}: {lost.pop(trial_id)}")
    if findings.is_copy and findings.problems:
        done.append(
            "this is a copy without checkpoints, so no rows could come back: fetch it again with `tmc-sweep pull`, "
            "or run the sweep here, which trains them anew"
        )
    return Mended(tuple(done), tuple(lost.values()))


def _why_never_again(row: TrialRow, config: TrialConfig | None) -> str | None:
    """Why no run will train again what a trial has lost; None if the next one will."""
    if isinstance(config, EarlierConfig):
        return WHY
    return "the trial was stopped, and at which epoch is not on record" if row["status"] == Status.STOPPED else None


def _broken(findings: Findings) -> list[Path]:
    return list(dict.fromkeys(problem.file for problem in findings.problems if problem.remove))


def _set_aside(paths: SweepPaths, findings: Findings) -> Iterator[str]:
    for file in _broken(findings):
        yield f"moved {file} to {files.move(file, paths.quarantine)}"


def _fill(paths: SweepPaths, findings: Findings) -> Iterator[str]:
    """Make the manifest and empty parts anew where they are missing: without them a sweep cannot be opened."""
    if not paths.manifest.exists():
        open_manifest(paths, sweep_id=findings.sweep_id)
        yield (
            f"made {paths.manifest} anew: the next run enters its search space and its packs, and what a scheduler had "
            "decided counts as decided to go on, but for the trials that it stopped"
        )
    for part in fill_gaps(paths, open_manifest(paths).sweep_id):
        yield f"made {part} anew"


def _restore_attempts(paths: SweepPaths, rows: Iterable[TrialRow]) -> Iterator[str]:
    """Enter in the attempt table what the trial table still knows: each trial's last attempt."""
    attempts = AttemptTable.open(paths)
    for row in rows:
        if row["processor"] is not None and not attempts.get(row["trial_id"], row["attempts"]):
            ended = row["status"] in ENDED
            known = {
                "attempt": row["attempts"],
                "began": row["started"],
                "end": row["status"] if ended else INTERRUPTED,
            }
            attempts.begin({**row, **known})
            yield f"entered in the attempt table: attempt {row['attempts']} of trial {row['trial_id']}"
    attempts.commit()


def _configs(paths: SweepPaths) -> dict[str, TrialConfig]:
    """The configurations of all trials that are on record anywhere: in tables, checkpoints or the search space."""
    rows = list(TrialTable.open(paths))
    known = [config for row in rows if (config := config_of(row))]
    if not rows:
        known += _of_search_space(paths)
    epochs, checkpoints = EpochTable.open(paths), CheckpointFiles(paths)
    named = {config.trial_id for config in known} | {row["trial_id"] for row in rows}
    for trial_id in dict.fromkeys([*epochs.epochs_done, *checkpoints.trial_ids()]):
        if trial_id not in named:
            known += _of_checkpoint(checkpoints, trial_id) or _of_rows(epochs, trial_id)
    return {config.trial_id: config for config in known}


def _of_search_space(paths: SweepPaths) -> list[TrialConfig]:
    manifest = read_manifest(paths)
    space = parse_stored(manifest.search_space, str(paths.manifest)) if manifest else None
    return space.trials() if space else []


def _of_checkpoint(checkpoints: CheckpointFiles, trial_id: str) -> list[TrialConfig]:
    newest = checkpoints.latest(trial_id)
    config = config_in(newest[1]) if newest else None
    return [config] if config else []


def _of_rows(epochs: EpochTable, trial_id: str) -> list[TrialConfig]:
    """The configuration in a trial's rows of the epoch table, asking for as many epochs as there are."""
    if trial_id not in epochs.epochs_done:
        return []
    config = config_by_columns(epochs.columns(trial_id), epochs.epochs_done[trial_id])
    return [config] if config else []


def _mend(recorder: Recorder, checkpoints: CheckpointFiles, config: TrialConfig) -> Iterator[str]:
    before = recorder.row(config.trial_id)["epochs_done"]
    recorder.mend(config.trial_id, _history(checkpoints, config, before))
    after = recorder.row(config.trial_id)["epochs_done"]
    if after > before:
        yield f"brought back from a checkpoint: epochs {before + 1} to {after} of trial {config.trial_id}"


def _history(checkpoints: CheckpointFiles, config: TrialConfig, known: int) -> list[EpochRecord]:
    """The epochs in the trial's newest checkpoint, if those are more than `known`; else none."""
    for epoch, path in checkpoints.stored(config.trial_id)[:1]:
        payload = checkpoints.read(path) if epoch > known else None
        return history(payload, config) if payload else []
    return []
