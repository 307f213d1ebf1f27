"""The last step of bringing a sweep here that was trained elsewhere: its files, which lie in a folder, become ours.

`publish.fetch` fills that folder from a copy, `cluster/fetch.py` from a cluster's head. Checkpoints do not come.
"""

from functools import partial
from pathlib import Path

import pyarrow as pa

from tmc_sweep.errors import DamagedError, InputError, StorageError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import EPOCH_COLUMNS, TRIAL_COLUMNS
from tmc_sweep.store import files
from tmc_sweep.store.lock import sweep_lock
from tmc_sweep.store.manifest import of_copy
from tmc_sweep.store.parquet import is_whole, read_if_there, read_sweep_id
from tmc_sweep.store.parts import read_rows
from tmc_sweep.store.present import part_files
from tmc_sweep.store.read import find
from tmc_sweep.store.seal import damaged


def adopt(copy: SweepPaths, paths: SweepPaths) -> None:
    """Let the sweep `paths` be as `copy` is: new here, or in a newer state.

    At every moment each file is whole, and no trial counts epochs that are not here yet. `copy` lies in a folder of its
    own, in which its manifest is marked as that of a copy, since it has no checkpoints.

    SweepBusyError if a run holds the sweep, InputError if it is another one or has rows that the copy lacks,
    StorageError if the copy is damaged.
    """
    theirs = _checked_id(copy)
    with sweep_lock(paths) as check_held:
        _check_replaceable(copy, paths, theirs)
        check_held()
        _bring(copy, paths)


def not_whole(name: str, what: str) -> StorageError:
    """The error for a file of a copy that is not as it was written."""
    return StorageError(
        f"a copy must be whole, but {name} there is not, since {what}: if that lasts, mend the sweep where it was run, "
        "and publish it to a new place"
    )


def _check_replaceable(copy: SweepPaths, paths: SweepPaths, theirs: str) -> None:
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
    """The copy's sweep id. Every file is checked to the bit, and the manifest made to say that this is a copy."""
    try:
        if (content := files.read(copy.manifest)) is not None:
            copy.manifest.write_bytes(of_copy(copy.manifest, content))
        for table in copy.tables:
            if (content := files.read(table)) is not None and not is_whole(content):
                raise damaged(table, "it is damaged")
        find(copy.epochs)
        first, *_ = (read_sweep_id(part, EPOCH_COLUMNS) for part in part_files(copy))
    except DamagedError as error:
        raise not_whole(error.file.relative_to(copy.results).as_posix(), error.what) from None
    return first


def _further(paths: SweepPaths, copy: SweepPaths) -> set[str]:
    """The trials that have more epochs in `paths` than in the copy, or are only there."""
    last = _last_epochs(copy)
    ahead = {trial for trial, epoch in _last_epochs(paths).items() if epoch > last.get(trial, 0)}
    return ahead | (_on_record(paths) - _on_record(copy))


def _on_record(paths: SweepPaths) -> set[str]:
    """The trials in the trial table; none without a table: an earlier call may have been killed before it came."""
    return set(read_if_there(paths.trials, TRIAL_COLUMNS)["trial_id"].to_pylist())


def _bring(copy: SweepPaths, paths: SweepPaths) -> None:
    """Place the copy's files, in an order in which the trial table never counts epochs that are not here yet."""
    place = partial(_place, copy, paths)
    place(copy.manifest)  # has what was decided of the epochs
    parts = part_files(copy)
    if paths.epochs.exists():
        for part in parts:
            place(part)
    else:
        contents = ((part.name, part.read_bytes()) for part in parts)
        files.write_folder(paths.epochs, contents, paths.temporary)
    for table in copy.tables:
        place(table)


def _place(copy: SweepPaths, paths: SweepPaths, source: Path) -> None:
    target = paths.results / source.relative_to(copy.results)
    content = files.read(source)
    if content is not None and content != files.read(target):
        files.write(target, content, paths.temporary)


def _last_epochs(paths: SweepPaths) -> dict[str, int]:
    """How many epochs each trial has: the number of its last one, since there are no gaps."""
    table = pa.concat_tables(read_rows(part, ["trial_id", "epoch"]) for part in part_files(paths))
    last = table.unify_dictionaries().group_by("trial_id").aggregate([("epoch", "max")])
    return dict(zip(last["trial_id"].to_pylist(), last["epoch_max"].to_pylist(), strict=True))
