"""A pack's life with the writer in the same process: from its first message to its last."""

import gc
import math
import shutil
import weakref
from collections.abc import Callable, Sequence
from itertools import chain, repeat

import pandas as pd
import pytest
import torch
from twin import NEVER, RecordedChannel, expected, finish, outcomes, small, started, sweep, table

from tmc_sweep.config import TrialConfig
from tmc_sweep.data import Images, Split
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import EPOCH_COLUMNS
from tmc_sweep.store.checkpoints import CheckpointFiles
from tmc_sweep.store.manifest import read_manifest
from tmc_sweep.store.messages import Message, Report, StartTrial
from tmc_sweep.store.read import read_trials
from tmc_sweep.store.recorder import Recorder
from tmc_sweep.sweep.pack_run import PackRun
from tmc_sweep.training import Pack


def attempts(paths: SweepPaths) -> list[int]:
    return read_trials(paths.epochs)["attempts"].tolist()


def seeds(*values: int, **fields: object) -> list[TrialConfig]:
    return [small(seed=seed, **fields) for seed in values]


def packs(paths: SweepPaths, configs: Sequence[TrialConfig]) -> list[list[int]]:
    """The seeds of each pack in the manifest."""
    seed = {config.trial_id: config.seed for config in configs}
    return [[seed[trial_id] for trial_id in pack] for pack in read_manifest(paths).packs]


def out_of_memory(monkeypatch: pytest.MonkeyPatch, too_large: Callable[[list[int]], bool]) -> list[weakref.ref[Pack]]:
    """Let packs of such seeds run out of memory in mid-epoch, parameters already changed; the packs that did."""
    train_epoch, broken = Pack.train_epoch, []

    def train_or_break(pack: Pack) -> object:
        if not too_large([state.config.seed for state in pack.states]):
            return train_epoch(pack)
        broken.append(weakref.ref(pack))
        pack._train()
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(Pack, "train_epoch", train_or_break)
    return broken


def test_a_sweep_has_every_epoch_of_every_trial_once_as_trained_alone(digits: Images, paths: SweepPaths):
    configs = [small(seed=seed) for seed in (0, 1)]
    sweep(paths, configs, digits)
    frame = table(paths.epochs)
    assert frame.columns.tolist() == [column.name for column in EPOCH_COLUMNS]
    pd.testing.assert_frame_equal(outcomes(frame), expected(configs, digits), check_exact=True)
    assert (read_trials(paths.epochs)["status"] == "done").all()


def test_a_report_says_how_many_trained_together(digits: Images, paths: SweepPaths):
    configs = [small(seed=0, epochs=1), small(seed=1), small(seed=2)]
    channel = RecordedChannel(Recorder.open(paths, configs))
    finish(PackRun(configs, digits, channel, "cpu", NEVER))
    reports = [message for message in channel.sent if isinstance(message, Report)]
    assert {(report.records[-1].epoch, report.members) for report in reports[:5]} == {(1, 3), (2, 2)}


def test_where_a_new_stack_costs_more_who_ends_early_stays_in_the_old_one_and_reports_no_more(
    digits: Images, paths: SweepPaths
):
    configs = [small(seed=0, epochs=1), small(seed=1), small(seed=2)]
    run = started(paths, configs, digits, epochs=0)
    (pack,) = run._packs
    pack.device = "as a GPU has it"
    finish(run)
    reports = [message for message in run._channel.sent if isinstance(message, Report)]
    assert [report.members for report in reports] == [3] * 3 + [2] * 4
    assert [state.epoch for state in pack._members.states] == [1, 3, 3]
    pd.testing.assert_frame_equal(outcomes(table(paths.epochs)), expected(configs, digits), check_exact=True)


def test_the_attempt_is_durable_before_training_begins(digits: Images, paths: SweepPaths):
    for attempt in (1, 2):
        started(paths, [small()], digits, epochs=0)
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
    run = started(paths, [small(epochs=5)], digits, epochs=1)
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
    started(paths, [config], digits, epochs=2, every_seconds=0 if checkpointed else NEVER)
    before = table(paths.epochs)
    assert len(before) == 2
    sweep(paths, [config], digits)
    frame = table(paths.epochs)
    pd.testing.assert_frame_equal(outcomes(frame), expected([config], digits), check_exact=True)
    pd.testing.assert_frame_equal(frame[:2], before, check_exact=True)  # recomputed, found equal, left alone
    assert frame["attempt"].tolist() == [1, 1, 2, 2]


def test_rows_lost_after_their_checkpoint_come_back_from_its_history(digits: Images, paths: SweepPaths):
    config = small(epochs=4)
    run = started(paths, [config], digits, epochs=3, every_seconds=0)
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
    started(paths, [small(epochs=9)], digits, epochs=2).close()
    assert [path.name[:12] for path in paths.checkpoints.rglob("*.safetensors")] == ["epoch-000002"]
    run = started(paths, [small(epochs=9)], digits, epochs=1)
    assert run._channel.sent[-1].records[0].epoch == 3


@pytest.mark.parametrize("batches", range(3))
def test_a_pack_stopped_in_mid_epoch_checkpoints_the_boundary_before_it(
    digits: Images, paths: SweepPaths, monkeypatch: pytest.MonkeyPatch, batches: int
):
    """An epoch has two batches of training and one of evaluation."""
    configs = seeds(0, 1)
    run = started(paths, configs, digits, epochs=1)
    answers = chain(batches * [False], repeat(True))
    monkeypatch.setattr(RecordedChannel, "stopping", property(lambda _: next(answers)))
    run.train_epoch()
    run.close()
    monkeypatch.undo()
    assert [CheckpointFiles(paths).latest(config.trial_id)[0] for config in configs] == [1, 1]
    sweep(paths, configs, digits)
    frame = table(paths.epochs)
    pd.testing.assert_frame_equal(outcomes(frame), expected(configs, digits), check_exact=True)
    assert frame["attempt"].tolist() == [1, 2, 2] * 2


def test_checkpoints_are_made_when_due_and_at_the_end(digits: Images, paths: SweepPaths):
    run = started(paths, [small(epochs=3)], digits, epochs=3)
    with_checkpoint = [message.checkpoint is not None for message in run._channel.sent if isinstance(message, Report)]
    assert (with_checkpoint, run.finished) == ([False, False, True], True)
    run = started(paths, [small(epochs=3, seed=1)], digits, epochs=3, every_seconds=0)
    assert all(message.checkpoint for message in run._channel.sent if isinstance(message, Report))


def test_a_trial_whose_later_attempt_has_begun_is_told_to_stop(digits: Images, paths: SweepPaths):
    config = small(epochs=9)
    recorder = Recorder.open(paths, [config])
    zombie, heir = (PackRun([config], digits, RecordedChannel(recorder), "cpu", NEVER) for _ in range(2))
    zombie.train_epoch()
    heir.train_epoch()
    assert (zombie.finished, heir.finished) == (True, False)
    assert table(paths.epochs)["attempt"].tolist() == [2]


def test_a_finished_member_is_not_trained_again_when_its_pack_is_restarted(digits: Images, paths: SweepPaths):
    """Not even where the budget dropped its checkpoint."""
    short, long = small(epochs=2), small(seed=1, epochs=4)
    recorder = Recorder.open(paths, [short, long], checkpoint_gigabytes=0)
    run = PackRun([short, long], digits, RecordedChannel(recorder), "cpu", NEVER)
    for _ in range(3):
        run.train_epoch()
    assert CheckpointFiles(paths).latest(short.trial_id) is None
    again = PackRun([short, long], digits, RecordedChannel(recorder), "cpu", NEVER)
    finish(again)
    assert {message.trial_id for message in again._channel.sent if isinstance(message, Report)} == {long.trial_id}
    frame = read_trials(paths.epochs)
    assert frame[["status", "attempts"]].values.tolist() == [["done", 1], ["done", 2]]


def test_an_epoch_that_breaks_off_leaves_no_checkpoint_of_itself(digits: Images, paths: SweepPaths, monkeypatch):
    """Tune closes a trial also after an error, when its parameters are already beyond the last epoch's."""
    run = started(paths, [small()], digits, epochs=2)
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
    sweep(paths, [config.model_copy(update={"epochs": 2}) for config in configs], digits, size=2)
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
    finish(started(paths, configs, digits, epochs=1))
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
    started(paths, [config], digits, epochs=1)
    recorder = Recorder.open(paths, [config])
    recorder.fail(config.trial_id, "out of memory")
    recorder.commit()
    assert sweep(paths, [config], digits) == [config.trial_id]
    assert read_trials(paths.epochs)["status"].tolist() == ["done"]


@pytest.mark.parametrize("size", [1, 2, 9])
def test_a_resumed_pack_has_the_members_it_had_whatever_was_added(digits: Images, paths: SweepPaths, size: int):
    """It was stopped with rows and no checkpoint; its search space now has more, in another order."""
    started(paths, seeds(3, 1, 2), digits, epochs=2)
    wanted = seeds(0, 1, 2, 3, 4)
    sweep(paths, wanted, digits, size=size)
    new = {1: [[0], [4]], 2: [[0, 4]], 9: [[0, 4]]}[size]
    assert sorted(packs(paths, wanted)) == sorted([[3, 1, 2], *new])
    assert read_trials(paths.epochs).set_index("seed")["pack_size"].loc[[3, 1, 2]].tolist() == [3, 3, 3]
    pd.testing.assert_frame_equal(outcomes(table(paths.epochs)), expected(wanted, digits), check_exact=True)


def test_more_epochs_find_a_pack_as_it_was(digits: Images, paths: SweepPaths):
    sweep(paths, seeds(0, 1, 2), digits, size=2)
    sweep(paths, seeds(2, 1, 0, 3, epochs=4), digits, size=4)
    assert packs(paths, seeds(0, 1, 2, 3)) == [[0, 1], [2], [3]]


@pytest.mark.parametrize(("most", "halves"), [(3, [[0, 1, 2], [3, 4]]), (2, [[0, 1], [2], [3, 4]]), (1, None)])
def test_a_pack_too_large_for_the_memory_goes_on_in_halves(
    digits: Images, paths: SweepPaths, monkeypatch: pytest.MonkeyPatch, most: int, halves: list[list[int]] | None
):
    configs = seeds(0, 1, 2, 3, 4)
    out_of_memory(monkeypatch, lambda members: len(members) > most)
    sweep(paths, configs, digits, size=5)
    pd.testing.assert_frame_equal(outcomes(table(paths.epochs)), expected(configs, digits), check_exact=True)
    halves = halves or [[seed] for seed in range(5)]
    assert packs(paths, configs) == halves
    trials = read_trials(paths.epochs)
    assert trials["pack_size"].tolist() == [len(half) for half in halves for _ in half]
    assert (trials["status"] == "done").all()


def test_halves_begin_from_the_checkpoint_and_rows_after_it_stay_as_they_are(
    digits: Images, paths: SweepPaths, monkeypatch: pytest.MonkeyPatch
):
    configs = seeds(0, 1, 2, epochs=5)
    run = started(paths, configs, digits, epochs=1, every_seconds=0)
    run._checkpoint_seconds = NEVER
    run.train_epoch()
    before = table(paths.epochs)
    out_of_memory(monkeypatch, lambda members: len(members) > 2)
    run.train_epoch()
    pd.testing.assert_frame_equal(table(paths.epochs), before, check_exact=True)
    for config in configs:
        assert CheckpointFiles(paths).latest(config.trial_id)[0] == 1
    finish(run)
    frame = table(paths.epochs)
    pd.testing.assert_frame_equal(outcomes(frame), expected(configs, digits), check_exact=True)
    pd.testing.assert_frame_equal(frame[frame["epoch"] < 3].reset_index(drop=True), before, check_exact=True)
    assert frame["attempt"].tolist() == [1, 1, 2, 2, 2] * 3


def test_halves_take_turns_epoch_by_epoch_and_are_all_checkpointed(
    digits: Images, paths: SweepPaths, monkeypatch: pytest.MonkeyPatch
):
    configs = seeds(0, 1, 2, 3)
    out_of_memory(monkeypatch, lambda members: len(members) > 2)
    run = started(paths, configs, digits, epochs=1)
    assert table(paths.epochs).empty
    assert len({id(pack.data) for pack in run._packs}) == 1  # one copy of the images
    for epoch in (1, 2):
        run.train_epoch()
        assert table(paths.epochs)["epoch"].tolist() == list(range(1, epoch + 1)) * 4
    run.close()
    assert [CheckpointFiles(paths).latest(config.trial_id)[0] for config in configs] == [2] * 4
    sweep(paths, configs, digits)
    pd.testing.assert_frame_equal(outcomes(table(paths.epochs)), expected(configs, digits), check_exact=True)


def test_nothing_half_trained_is_kept_when_a_pack_is_stopped_just_after_it_did_not_fit(
    digits: Images, paths: SweepPaths, monkeypatch: pytest.MonkeyPatch
):
    configs = seeds(0, 1, 2)
    run = started(paths, configs, digits, epochs=2)
    out_of_memory(monkeypatch, lambda members: len(members) > 2)
    run.train_epoch()
    run.close()
    assert list(paths.checkpoints.rglob("*.safetensors")) == []
    assert table(paths.epochs)["epoch"].tolist() == [1, 2] * 3
    monkeypatch.undo()
    sweep(paths, configs, digits)
    pd.testing.assert_frame_equal(outcomes(table(paths.epochs)), expected(configs, digits), check_exact=True)


def test_a_trial_too_large_even_alone_fails_and_the_others_are_done(
    digits: Images, paths: SweepPaths, monkeypatch: pytest.MonkeyPatch
):
    configs = seeds(0, 1, 2, 3)
    out_of_memory(monkeypatch, lambda members: 2 in members)
    sweep(paths, configs, digits, size=4)
    trials = read_trials(paths.epochs)
    assert trials["status"].tolist() == ["done", "done", "failed", "done"]
    assert trials["reason"].tolist()[2] == (
        f"a trial must fit into the memory of its machine, but trial {configs[2].trial_id} alone, with K 2 and "
        "batch_size 64, needs more: use a machine with more, or lower K or batch_size"
    )
    assert packs(paths, configs) == [[0, 1], [2], [3]]
    assert CheckpointFiles(paths).latest(configs[2].trial_id) is None
    monkeypatch.undo()
    assert sweep(paths, configs, digits, size=4) == [configs[2].trial_id]
    pd.testing.assert_frame_equal(outcomes(table(paths.epochs)), expected(configs, digits), check_exact=True)


def test_a_pack_that_cannot_even_be_stacked_begins_in_halves(
    digits: Images, paths: SweepPaths, monkeypatch: pytest.MonkeyPatch
):
    def stack(pack: Pack, states: Sequence[object], *rest: object) -> None:
        if len(states) > 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        init(pack, states, *rest)

    init = Pack.__init__
    monkeypatch.setattr(Pack, "__init__", stack)
    configs = seeds(0, 1, 2)
    sweep(paths, configs, digits, size=3)
    monkeypatch.undo()
    pd.testing.assert_frame_equal(outcomes(table(paths.epochs)), expected(configs, digits), check_exact=True)
    assert packs(paths, configs) == [[0], [1], [2]]


def test_data_too_large_for_the_memory_fail_every_trial_in_words(
    digits: Images, paths: SweepPaths, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Split, "of", lambda *_: bytearray(10**18))
    run = started(paths, seeds(0, 1, 2), digits, epochs=0)
    assert run.finished
    trials = read_trials(paths.epochs)
    assert trials["status"].tolist() == ["failed"] * 3
    assert trials["reason"].str.startswith("a trial must fit into the memory").all()


def test_a_pack_that_did_not_fit_is_gone_before_its_halves_begin(
    digits: Images, paths: SweepPaths, monkeypatch: pytest.MonkeyPatch
):
    def ask(channel: RecordedChannel, messages: Sequence[Message]) -> object:
        alive.append([pack() is not None for pack in broken])
        return original(channel, messages)

    alive: list[list[bool]] = []
    original = RecordedChannel.ask
    broken = out_of_memory(monkeypatch, lambda members: len(members) > 1)
    run = started(paths, seeds(0, 1), digits, epochs=0)
    monkeypatch.setattr(RecordedChannel, "ask", ask)
    gc.disable()
    try:
        run.train_epoch()
    finally:
        gc.enable()
    assert alive
    assert not any(any(packs) for packs in alive)


def test_a_trial_lost_to_another_process_does_not_begin_again_in_a_half(
    digits: Images, paths: SweepPaths, monkeypatch: pytest.MonkeyPatch
):
    configs = seeds(0, 1, 2)
    run = started(paths, configs, digits, epochs=0)
    run._channel.refused.add(configs[0].trial_id)  # known by its reply, which came late
    out_of_memory(monkeypatch, lambda members: len(members) > 2)
    run.train_epoch()
    begun = [message.trial_id for message in run._channel.sent[3:] if isinstance(message, StartTrial)]
    assert begun == [config.trial_id for config in configs[1:]]


def test_what_the_process_has_of_a_gpu_is_on_record(digits: Images, paths: SweepPaths):
    config = small()
    recorder = Recorder.open(paths, [config])
    finish(PackRun([config], digits, RecordedChannel(recorder), "cpu", NEVER, gpu=0.25))
    recorder.commit()
    assert recorder.row(config.trial_id)["gpu"] == 0.25
