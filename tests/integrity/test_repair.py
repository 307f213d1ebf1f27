"""What `repair` brings back, what it leaves to the next run, and that it can be broken off anywhere."""

import errno
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from stored import DONE, GOING, TRIALS, YAML, checkpoint
from twin import RecordedChannel, expected, outcomes, small, sweep, table

from tmc_sweep.config import TrialConfig
from tmc_sweep.data import load
from tmc_sweep.errors import StorageError, SweepBusyError
from tmc_sweep.integrity.repair import repair
from tmc_sweep.integrity.verify import verify
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.search.asha import Asha
from tmc_sweep.search.cells import choosing
from tmc_sweep.space import SearchSpace, parse
from tmc_sweep.store import files, manifest
from tmc_sweep.store.checkpoints import CheckpointFiles
from tmc_sweep.store.lock import sweep_lock
from tmc_sweep.store.manifest import Decision, open_manifest, read_manifest, write_manifest
from tmc_sweep.store.read import read_trials
from tmc_sweep.store.recorder import Recorder
from tmc_sweep.sweep.pack_run import PackRun
from tmc_sweep.training import decode, encode


def garbage(path: Path) -> None:
    path.write_bytes(b"garbage")


def break_part(paths: SweepPaths) -> None:
    garbage(paths.part(0))


def lose_part(paths: SweepPaths) -> None:
    paths.part(0).unlink()


def lose_table(paths: SweepPaths) -> None:
    shutil.rmtree(paths.epochs)


def break_trials(paths: SweepPaths) -> None:
    garbage(paths.trials)


def lose_trials(paths: SweepPaths) -> None:
    paths.trials.unlink()


def break_manifest(paths: SweepPaths) -> None:
    garbage(paths.manifest)


def break_summary(paths: SweepPaths) -> None:
    garbage(paths.summary)


def break_both_tables(paths: SweepPaths) -> None:
    break_part(paths)
    break_trials(paths)


def break_all_but_checkpoints(paths: SweepPaths) -> None:
    break_both_tables(paths)
    break_manifest(paths)


def swap_manifest(paths: SweepPaths) -> None:
    write_manifest(paths, replace(read_manifest(paths), sweep_id="0123"))


def add_strays(paths: SweepPaths) -> None:
    (paths.epochs / "notes.txt").touch()
    (paths.checkpoints / "notes").mkdir()


def break_checkpoints(paths: SweepPaths) -> None:
    for which in (0, 1):
        garbage(checkpoint(paths, which))


def copy_part(paths: SweepPaths) -> None:
    shutil.copy(paths.part(0), paths.part(1))


def move_part_far(paths: SweepPaths) -> None:
    """To where a hundred thousand parts would be missing before it."""
    paths.part(0).rename(paths.part(99_999))
    paths.trials.unlink()


DAMAGES = [
    move_part_far,
    break_part,
    lose_part,
    lose_table,
    break_trials,
    lose_trials,
    break_manifest,
    break_summary,
    break_both_tables,
    break_all_but_checkpoints,
    swap_manifest,
    add_strays,
    break_checkpoints,
    copy_part,
]


def contents(folder: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "lock")


@pytest.mark.parametrize("damage", DAMAGES)
def test_after_any_damage_no_row_is_lost_and_the_sweep_ends_in_the_same_bits(
    paths: SweepPaths, damage: Callable[[SweepPaths], None]
):
    before = table(paths.epochs)
    damage(paths)
    mended = repair(paths)
    assert mended.done
    assert mended.to_train == ()
    assert verify(paths).problems == ()
    pd.testing.assert_frame_equal(table(paths.epochs), before, check_exact=True)  # time and all
    frame = read_trials(paths.epochs).set_index("trial_id")
    assert frame.loc[DONE.trial_id, ["status", "epochs_done", "attempts"]].tolist() == ["done", 3, 1]
    assert frame.loc[GOING.trial_id, ["status", "epochs_done", "attempts"]].tolist() == ["pending", 2, 1]
    assert repair(paths).done == ()
    images = load("digits")
    sweep(paths, TRIALS, images, text=YAML)
    pd.testing.assert_frame_equal(outcomes(table(paths.epochs)), expected(TRIALS, images), check_exact=True)
    assert verify(paths).problems == ()


class Snapshots:
    """In place of a folder's fsync, which ends every change of a file: keeps each state that a kill there leaves."""

    def __init__(self, results: Path, folder: Path) -> None:
        self.results, self.folder, self.last = results, folder, files_in(results)
        self.kept: list[SweepPaths] = []

    def __call__(self, _: Path) -> None:
        if (now := files_in(self.results)) != self.last:
            self.last = now
            self.kept.append(SweepPaths(self.folder / str(len(self.kept)), "tiny"))
            shutil.copytree(self.results, self.kept[-1].results)


def files_in(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("damage", [break_part, lose_table, break_trials, break_all_but_checkpoints])
def test_broken_off_anywhere_it_can_be_called_again(
    paths: SweepPaths, tmp_path: Path, damage: Callable[[SweepPaths], None], monkeypatch: pytest.MonkeyPatch
):
    before = table(paths.epochs)
    damage(paths)
    snapshots = Snapshots(paths.results, tmp_path)
    monkeypatch.setattr(files, "_sync_folder", snapshots)
    repair(paths)
    monkeypatch.undo()
    assert snapshots.kept
    for left in snapshots.kept:
        repair(left)
        assert verify(left).problems == ()
        pd.testing.assert_frame_equal(table(left.epochs), before, check_exact=True)


def test_what_is_broken_is_set_aside_as_it_was_and_never_deleted(paths: SweepPaths):
    for name in ("part-00000.parquet", "part-00000.parquet.1"):
        break_both_tables(paths)
        garbage(checkpoint(paths))
        assert f"moved {paths.part(0)} to {paths.quarantine / name}" in repair(paths).done
    assert contents(paths.quarantine) == [b"garbage"] * 6


def test_rows_without_a_checkpoint_are_trained_again_by_the_next_run(paths: SweepPaths):
    break_part(paths)
    shutil.rmtree(paths.checkpoints / DONE.trial_id)
    checkpoint(paths, 1).unlink()
    mended = repair(paths)
    assert mended.to_train == (f"trial {DONE.trial_id}: epochs 1 to 3", f"trial {GOING.trial_id}: epochs 2 to 2")
    assert verify(paths).problems == ()
    images = load("digits")
    assert set(sweep(paths, TRIALS, images, text=YAML)) == {config.trial_id for config in TRIALS}
    pd.testing.assert_frame_equal(outcomes(table(paths.epochs)), expected(TRIALS, images), check_exact=True)


def test_rows_that_a_later_attempt_was_about_to_replace_come_from_its_checkpoint(paths: SweepPaths):
    """As on a GPU, killed between its checkpoint and its rows."""
    checkpoints = CheckpointFiles(paths)
    state = decode(checkpoints.latest(GOING.trial_id)[1], GOING)
    first, second = state.history
    state.history[1:] = [replace(second, test_elbo=-1.0, attempt=2), replace(second, epoch=3, attempt=2)]
    checkpoints.save(GOING.trial_id, 3, encode(state))
    assert verify(paths).problems == ()
    assert repair(paths).done == (f"brought back from a checkpoint: epochs 3 to 3 of trial {GOING.trial_id}",)
    frame = table(paths.epochs).query(f"trial_id == '{GOING.trial_id}'")
    assert frame["attempt"].tolist() == [1, 2, 2]
    assert frame["test_elbo"].tolist() == [first.test_elbo, -1.0, second.test_elbo]


def test_a_checkpoint_that_the_disk_cannot_read_is_set_aside_unread(paths: SweepPaths, monkeypatch: pytest.MonkeyPatch):
    newest, regular = checkpoint(paths, 1), files._regular

    def unreadable(path: Path) -> AbstractContextManager[int]:
        if path == newest:
            raise OSError(errno.EIO, "Input/output error")
        return regular(path)

    monkeypatch.setattr(files, "_regular", unreadable)
    assert repair(paths).done == (f"moved {newest} to {paths.quarantine / newest.name}",)
    assert verify(paths).problems == ()


def test_a_diverged_trial_whose_rows_are_lost_is_trained_again(tmp_path: Path):
    paths, images = SweepPaths(tmp_path, "tiny"), load("digits")
    config = small(lr=10.0, batch_size=8)
    sweep(paths, [config], images)
    before = table(paths.epochs)
    assert read_trials(paths.epochs)["status"].tolist() == ["diverged"]
    break_part(paths)
    shutil.rmtree(paths.checkpoints / config.trial_id)
    assert repair(paths).to_train == (f"trial {config.trial_id}: epochs 1 to {len(before)}",)
    sweep(paths, [config], images)
    pd.testing.assert_frame_equal(outcomes(table(paths.epochs)), outcomes(before), check_exact=True)
    assert read_trials(paths.epochs)["status"].tolist() == ["diverged"]


@pytest.mark.parametrize("architecture", ["clustering", {"latents": [12, 4], "q_hidden": [20, 10]}])
def test_a_trial_without_a_row_of_its_own_is_known_by_its_epochs(paths: SweepPaths, architecture: object):
    config = TrialConfig.parse({**TRIALS[0].model_dump(), "architecture": architecture})
    sweep(paths, [config], load("digits"))
    shutil.rmtree(paths.checkpoints / config.trial_id)
    break_trials(paths)
    repair(paths)
    frame = read_trials(paths.epochs).set_index("trial_id")
    assert frame.loc[config.trial_id, ["status", "epochs", "epochs_done"]].tolist() == ["done", 3, 3]


def test_what_a_newer_version_wrote_is_left_alone_with_all_the_rest(paths: SweepPaths):
    write_manifest(paths, replace(read_manifest(paths), format_version=manifest.VERSION + 1))
    break_part(paths)
    before = contents(paths.results)
    with pytest.raises(StorageError, match="use the newer tmc_sweep that wrote it"):
        repair(paths)
    assert contents(paths.results) == before


def test_a_sweep_that_runs_is_not_mended(paths: SweepPaths):
    with sweep_lock(paths), pytest.raises(SweepBusyError):
        repair(paths)


def test_a_whole_sweep_is_left_as_it_is(paths: SweepPaths):
    before = contents(paths.results)
    assert repair(paths).done == ()
    assert contents(paths.results) == before


def test_a_damaged_part_is_neither_trained_on_nor_overwritten_by_a_run(paths: SweepPaths):
    break_part(paths)
    with pytest.raises(StorageError, match=r"part-00000\.parquet .* mend it with `tmc-sweep repair tiny --results "):
        Recorder.open(paths, TRIALS)
    assert paths.part(0).read_bytes() == b"garbage"


def decided(paths: SweepPaths, space: SearchSpace, epochs: int) -> dict[str, str]:
    """Train the cells one after another, each epoch checkpointed, as the scheduler lets them; the statuses."""
    trials = space.trials()
    with sweep_lock(paths):
        open_manifest(paths, space.text)
        recorder = Recorder.open(paths, trials)
        choosing(space, paths, trials, [], recorder)
        for trial in trials:
            run = PackRun([trial], load("digits"), RecordedChannel(recorder), "cpu", 0.0)
            for _ in range(epochs):
                if not run.finished:
                    run.train_epoch()
        recorder.release()
        recorder.commit()
        return {trial.trial_id: recorder.row(trial.trial_id)["status"] for trial in trials}


def test_rows_that_come_back_count_as_let_go_which_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Two cells at their first rung; the rows and the decisions are lost, and come back from checkpoints."""
    paths = SweepPaths(tmp_path, "tiny")
    text = YAML.replace("epochs: 3", "epochs: 4, validation_images: 20").replace("seeds: 2", "seeds: 1")
    space = parse(
        f"{text}space: {{lr: {{grid_search: [1e-2, 1e-6]}}}}\nstatistic: {{metric: val_iwae, last: 1}}\n"
        "scheduler: {algorithm: asha, last: 1, grace_epochs: 2, reduction: 2}\n",
        "tiny.yaml",
    )
    with monkeypatch.context() as patch:
        patch.setattr(Asha, "against", lambda *_: None)  # let go, for now
        assert set(decided(paths, space, epochs=3).values()) == {Status.PENDING}
    break_part(paths)
    write_manifest(paths, replace(read_manifest(paths), decisions={space.trials()[0].cell_id: Decision(2)}))
    said = repair(paths).done
    assert said[-1] == "a scheduler stops no cell at epochs that were brought back: they count as decided to go on"
    assert set(decided(paths, space, epochs=4).values()) == {Status.DONE}
