"""A pack's life with the writer in the same process: from its first letter to its last."""

import math
import shutil

import pandas as pd
import pytest
from twin import NEVER, DirectChannel, expected, outcomes, small, started, sweep, table

from tmc_sweep.data import Images
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import EPOCH_COLUMNS
from tmc_sweep.sweep.letters import Report
from tmc_sweep.sweep.recorder import Recorder
from tmc_sweep.sweep.trainable import PackRun
from tmc_sweep.tables.checkpoints import CheckpointFiles
from tmc_sweep.tables.read import read_trials
from tmc_sweep.training import Pack


def attempts(paths: SweepPaths) -> list[int]:
    return read_trials(paths.epochs)["attempts"].tolist()


def test_a_sweep_has_every_epoch_of_every_trial_once_as_trained_alone(digits: Images, paths: SweepPaths):
    configs = [small(seed=seed) for seed in (0, 1)]
    sweep(paths, configs, digits)
    frame = table(paths.epochs)
    assert frame.columns.tolist() == [column.name for column in EPOCH_COLUMNS]
    pd.testing.assert_frame_equal(outcomes(frame), expected(configs, digits), check_exact=True)
    assert (read_trials(paths.epochs)["status"] == "done").all()


def test_the_attempt_is_durable_before_training_begins(digits: Images, paths: SweepPaths):
    for attempt in (1, 2):
        started(paths, small(), digits, epochs=0)
        frame = read_trials(paths.epochs)
        assert frame[["status", "attempts", "epochs_done"]].values.tolist() == [["running", attempt, 0]]


def test_a_second_run_trains_nothing(digits: Images, paths: SweepPaths):
    configs = [small(seed=seed) for seed in (0, 1)]
    sweep(paths, configs, digits)
    before = (paths.epochs / "part-00000.parquet").read_bytes()
    assert sweep(paths, configs, digits) == []
    assert (attempts(paths), (paths.epochs / "part-00000.parquet").read_bytes()) == ([1, 1], before)


def test_more_epochs_go_on_from_the_checkpoint_and_leave_the_rows_before_untouched(digits: Images, paths: SweepPaths):
    sweep(paths, [small(epochs=2)], digits)
    before = table(paths.epochs)
    run = started(paths, small(epochs=5), digits, epochs=1)
    assert run._channel.sent[-1].records[0].epoch == 3  # not trained from the start
    run.close()
    sweep(paths, [small(epochs=5)], digits)
    frame = table(paths.epochs)
    pd.testing.assert_frame_equal(frame[:2], before, check_exact=True)
    pd.testing.assert_frame_equal(outcomes(frame), expected([small(epochs=5)], digits), check_exact=True)


def test_fewer_epochs_than_there_are_count_as_done(digits: Images, paths: SweepPaths):
    sweep(paths, [small(epochs=3)], digits)
    assert sweep(paths, [small(epochs=2)], digits) == []
    assert len(table(paths.epochs)) == 3


@pytest.mark.parametrize("checkpointed", [True, False])
def test_after_a_crash_a_trial_ends_as_if_there_had_been_none(digits: Images, paths: SweepPaths, checkpointed: bool):
    config = small(epochs=4)
    started(paths, config, digits, epochs=2, every_seconds=0 if checkpointed else NEVER)
    before = table(paths.epochs)
    assert len(before) == 2
    sweep(paths, [config], digits)
    frame = table(paths.epochs)
    pd.testing.assert_frame_equal(outcomes(frame), expected([config], digits), check_exact=True)
    pd.testing.assert_frame_equal(frame[:2], before, check_exact=True)  # recomputed, found equal, left alone
    assert frame["attempt"].tolist() == [1, 1, 2, 2]


def test_rows_lost_after_their_checkpoint_come_back_from_its_history(digits: Images, paths: SweepPaths):
    config = small(epochs=4)
    run = started(paths, config, digits, epochs=3, every_seconds=0)
    part = paths.epochs / "part-00000.parquet"
    recorder = Recorder.open(paths, [config])
    del run
    stored = recorder._epochs._loaded[0][config.trial_id]
    stored.measured = stored.measured.slice(0, 1)
    recorder._epochs._dirty.add(0)
    recorder._epochs.commit()
    assert len(pd.read_parquet(part)) == 1
    sweep(paths, [config], digits)
    frame = table(paths.epochs)
    pd.testing.assert_frame_equal(outcomes(frame), expected([config], digits), check_exact=True)
    assert frame["attempt"].tolist() == [1, 1, 1, 2]


def test_a_stopped_pack_checkpoints_its_last_epoch(digits: Images, paths: SweepPaths):
    started(paths, small(epochs=9), digits, epochs=2).close()
    assert [path.name[:12] for path in paths.checkpoints.rglob("*.safetensors")] == ["epoch-000002"]
    run = started(paths, small(epochs=9), digits, epochs=1)
    assert run._channel.sent[-1].records[0].epoch == 3


def test_checkpoints_are_made_when_due_and_at_the_end(digits: Images, paths: SweepPaths):
    run = started(paths, small(epochs=3), digits, epochs=3)
    with_checkpoint = [letter.checkpoint is not None for letter in run._channel.sent if isinstance(letter, Report)]
    assert (with_checkpoint, run.finished) == ([False, False, True], True)
    run = started(paths, small(epochs=3, seed=1), digits, epochs=3, every_seconds=0)
    assert all(letter.checkpoint for letter in run._channel.sent if isinstance(letter, Report))


def test_a_trial_whose_later_attempt_has_begun_is_told_to_stop(digits: Images, paths: SweepPaths):
    config = small(epochs=9)
    recorder = Recorder.open(paths, [config])
    zombie, heir = (PackRun([config], digits, DirectChannel(recorder), "cpu", NEVER) for _ in range(2))
    zombie.train_epoch()
    heir.train_epoch()
    assert (zombie.finished, heir.finished) == (True, False)
    assert table(paths.epochs)["attempt"].tolist() == [2]


def test_an_epoch_that_breaks_off_leaves_no_checkpoint_of_itself(digits: Images, paths: SweepPaths, monkeypatch):
    """Tune closes a trial also after an error, when its parameters are already beyond the last epoch's."""
    run = started(paths, small(), digits, epochs=2)
    monkeypatch.setattr(Pack, "_evaluate", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run.train_epoch()
    run.close()
    assert CheckpointFiles(paths).latest(small().trial_id) is None
    monkeypatch.undo()
    sweep(paths, [small()], digits)
    pd.testing.assert_frame_equal(outcomes(table(paths.epochs)), expected([small()], digits), check_exact=True)


def test_a_member_whose_checkpoint_cannot_be_used_fails_alone(digits: Images, paths: SweepPaths):
    configs = [small(seed=seed, epochs=4) for seed in (0, 1)]
    sweep(paths, [config.model_copy(update={"epochs": 2}) for config in configs], digits)
    CheckpointFiles(paths).save(configs[0].trial_id, 3, b"not a checkpoint")
    sweep(paths, configs, digits, size=2)
    trials = read_trials(paths.epochs)
    assert trials["status"].tolist() == ["failed", "done"]
    assert configs[0].trial_id in trials["reason"].tolist()[0]


def test_rows_that_were_lost_are_trained_or_healed_again(digits: Images, paths: SweepPaths):
    sweep(paths, [small()], digits)
    shutil.rmtree(paths.epochs)
    assert sweep(paths, [small()], digits) == [small().trial_id]
    pd.testing.assert_frame_equal(outcomes(table(paths.epochs)), expected([small()], digits), check_exact=True)


def test_a_pack_gives_the_same_rows_as_its_trials_alone(digits: Images, paths: SweepPaths):
    configs = [small(seed=seed, lr=lr) for lr in (1e-3, 1e-2) for seed in (0, 1)]
    sweep(paths, configs, digits, size=3)
    pd.testing.assert_frame_equal(outcomes(table(paths.epochs)), expected(configs, digits), check_exact=True)


def test_members_of_a_pack_go_on_each_from_where_it_stands(digits: Images, paths: SweepPaths):
    configs = [small(seed=seed, epochs=4) for seed in (0, 1, 2)]
    sweep(paths, [configs[1].model_copy(update={"epochs": 2})], digits)
    sweep(paths, configs, digits, size=3)
    pd.testing.assert_frame_equal(outcomes(table(paths.epochs)), expected(configs, digits), check_exact=True)


@pytest.mark.parametrize("size", [1, 3])
def test_a_trial_that_diverges_stops_no_other_and_is_not_tried_again(digits: Images, paths: SweepPaths, size: int):
    configs = [small(lr=lr, objective="elbo", batch_size=8, epochs=4) for lr in (1e-3, 10.0, 1e-2)]
    sweep(paths, configs, digits, size=size)
    trials = read_trials(paths.epochs)
    assert trials["status"].tolist() == ["done", "diverged", "done"]
    bad = table(paths.epochs).query("lr == 10")
    assert trials["reason"].tolist()[1] == f"not finite in epoch {len(bad)}"
    assert math.isnan(bad["test_objective"].iloc[-1])
    assert sweep(paths, configs, digits, size=size) == []
    assert attempts(paths) == [1, 1, 1]


def test_a_trial_that_failed_is_tried_again(digits: Images, paths: SweepPaths):
    config = small()
    started(paths, config, digits, epochs=1)
    recorder = Recorder.open(paths, [config])
    recorder.fail(config.trial_id, "out of memory")
    recorder.commit()
    assert sweep(paths, [config], digits) == [config.trial_id]
    assert read_trials(paths.epochs)["status"].tolist() == ["done"]
