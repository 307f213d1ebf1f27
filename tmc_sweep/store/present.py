"""Which sweeps there are, and which of a sweep's files are missing.

A file is missing if others speak of it: a trial table that counts epochs needs the parts that hold them. Every reader
asks `check_present` before it believes a table, since a table whose parts are gone would otherwise look like a smaller
sweep. A new sweep makes its manifest, then an empty first part, then the trial table, and only then stores rows; what
such a sweep does not have yet is not missing.
"""

import math
from collections.abc import Iterator
from pathlib import Path

from tmc_sweep.errors import DamagedError, StorageError
from tmc_sweep.paths import SweepPaths, is_name, part_name, part_numbers
from tmc_sweep.records import EPOCH_COLUMNS, TRIAL_COLUMNS
from tmc_sweep.store import epochs, files
from tmc_sweep.store.manifest import is_copy, read_manifest
from tmc_sweep.store.parquet import opened, read_encoded
from tmc_sweep.store.renamed import earlier_name, later_name
from tmc_sweep.store.seal import damaged


def sweep_names(results: Path) -> list[str]:
    """The names of the sweeps in the folder `results` of which there is anything, in order."""
    tables = {name.removesuffix(".trials.parquet") for name in files.names(results) if name.endswith(".trials.parquet")}
    folders = {name for name in files.names(results) if (results / name / part_name(0)).is_file()}
    private = {path.parent.name for path in (results / ".tmc").glob("*/manifest.json")}
    return sorted(name for name in tables | folders | private if is_name(name))


def part_files(paths: SweepPaths) -> list[Path]:
    """The files in the epoch table's folder, in order; none if there is no table."""
    return [paths.epochs / name for name in files.names(paths.epochs)]


def is_there(paths: SweepPaths) -> bool:
    """Whether there is anything of the sweep: a manifest, a trial table, or a part."""
    return bool(paths.manifest.exists() or paths.trials.exists() or part_files(paths))


def check_present(paths: SweepPaths) -> None:
    """DamagedError, with the sentence that `verify` has for it, if one of the sweep's files is missing.

    A sweep that is running, or just being brought here, changes between two looks. Only what is missing at both counts.
    """
    first = list(missing(paths))
    lasting = [path for path in missing(paths) if path in first] if first else []
    if lasting:
        raise gone(paths, lasting[0])


def gone(paths: SweepPaths, path: Path) -> DamagedError:
    """The error for a missing file of the sweep; if the sweep was renamed by hand it says so."""
    if earlier := earlier_name(paths):
        return damaged(path, f"it is missing, since the sweep was renamed from {earlier.name} but for its hidden files")
    if later := later_name(paths):
        return damaged(path, f"it is missing, since the sweep was renamed to {later.name}", later.name)
    return damaged(path, "it is missing")


def missing(paths: SweepPaths) -> Iterator[Path]:
    """The files and folders of the sweep that are missing. Errors as reading the manifest and the trial table."""
    numbers = part_numbers(files.names(paths.epochs))
    if not paths.manifest.exists() and (numbers or paths.trials.exists()):
        yield paths.manifest
    if paths.trials.exists():
        trials = read_encoded(paths.trials, TRIAL_COLUMNS, ["epochs_done", "checkpoint", "processor"])
        n_with_rows = sum(count > 0 for count in trials["epochs_done"].to_pylist())
        n_parts = max(1, math.ceil(n_with_rows / epochs.TRIALS_PER_PART))
        more = (number for number in numbers if number >= n_parts)
        n_parts = max([n_parts, *(number + 1 for number in more if _n_rows(paths.part(number)) is not None)])
        has_checkpoints = trials["checkpoint"].null_count < trials.num_rows
        if trials["processor"].null_count < trials.num_rows and not paths.attempts.exists():  # 0.1.0 had neither
            yield paths.attempts
    else:
        rows = {number: count for number in numbers if (count := _n_rows(paths.part(number))) is not None}
        has_checkpoints = bool(files.names(paths.checkpoints))
        n_parts = max(rows, default=-1) + 1
        if has_checkpoints or any(rows.values()):
            n_parts = max(1, n_parts)
            yield paths.trials
    for number in sorted(set(range(n_parts)) - set(numbers)):
        yield paths.part(number)
    if has_checkpoints and not paths.checkpoints.exists() and not _is_copy(paths):
        yield paths.checkpoints


def _n_rows(part: Path) -> int | None:
    """How many rows a part has; None if it is damaged, which reading it will tell."""
    try:
        with opened(part, EPOCH_COLUMNS) as parquet:
            return int(parquet.metadata.num_rows)
    except StorageError:
        return None


def _is_copy(paths: SweepPaths) -> bool:
    manifest = read_manifest(paths)
    return manifest is not None and is_copy(paths, manifest)
