"""A sweep that was trained elsewhere, brought here: its tables, without its checkpoints."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from tmc_sweep.errors import InputError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import EPOCH_COLUMNS, TRIAL_COLUMNS
from tmc_sweep.tables import files
from tmc_sweep.tables.lock import sweep_lock
from tmc_sweep.tables.manifest import of_copy, read_manifest
from tmc_sweep.tables.parts import read_rows
from tmc_sweep.tables.present import part_files
from tmc_sweep.tables.read import find, stored_trials
from tmc_sweep.tables.schema import read_sweep_id


def adopt(copy: SweepPaths, paths: SweepPaths) -> None:
    """Let the sweep `paths` be as `copy`, a newer state of it, is: each file whole, trials never ahead of epochs.

    `copy` lies in a folder of its own, and is marked as a copy there, since it has no checkpoints.
    SweepBusyError if a run holds the sweep, InputError if it is another one or has rows that the copy lacks,
    StorageError if the copy is damaged.
    """
    if (content := files.read(copy.manifest)) is not None:
        copy.manifest.write_bytes(of_copy(copy.manifest, content))
    find(copy.epochs)
    with sweep_lock(paths) as check_held:
        _check_replaceable(copy, paths)
        check_held()
        for source in _in_order(copy):
            _place(source, paths.results / source.relative_to(copy.results), paths)


def _check_replaceable(copy: SweepPaths, paths: SweepPaths) -> None:
    theirs = _checked_id(copy)
    if not part_files(paths):
        return
    if read_sweep_id(paths.part(0), EPOCH_COLUMNS) != theirs:
        what = "is another sweep of that name"
    elif lacking := _further(paths, copy):
        what = f"has rows of {len(lacking)} trials that the copy lacks"
    else:
        return
    raise InputError(
        f"bringing {paths.name!r} here must not lose rows, but {paths.epochs} {what}: choose another folder with "
        "--results, or move the one here away"
    )


def _checked_id(copy: SweepPaths) -> str:
    """The sweep's id, once every file has been checked to the bit."""
    read_manifest(copy)
    if copy.trials.exists():
        read_sweep_id(copy.trials, TRIAL_COLUMNS)
    first, *_ = (read_sweep_id(part, EPOCH_COLUMNS) for part in part_files(copy))
    return first


def _further(paths: SweepPaths, copy: SweepPaths) -> set[str]:
    """The trials that are further in `paths`, or only there."""
    last = _last_epochs(copy)
    ahead = {trial for trial, epoch in _last_epochs(paths).items() if epoch > last.get(trial, 0)}
    return ahead | (stored_trials(paths).keys() - stored_trials(copy).keys())


def _in_order(copy: SweepPaths) -> Iterator[Path]:
    """Its files: a reader in between finds epochs that the trial table does not count yet, never the reverse."""
    yield copy.manifest  # has what was decided of the epochs
    yield from part_files(copy)
    yield from copy.tables


def _place(source: Path, target: Path, paths: SweepPaths) -> None:
    content = files.read(source)
    if content is None or content == files.read(target):
        return
    if target.parent == paths.epochs and not paths.epochs.exists():
        files.write_folder(paths.epochs, target.name, content, paths.temporary)
    else:
        files.write(target, content, paths.temporary)


def _last_epochs(paths: SweepPaths) -> dict[str, int]:
    """Epochs of a trial have no gaps."""
    table = pa.concat_tables(read_rows(part, ["trial_id", "epoch"]) for part in part_files(paths))
    last = table.unify_dictionaries().group_by("trial_id").aggregate([("epoch", "max")])
    return dict(zip(last["trial_id"].to_pylist(), last["epoch_max"].to_pylist(), strict=True))
