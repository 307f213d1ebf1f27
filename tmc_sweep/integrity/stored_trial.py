"""One trial, found by the beginning of its name in all sweeps of a results folder, with all that its tables hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tmc_sweep.commands import command
from tmc_sweep.config import TrialConfig
from tmc_sweep.errors import InputError, StorageError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import EPOCH_COLUMNS
from tmc_sweep.store.parquet import read_sweep_id
from tmc_sweep.store.parts import TrialRows, read_part
from tmc_sweep.store.present import part_files, sweep_names
from tmc_sweep.store.read import find, stored_trials
from tmc_sweep.store.trials import TrialRow, known_config

_ANY = "NAME"  # in an advice: of whichever sweep
_Found = dict[str, TrialRow]  # the rows of one trial, by the name of the sweep


@dataclass(frozen=True)
class StoredTrial:
    """A trial's configuration, its row of the trial table, and its rows of the epoch table, one at least."""

    paths: SweepPaths
    config: TrialConfig
    row: TrialRow
    epochs: TrialRows


def find_trial(results: Path, name: str, sweep: str | None = None) -> StoredTrial:
    """The trial whose trial_id begins with `name`, in this sweep or in any; its rows are checked to the bit.

    InputError unless exactly one trial of one sweep is meant, and it has an epoch. StorageError if its tables cannot be
    read, or if this version reads another configuration from them than the trial had.
    """
    sweeps, trial_id = _named(_candidates(results, sweep), name, results)
    if len(sweeps) > 1:
        raise InputError(f"trial {trial_id} must be of one sweep, but {', '.join(sweeps)} have it: add --sweep NAME")
    ((of_sweep, row),) = sweeps.items()
    paths, config = SweepPaths(results, of_sweep), known_config(row)
    for part in part_files(paths):
        rows = read_part(part, read_sweep_id(part, EPOCH_COLUMNS))
        if trial_id in rows:
            return StoredTrial(paths, config, row, rows[trial_id])
    raise InputError(f"a trial must have an epoch for this, but {trial_id} has none: run sweep {of_sweep!r} first")


def _candidates(results: Path, sweep: str | None) -> Mapping[str, Mapping[str, TrialRow]]:
    """The trial tables to look into, by sweep: that of `sweep`, or of all sweeps those that can be read."""
    if sweep is not None:
        return {sweep: stored_trials(find(SweepPaths(results, sweep).epochs))}
    tables: dict[str, Mapping[str, TrialRow]] = {}
    damaged: list[StorageError] = []
    for name in sweep_names(results):
        try:
            tables[name] = stored_trials(SweepPaths(results, name))
        except StorageError as error:
            damaged.append(error)
    if damaged and not tables:
        raise damaged[0]
    return tables


def _named(tables: Mapping[str, Mapping[str, TrialRow]], name: str, results: Path) -> tuple[_Found, str]:
    """The one trial whose name begins so: its row in each sweep that has it, and its whole name. Else InputError."""
    found: dict[str, _Found] = {}
    for sweep, rows in tables.items():
        for trial_id, row in rows.items():
            if trial_id.startswith(name):
                found.setdefault(trial_id, {})[sweep] = row
    if not found:
        only = next(iter(tables), None) if len(tables) < 2 else None
        where = f"sweep {only!r}" if only else f"the {len(tables)} sweeps in {results}"
        raise InputError(
            f"a trial must be one of {where}, but got {name!r:.40}: "
            f"{command(f'status {only or _ANY}', results)} lists them"
        )
    if len(found) > 1:
        raise InputError(f"a trial's name must fit one trial, but {name!r} fits {len(found)}: write more of its digits")
    ((trial_id, rows_by_sweep),) = found.items()
    return rows_by_sweep, trial_id
