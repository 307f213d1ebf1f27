"""Sweeps that were renamed by hand: `mv results/grid results/mine` and the same of its other tables.

The private folder `.tmc/grid` is hidden, and easily forgotten. These functions find what belongs together by the id
that every file carries, so that errors can say what happened and `repair` can move the folder.
"""

from collections.abc import Iterator
from contextlib import suppress

from tmc_sweep.errors import StorageError
from tmc_sweep.paths import SweepPaths, is_name
from tmc_sweep.records import EPOCH_COLUMNS, TRIAL_COLUMNS
from tmc_sweep.store import files
from tmc_sweep.store.lock import sweep_lock
from tmc_sweep.store.manifest import read_manifest
from tmc_sweep.store.parquet import read_sweep_id


def earlier_name(paths: SweepPaths) -> SweepPaths | None:
    """The name under which the private files of this sweep's tables still lie; None if it was not renamed so."""
    if paths.manifest.exists() or not (sweep_id := _id_of_tables(paths)):
        return None
    folders = [folder.parent.name for folder in paths.private.parent.glob("*/manifest.json")]
    private = (SweepPaths(paths.results, name) for name in sorted(folders) if is_name(name))
    return next((other for other in private if not _has_tables(other) and _id_of_manifest(other) == sweep_id), None)


def later_name(paths: SweepPaths) -> SweepPaths | None:
    """The name under which the tables of this sweep's private files lie now; None if it was not renamed so."""
    if _has_tables(paths) or not (sweep_id := _id_of_manifest(paths)):
        return None
    names = {name.removesuffix(".trials.parquet") for name in files.names(paths.results)}
    tables = (SweepPaths(paths.results, name) for name in sorted(names) if is_name(name))
    return next((other for other in tables if not other.manifest.exists() and _id_of_tables(other) == sweep_id), None)


def adopt(paths: SweepPaths) -> Iterator[str]:
    """Move the private files of a renamed sweep to its new name, the manifest last; a sentence if any were moved.

    The caller holds the lock of the new name. SweepBusyError if the sweep runs under the earlier one.
    """
    if earlier := earlier_name(paths):
        with sweep_lock(earlier):
            own = (earlier.lock, earlier.temporary, earlier.artefact_lock, earlier.artefact_temporary)
            kept = [path for path in sorted(earlier.private.iterdir()) if path not in own]
            for path in sorted(kept, key=lambda path: path == earlier.manifest):
                files.move(path, paths.private)
        yield f"moved what was in {earlier.private} to {paths.private}: the sweep was renamed from {earlier.name}"


def _has_tables(paths: SweepPaths) -> bool:
    return paths.trials.exists() or bool(files.names(paths.epochs))


def _id_of_manifest(paths: SweepPaths) -> str | None:
    with suppress(StorageError):
        manifest = read_manifest(paths)
        return manifest.sweep_id if manifest else None
    return None


def _id_of_tables(paths: SweepPaths) -> str | None:
    for path, columns in ((paths.trials, TRIAL_COLUMNS), (paths.part(0), EPOCH_COLUMNS)):
        with suppress(StorageError):
            if path.exists():
                return read_sweep_id(path, columns)
    return None
