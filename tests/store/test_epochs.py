"""The epoch table: what a reader sees, what a second run may add, and what is refused."""

import errno
import math
import os
import shutil
import threading

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from wait import wait_until

from tmc_sweep.config import TrialConfig
from tmc_sweep.errors import InputError, StorageError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import EPOCH_COLUMNS
from tmc_sweep.store import epochs, files
from tmc_sweep.store.epochs import EpochTable
from tmc_sweep.store.manifest import open_manifest
from tmc_sweep.store.parquet import arrow_schema, to_parquet
from tmc_sweep.store.parts import RecomputedEpochError
from tmc_sweep.store.read import read_trials


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def stored(paths, *, column="test_objective"):
    return pd.read_parquet(paths.epochs)[column].tolist()


def test_a_plain_read_works_from_the_first_second(paths):
    EpochTable.open(paths)
    frame = pd.read_parquet(paths.epochs)
    assert frame.empty
    assert list(frame.columns) == [column.name for column in EPOCH_COLUMNS]
    assert frame["lr"].dtype == np.float64
    assert [path.name for path in paths.epochs.iterdir()] == ["part-00000.parquet"]


def test_the_folder_appears_with_its_first_part_or_not_at_all(paths, monkeypatch):
    open_manifest(paths)
    monkeypatch.setattr(os, "fsync", lambda _: full() if list(paths.results.glob("**/part-*")) else None)
    with pytest.raises(StorageError, match="grid cannot be made"):
        EpochTable.open(paths)
    assert not paths.epochs.exists()


def test_rows_read_back_as_they_were_added(paths, config, rows):
    table = EpochTable.open(paths)
    added = rows(config, [-2.5, math.nan], val_elbo=None)
    table.add(config, added)
    table.commit()
    row = pd.read_parquet(paths.epochs).iloc[0]
    assert (row["trial_id"], row["cell_id"], row["epoch"]) == (config.trial_id, config.cell_id, 1)
    assert (row["K"], row["lr"], row["architecture"], row["seed"]) == (20, 1e-3, "small", 7)
    assert row["time"] == added[0].time
    part = pq.read_table(paths.epochs / "part-00000.parquet")
    assert part.schema.equals(arrow_schema(EPOCH_COLUMNS), check_metadata=False)
    assert part["val_elbo"].null_count == 2  # null is not NaN
    assert part["test_objective"].null_count == 0
    assert math.isnan(part["test_objective"][1].as_py())


def test_nothing_is_shown_before_the_commit(paths, config, rows):
    table = EpochTable.open(paths)
    table.add(config, rows(config, [-2.0]))
    assert stored(paths) == []
    table.commit()
    assert stored(paths) == [-2.0]


@pytest.mark.parametrize("reopened", [False, True])
def test_an_equal_epoch_leaves_the_stored_row_time_and_all(paths, config, rows, reopened):
    table = EpochTable.open(paths)
    table.add(config, rows(config, [-2.0, math.nan], epoch_seconds=1.0))
    table.commit()
    table = EpochTable.open(paths) if reopened else table
    table.add(config, rows(config, [-2.0, math.nan, -1.0], epoch_seconds=9.0, attempt=2))
    table.commit()
    assert stored(paths, column="epoch_seconds") == [1.0, 1.0, 9.0]
    assert stored(paths, column="attempt") == [1, 1, 2]


def test_a_commit_without_changes_writes_nothing(paths, config, rows):
    table = EpochTable.open(paths)
    table.add(config, rows(config, [-2.0]))
    table.commit()
    before = (paths.epochs / "part-00000.parquet").stat().st_ino
    table.add(config, rows(config, [-2.0], epoch_seconds=9.0))
    table.commit()
    assert (paths.epochs / "part-00000.parquet").stat().st_ino == before


def test_an_epoch_that_differs_is_an_error_and_changes_nothing(paths, config, rows):
    table = EpochTable.open(paths)
    table.add(config, rows(config, [-2.0, -3.0]))
    with pytest.raises(
        RecomputedEpochError, match=rf"trial {config.trial_id}.* epoch 2, but .* is -3.5, stored as -3.0"
    ):
        table.add(config, rows(config, [-2.0, -3.5, -4.0]))
    table.commit()
    assert stored(paths) == [-2.0, -3.0]


@pytest.mark.parametrize(("old", "new"), [(None, -1.0), (-1.0, None), (math.nan, -1.0), (None, math.nan)])
def test_null_nan_and_numbers_all_differ(paths, config, rows, old, new):
    table = EpochTable.open(paths)
    table.add(config, rows(config, [-2.0], val_tmc=old))
    with pytest.raises(RecomputedEpochError, match="val_tmc"):
        table.add(config, rows(config, [-2.0], val_tmc=new))


def test_replace_takes_the_new_rows_from_the_first_that_differs(paths, config, rows):
    table = EpochTable.open(paths)
    table.add(config, rows(config, [-1.0, -2.0, -3.0, -4.0]))
    table.add(config, rows(config, [-2.0, -3.5], first=2, epoch_seconds=9.0), replace_before=2)
    table.commit()
    assert stored(paths) == [-1.0, -2.0, -3.5]
    assert stored(paths, column="epoch_seconds") == [1.5, 1.5, 9.0]
    assert table.epochs_done == {config.trial_id: 3}


@pytest.mark.parametrize("numbers", [[3], [0], [2, 4], [2, 2], [2, 1]])
def test_a_gap_is_refused(paths, config, rows, numbers):
    table = EpochTable.open(paths)
    table.add(config, rows(config, [-1.0]))
    with pytest.raises(StorageError, match="one after another"):
        table.add(config, [rows(config, [-2.0], first=n)[0] for n in numbers])
    assert table.epochs_done == {config.trial_id: 1}
    table.add(config, rows(config, [-2.0], first=2))  # as a run after it does
    assert table.epochs_done == {config.trial_id: 2}


def test_rows_of_another_trial_are_refused(paths, config, rows):
    with pytest.raises(StorageError, match="must name it"):
        EpochTable.open(paths).add(config, rows(TrialConfig(seed=8), [-1.0]))


def test_the_last_row_tells_a_diverged_trial(paths, config, rows):
    table = EpochTable.open(paths)
    assert table.last(config.trial_id) is None
    table.add(config, rows(config, [-1.0, math.nan]))
    table.commit()
    last = EpochTable.open(paths).last(config.trial_id)
    assert (last.epoch, last.diverged, last.val_elbo) == (2, True, None)
    assert last.time == rows(config, [-1.0, 0.0])[1].time


def test_64_trials_a_part_for_ever(paths, rows):
    configs = [TrialConfig(seed=seed) for seed in range(130)]
    table = EpochTable.open(paths)
    for config in configs[:100]:
        table.add(config, rows(config, [-1.0]))
    table.commit()
    table = EpochTable.open(paths)
    for config in reversed(configs):
        table.add(config, rows(config, [-1.0, -2.0]))
    table.commit()
    parts = [pd.read_parquet(path) for path in sorted(paths.epochs.iterdir())]
    in_order = [*range(100), *range(129, 99, -1)]
    assert [part["seed"].tolist() for part in parts] == [
        list(np.repeat(in_order[start : start + 64], 2)) for start in (0, 64, 128)
    ]
    assert all(part["epoch"].tolist() == [1, 2] * (len(part) // 2) for part in parts)
    assert EpochTable.open(paths).epochs_done == {config.trial_id: 2 for config in configs}


def test_packs_that_run_side_by_side_change_few_parts(paths, rows):
    packs = [[TrialConfig(seed=seed) for seed in range(first, first + 16)] for first in range(0, 16 * 16, 16)]
    table = EpochTable.open(paths)
    for pair in zip(packs[::2], packs[1::2], strict=True):
        for epoch in (1, 2, 3):
            for config in [config for pack in pair for config in pack]:
                table.add(config, rows(config, [-1.0], first=epoch))
            before = {path: path.stat().st_ino for path in paths.epochs.iterdir()}
            table.commit()
            changed = [path for path in paths.epochs.iterdir() if before.get(path) != path.stat().st_ino]
            assert len(changed) == 1  # of four
    assert [pq.read_metadata(path).num_rows for path in sorted(paths.epochs.iterdir())] == [64 * 3] * 4


def test_parts_out_of_memory_are_read_again(paths, rows, monkeypatch):
    monkeypatch.setattr(epochs, "TRIALS_PER_PART", 1)
    monkeypatch.setattr(epochs, "PARTS_IN_MEMORY", 2)
    table = EpochTable.open(paths)
    for epoch in (1, 2, 3):
        for seed in range(5):
            config = TrialConfig(seed=seed)
            table.add(config, rows(config, [-float(epoch)], first=epoch))
            if seed % 2:
                table.commit()
    table.commit()
    assert stored(paths, column="epoch") == [1, 2, 3] * 5


@pytest.mark.parametrize("operation", ["fsync", "replace"])
def test_after_a_failed_commit_a_later_one_succeeds(paths, config, rows, monkeypatch, operation):
    monkeypatch.setattr(epochs, "TRIALS_PER_PART", 1)
    table = EpochTable.open(paths)
    table.add(config, rows(config, [-1.0]))
    table.add(TrialConfig(seed=8), rows(TrialConfig(seed=8), [-2.0]))
    with monkeypatch.context() as patch:
        patch.setattr(*{"fsync": (os, "fsync"), "replace": (files.Path, "replace")}[operation], full)
        with pytest.raises(
            StorageError, match=r"part-00000.parquet cannot be written \(No space left.*free some space"
        ):
            table.commit()
    assert stored(paths) == []
    assert list(paths.temporary.iterdir()) == []
    table.commit()
    assert stored(paths) == [-1.0, -2.0]


def test_who_gets_a_trial_table_reads_it(paths, config, on_record):
    EpochTable.open(paths)
    with pytest.raises(InputError, match=r"grid\.trials\.parquet must be the sweep's trial table, .*: run the sweep$"):
        read_trials(paths.epochs)
    on_record(config)
    assert read_trials(paths.epochs)["trial_id"].tolist() == [config.trial_id]


def test_a_table_removed_while_running_is_an_error_that_names_it(paths, config, rows):
    table = EpochTable.open(paths)
    table.add(config, rows(config, [-1.0]))
    shutil.rmtree(paths.results)
    with pytest.raises(StorageError, match=r"part-00000\.parquet cannot be written"):
        table.commit()
    assert not paths.results.exists()


@pytest.fixture
def part(paths, config, rows):
    table = EpochTable.open(paths)
    table.add(config, rows(config, [-1.0, -2.0, -3.0]))
    table.commit()
    return paths.epochs / "part-00000.parquet"


def truncated(path):
    path.write_bytes(path.read_bytes()[:-20])


def emptied(path):
    path.write_bytes(b"")


def foreign(path):
    pd.DataFrame({"a": [1]}).to_parquet(path)


def rewritten(path, change):
    table = pq.read_table(path)
    pq.write_table(change(table), path)


def newer(path):
    rewritten(path, lambda t: t.replace_schema_metadata({**t.schema.metadata, b"tmc_sweep.format_version": b"2"}))


def sealed_again(path, change, sweep_id=None):
    table = pq.read_table(path).replace_schema_metadata(None)
    sweep_id = sweep_id or open_manifest(SweepPaths.of_table(path.parent)).sweep_id
    path.write_bytes(to_parquet(change(table), sweep_id))


def of_another_sweep(path):
    sealed_again(path, lambda t: t, "00")


def without_a_column(path):
    sealed_again(path, lambda t: t.drop_columns("lr"))


def with_one_more_column(path):
    sealed_again(path, lambda t: t.append_column("beta", t["lr"]))


def with_another_type(path):
    sealed_again(path, lambda t: t.set_column(t.column_names.index("K"), "K", t["K"].cast("int32")))


def with_a_column_twice(path):
    sealed_again(path, lambda t: t.append_column("K", t["K"]))


def of_a_version_that_is_no_number(path):
    rewritten(
        path, lambda t: t.replace_schema_metadata({**t.schema.metadata, b"tmc_sweep.format_version": b"9" * 5000})
    )


def with_a_gap(path):
    sealed_again(path, lambda t: t.take([0, 2]))


def flipped_in_the_footer(path):
    content = bytearray(path.read_bytes())
    content[content.rindex(b"parquet-cpp")] ^= 1  # a word that no reader looks at
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (truncated, "it is damaged"),
        (emptied, "it is damaged"),
        (foreign, "another program wrote it"),
        (newer, "must have a format version up to 1, but has 2"),
        (of_another_sweep, "belongs to another sweep"),
        (without_a_column, "its column lr is missing"),
        (with_one_more_column, "must have columns of this version, but has beta: use the newer tmc_sweep"),
        (with_another_type, "its column K holds int32, not int64"),
        (with_a_column_twice, "its columns are in another order, or there twice"),
        (of_a_version_that_is_no_number, "another program wrote it"),
        (with_a_gap, "epochs are not 1, 2, 3"),
        (
            flipped_in_the_footer,
            "damaged .its SHA-256 is not the one it carries.: mend it with `tmc-sweep repair grid --results ",
        ),
    ],
)
def test_a_part_that_is_not_ours_and_whole_is_refused_and_left_alone(paths, part, damage, what):
    damage(part)
    before = part.read_bytes()
    with pytest.raises(StorageError, match=f"part-00000.parquet.*{what}"):
        EpochTable.open(paths)
    assert part.read_bytes() == before


def test_a_bit_flipped_anywhere_is_found_when_the_table_is_opened(paths, part):
    whole = part.read_bytes()
    for position in [*range(0, len(whole), 101), *range(len(whole) - 200, len(whole))]:
        part.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        with pytest.raises(StorageError, match=r"part-00000\.parquet"):
            EpochTable.open(paths)


def test_a_bit_flipped_while_the_table_is_open_is_found_before_the_part_is_rewritten(paths, part, config, rows):
    table = EpochTable.open(paths)
    flipped_in_the_footer(part)
    with pytest.raises(StorageError, match=r"part-00000\.parquet.*damaged"):
        table.add(config, rows(config, [-4.0], first=4))


def test_a_missing_part_and_a_stray_file_are_refused(paths, part):
    stray = paths.epochs / "notes.txt"
    stray.write_text("mine")
    with pytest.raises(StorageError, match=r"has notes\.txt: move it"):
        EpochTable.open(paths)
    stray.unlink()
    part.rename(paths.epochs / "part-00001.parquet")
    with pytest.raises(
        StorageError, match=r"part-00000\.parquet.*it is missing: mend it with `tmc-sweep repair grid --res"
    ):
        EpochTable.open(paths)


def test_a_trial_in_two_parts_is_refused(paths, part):
    shutil.copy(part, paths.epochs / "part-00001.parquet")
    with pytest.raises(StorageError, match=r"part-00001.parquet.*also in an earlier part"):
        EpochTable.open(paths)


def test_without_its_private_files_the_table_is_still_this_sweeps(paths, part):
    shutil.rmtree(paths.private)
    assert set(EpochTable.open(paths).epochs_done.values()) == {3}


def test_symbolic_links_are_refused(paths, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    EpochTable.open(paths)
    shutil.rmtree(paths.temporary)
    paths.temporary.symlink_to(outside)
    with pytest.raises(StorageError, match="remove the symbolic link"):
        EpochTable.open(paths)
    shutil.rmtree(paths.epochs)
    paths.epochs.symlink_to(outside)
    with pytest.raises(InputError, match="symbolic link"):
        type(paths)(paths.results, paths.name)
    assert list(outside.iterdir()) == []


def test_a_reader_beside_the_writer_sees_whole_epochs_that_only_grow(paths, rows):
    configs = [TrialConfig(seed=seed) for seed in range(66)]
    table = EpochTable.open(paths)
    done, seen, problems = threading.Event(), [], []

    def read():
        before = pd.Series(dtype="int64")
        while not done.is_set():
            try:
                epoch = pd.read_parquet(paths.epochs, columns=["trial_id", "epoch"]).groupby("trial_id")["epoch"]
                count, last, distinct = epoch.count(), epoch.max(), epoch.nunique()
                if not (count.equals(last) and distinct.equals(last)) or (last.reindex(before.index) < before).any():
                    problems.append(last)
                before = last
                seen.append(len(last))
            except Exception as error:
                problems.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for epoch in range(1, 25):
        for config in configs:
            table.add(config, rows(config, [-1.0], first=epoch))
        table.commit()
        wait_until(lambda enough=epoch // 2: len(seen) >= enough or problems)
    done.set()
    reader.join()
    assert problems == []


@pytest.mark.parametrize("hidden", [[], [".DS_Store"]], ids=["empty", "hidden file"])
def test_a_table_begins_also_in_a_folder_that_is_there(paths, hidden: list[str]):
    paths.epochs.mkdir(parents=True)
    for name in hidden:
        (paths.epochs / name).touch()
    assert EpochTable.open(paths).epochs_done == {}
    assert pd.read_parquet(paths.epochs).empty
