"""What `verify` finds, and what it passes over: nothing, unless it is as it should be."""

import os
import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from stored import TRIALS, checkpoint
from twin import started

from tmc_sweep.data import load
from tmc_sweep.errors import InputError, StorageError
from tmc_sweep.integrity.repair import repair
from tmc_sweep.integrity.verify import Findings, inspect, known_sweep, verify
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import ATTEMPT_COLUMNS, EPOCH_COLUMNS, TRIAL_COLUMNS
from tmc_sweep.store import files, manifest
from tmc_sweep.store.artefacts import ARTEFACTS, Artefact, upsert
from tmc_sweep.store.checkpoint_budget import prune
from tmc_sweep.store.manifest import read_manifest, write_manifest
from tmc_sweep.store.parquet import read_table, to_parquet
from tmc_sweep.store.read import read_epochs


def sentences(paths: SweepPaths) -> list[str]:
    return [problem.sentence for problem in verify(paths).problems]


def test_a_sweep_as_it_was_written_has_no_problem(paths: SweepPaths):
    before = {path: path.stat().st_mtime_ns for path in paths.results.rglob("*")}
    findings = verify(paths)
    assert (findings.parts, findings.trials, findings.epochs, findings.checkpoints) == (1, 2, 5, 3)
    assert findings.problems == ()
    assert {path: path.stat().st_mtime_ns for path in paths.results.rglob("*")} == before


@pytest.mark.parametrize("flips", [100, pytest.param(1000, marks=pytest.mark.long)])
def test_each_flipped_bit_is_found(paths: SweepPaths, flips: int):
    """Over every file, by its share of all bytes; what is found names that file."""
    every = sorted(path for path in paths.results.rglob("*") if path.is_file() and path.name != "lock")
    chance = random.Random(4)
    parts = [path for path in every if path.suffix != ".safetensors"]
    missed = []
    for flip in range(flips):
        path = chance.choice(parts if flip % 2 else every)
        whole = path.read_bytes()
        bit = chance.randrange(8 * len(whole))
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        if path not in {problem.file for problem in inspect(paths).problems}:
            missed.append((path.name, bit))
        path.write_bytes(whole)
    sys.stdout.write(f"{flips} bits flipped, {len(missed)} missed\n")
    assert missed == []
    assert sentences(paths) == []


def resealed(path: Path, change: Callable[[pa.Table], pa.Table], columns: object, sweep_id: str = "") -> None:
    sweep_id = sweep_id or inspect(SweepPaths(path.parents[1], "tiny")).sweep_id
    path.write_bytes(to_parquet(change(read_table(path, columns)), sweep_id))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def foreign(path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(path)


def garbage(path: Path) -> None:
    path.write_bytes(b"garbage")


@pytest.mark.parametrize("file", ["epochs", "trials", "summary"])
@pytest.mark.parametrize("damage", [cut, foreign, garbage])
def test_a_table_that_is_cut_or_foreign_is_named(paths: SweepPaths, file: str, damage: Callable[[Path], None]):
    path = {"epochs": paths.part(0), "trials": paths.trials, "summary": paths.summary}[file]
    damage(path)
    found = sentences(paths)
    assert found[0].startswith(f"{path} must be as tmc_sweep wrote it, but ")
    assert ": mend it with `tmc-sweep repair tiny --results " in found[0]
    assert {sentence.split()[0] for sentence in found[1:]} <= {str(paths.epochs)}


@pytest.mark.parametrize("artefact", ARTEFACTS, ids=lambda artefact: artefact.columns[-1].name)
def test_an_artefact_table_is_checked_to_the_bit(paths: SweepPaths, artefact: Artefact):
    upsert(artefact, paths, [])
    assert sentences(paths) == []
    path = artefact.file(paths)
    whole = path.read_bytes()
    path.write_bytes(whole[:20] + bytes([whole[20] ^ 1]) + whole[21:])
    (found,) = sentences(paths)
    assert found.startswith(f"{path} must be as tmc_sweep wrote it, but it is damaged")
    assert repair(paths).done == (f"moved {path} to {paths.quarantine / path.name}",)


def test_each_missing_part_and_stray_file_is_named(paths: SweepPaths):
    paths.part(0).rename(paths.part(2))
    (paths.epochs / "notes.txt").touch()
    (paths.checkpoints / "notes.txt").touch()
    (checkpoint(paths).parent / "epoch-1.safetensors").touch()
    found = [sentence for sentence in sentences(paths) if "epochs of trial" not in sentence]
    assert [sentence.split()[0] for sentence in found] == [
        str(paths.part(0)),
        str(paths.part(1)),
        str(paths.epochs / "notes.txt"),
        str(paths.checkpoints / "notes.txt"),
        str(checkpoint(paths).parent / "epoch-1.safetensors"),
    ]


@pytest.mark.parametrize("stray", [garbage, lambda path: shutil.copy(path.parent / "part-00000.parquet", path)])
def test_a_stray_of_a_far_number_is_one_problem(paths: SweepPaths, stray: Callable[[Path], None]):
    stray(paths.part(300_000))
    (found,) = inspect(paths).problems
    assert (found.file, found.remove) == (paths.part(300_000), True)


def test_a_far_number_counts_for_nothing_also_where_it_has_the_only_rows_and_no_trial_table_is_left(paths: SweepPaths):
    before = read_epochs(paths.epochs)
    paths.part(0).rename(paths.part(50_000_000))
    paths.trials.unlink()
    assert [problem.file for problem in inspect(paths).problems][-1] == paths.part(50_000_000)
    assert f"moved {paths.part(50_000_000)} to {paths.quarantine / 'part-50000000.parquet'}" in repair(paths).done
    assert read_epochs(paths.epochs).equals(before)
    assert sentences(paths) == []


def test_a_trial_in_two_parts_is_found(paths: SweepPaths):
    shutil.copy(paths.part(0), paths.part(1))
    (found,) = sentences(paths)
    assert found.startswith(str(paths.part(1)))
    assert "is also in an earlier part" in found


def test_an_older_copy_of_a_part_is_found_by_the_rows_it_lacks(paths: SweepPaths):
    resealed(paths.part(0), lambda rows: rows.slice(0, 4), EPOCH_COLUMNS)
    (found,) = sentences(paths)
    assert found.startswith(f"{paths.epochs} must be as tmc_sweep wrote it, but it has 1 epochs of trial ")


def test_a_part_of_another_sweep_is_found(paths: SweepPaths):
    resealed(paths.part(0), lambda rows: rows, EPOCH_COLUMNS, "0123")
    assert "it belongs to another sweep (0123, not " in sentences(paths)[0]


def test_a_manifest_of_another_sweep_is_found_not_the_tables(paths: SweepPaths):
    write_manifest(paths, replace(read_manifest(paths), sweep_id="0123"))
    (found,) = sentences(paths)
    assert found.startswith(str(paths.manifest))
    assert "it belongs to another sweep" in found


def test_rows_and_checkpoints_of_trials_that_nobody_knows_are_found(paths: SweepPaths):
    resealed(paths.trials, lambda rows: rows.slice(0, 1), TRIAL_COLUMNS, read_manifest(paths).sweep_id)
    found = sentences(paths)
    assert [sentence.split()[0] for sentence in found] == [
        str(paths.part(0)),
        str(checkpoint(paths, 1)),
        str(checkpoint(paths, 0)),
    ]
    assert all(f"its trial {TRIALS[1].trial_id} is not in the trial table" in sentence for sentence in found)


def renamed(path: Path, trial_id: str, epoch: int) -> None:
    target = path.parents[1] / trial_id / f"epoch-{epoch:06d}-{path.stem[-16:]}.safetensors"
    target.parent.mkdir(exist_ok=True)
    path.rename(target)


@pytest.mark.parametrize(
    ("trial", "epoch", "what"),
    [(0, 2, "it names trial "), (1, 7, "its history is not epochs 1 to 7")],
)
def test_a_checkpoint_in_anothers_place_is_found(paths: SweepPaths, trial: int, epoch: int, what: str):
    renamed(checkpoint(paths, 1), TRIALS[trial].trial_id, epoch)
    found = sentences(paths)
    assert what in found[0]
    assert "it is missing" in found[1]  # from its own place


def test_a_checkpoint_whose_history_is_not_that_of_the_rows_is_found(paths: SweepPaths):
    def changed(rows: pa.Table) -> pa.Table:
        column = rows["test_elbo"].to_pylist()
        return rows.set_column(rows.column_names.index("test_elbo"), "test_elbo", [[*column[:-1], -1.0]])

    resealed(paths.part(0), changed, EPOCH_COLUMNS)
    (found,) = sentences(paths)
    assert found.startswith(str(checkpoint(paths, 1)))
    assert "its epoch 2 is not as it is in the epoch table" in found


def test_checkpoints_that_are_gone_are_found_by_the_trial_table(paths: SweepPaths):
    newest = checkpoint(paths, 1)
    older, there = checkpoint(paths, 0), newest.read_bytes()
    kept = older.read_bytes()
    older.unlink()
    assert sentences(paths) == []
    for older_there in (False, True):
        newest.unlink()
        if older_there:
            older.write_bytes(kept)
        (found,) = sentences(paths)
        assert found.startswith(f"{newest} must be as tmc_sweep wrote it, but it is missing")
        newest.write_bytes(there)


def test_what_a_newer_version_wrote_is_no_damage(paths: SweepPaths):
    write_manifest(paths, replace(read_manifest(paths), format_version=manifest.VERSION + 1))
    (problem,) = verify(paths).problems
    assert (problem.mendable, problem.remove) == (False, False)
    assert "use the newer tmc_sweep that wrote it" in problem.sentence


def test_a_file_replaced_between_two_looks_is_no_problem(paths: SweepPaths, monkeypatch: pytest.MonkeyPatch):
    whole, looks = paths.part(0).read_bytes(), []

    def inspected(paths: SweepPaths) -> Findings:
        looks.append(1)
        paths.part(0).write_bytes(whole if len(looks) > 1 else b"")
        return inspect(paths)

    monkeypatch.setattr("tmc_sweep.integrity.verify.inspect", inspected)
    assert verify(paths).problems == ()
    assert len(looks) == 2


def test_verify_beside_a_sweep_that_runs_finds_nothing(tmp_path: Path):
    """After each message's commit, and again after it, at whatever state the files are in."""
    paths, images = SweepPaths(tmp_path, "tiny"), load("digits")
    run = started(paths, TRIALS, images, epochs=0, every_seconds=0.0)
    while not run.finished:
        run.train_epoch()
        assert verify(paths).problems == ()


def test_without_its_private_files_a_sweep_has_lost_its_manifest_and_its_checkpoints(paths: SweepPaths):
    shutil.rmtree(paths.private)
    assert [sentence.partition(": mend")[0] for sentence in sentences(paths)] == [
        f"{path} must be as tmc_sweep wrote it, but it is missing" for path in (paths.manifest, paths.checkpoints)
    ]


def test_the_name_of_no_sweep(tmp_path: Path, paths: SweepPaths):
    with pytest.raises(InputError, match="no sweep was run there"):
        known_sweep(tmp_path / "none", "tiny")
    shutil.rmtree(paths.epochs)
    assert known_sweep(paths.results, "tiny") == paths  # what is left of it can be mended


PLACES: dict[str, Callable[[SweepPaths], Path]] = {
    "part": lambda paths: paths.part(0),
    "trials": lambda paths: paths.trials,
    "attempts": lambda paths: paths.attempts,
    "manifest": lambda paths: paths.manifest,
    "checkpoint": lambda paths: checkpoint(paths),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_pipe_in_a_files_place_is_named_and_never_waited_for(paths: SweepPaths, place: str):
    path = PLACES[place](paths)
    path.unlink()
    os.mkfifo(path)
    problem = next(problem for problem in verify(paths).problems if problem.file == path)
    assert "it is no regular file" in problem.sentence
    assert not problem.mendable
    with pytest.raises(StorageError, match="no regular file"):
        repair(paths)


def test_a_link_in_the_place_of_a_trials_checkpoints_is_named_and_nothing_behind_it_is_touched(
    paths: SweepPaths, tmp_path: Path
):
    folder = checkpoint(paths).parent
    elsewhere = folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(elsewhere)
    kept = {path.name for path in elsewhere.iterdir()}
    assert str(folder) in {str(problem.file) for problem in verify(paths).problems}
    prune(paths, 0.0)
    repair(paths)
    assert sentences(paths) == []
    assert {path.name for path in elsewhere.iterdir()} == kept


def test_a_part_that_decodes_to_more_than_the_memory_is_refused_unread(
    paths: SweepPaths, monkeypatch: pytest.MonkeyPatch
):
    """A small file may hold one value billions of times."""
    monkeypatch.setattr(files, "MOST_BYTES", 1_000_000)
    assert sentences(paths) == []
    resealed(paths.part(0), lambda rows: pa.concat_tables([rows] * 10_000), EPOCH_COLUMNS)
    assert paths.part(0).stat().st_size < files.MOST_BYTES
    (found,) = [problem for problem in verify(paths).problems if problem.file == paths.part(0)]
    assert "must fit into half of this machine's memory" in found.sentence
    monkeypatch.setattr(files, "MOST_BYTES", 2**40)
    assert not [sentence for sentence in sentences(paths) if "must fit into" in sentence]


@pytest.mark.parametrize("change", [lambda rows: rows.slice(0, 1), lambda rows: pa.concat_tables([rows, rows])])
def test_an_attempt_table_that_lacks_a_last_attempt_or_has_one_twice_is_found_and_mended(
    paths: SweepPaths, change: Callable[[pa.Table], pa.Table]
):
    resealed(paths.attempts, change, ATTEMPT_COLUMNS)
    assert [sentence.split()[0] for sentence in sentences(paths)] == [str(paths.attempts)]
    repair(paths)
    assert sentences(paths) == []
    assert pd.read_parquet(paths.attempts)["trial_id"].nunique() == 2


def test_a_sweep_of_the_first_version_has_no_attempts_which_is_no_damage(tmp_path: Path):
    shutil.copytree(Path(__file__).parents[1] / "golden" / "v1", tmp_path / "results")
    golden = SweepPaths(tmp_path / "results", "golden")
    assert verify(golden).problems == ()
    repair(golden)
    assert len(pd.read_parquet(golden.attempts)) == 0
