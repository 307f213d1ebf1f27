"""How far a sweep is, and how long the rest should take."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sent import row
from twin import small

from tmc_sweep.config import TrialConfig
from tmc_sweep.records import Status
from tmc_sweep.statistics.pace import Paces
from tmc_sweep.sweep.progress import Progress, TrialProgress

QUICK, SLOW = small(epochs=10), small(epochs=10, K=9)


def trial(config: TrialConfig, status: Status, epoch: int = 0) -> TrialProgress:
    return TrialProgress(config, status, row(epoch, config=config) if epoch else None)


def seconds(config: TrialConfig, first: int, count: int, each: float):
    record = row(1, config=config)
    return [
        type(record)(**{**vars_of(record), "epoch": epoch, "epoch_seconds": each})
        for epoch in range(first, first + count)
    ]


def vars_of(record) -> dict[str, object]:
    return {name: getattr(record, name) for name in type(record).__slots__}


@pytest.mark.parametrize(
    ("status", "left"),
    [("pending", 6), ("running", 6), ("done", 0), ("diverged", 0), ("failed", 0), ("stopped", 0)],
)
def test_epochs_are_left_only_where_they_will_be_trained(status: str, left: int):
    assert trial(QUICK, Status(status), 4).epochs_left == left


def test_nothing_is_foretold_before_the_first_epoch():
    progress = Progress([trial(QUICK, Status.RUNNING)])
    progress.update(trial(QUICK, Status.RUNNING))
    assert progress.snapshot().remaining_seconds is None


def test_the_rest_is_each_cells_epochs_at_its_own_pace_and_ends_with_the_slowest_process():
    progress = Progress([trial(QUICK, Status.RUNNING), trial(SLOW, Status.RUNNING)])
    progress.update(trial(QUICK, Status.RUNNING, 4), seconds(QUICK, 1, 4, 2.0))
    progress.update(trial(SLOW, Status.RUNNING, 1), seconds(SLOW, 1, 1, 12.0))
    assert progress.snapshot().remaining_seconds == 9 * 12


def test_what_is_pending_waits_for_the_processes_that_train_now():
    pending = [trial(small(epochs=10, seed=seed), Status.PENDING) for seed in (1, 2, 3)]
    progress = Progress([*pending, trial(QUICK, Status.RUNNING), trial(SLOW, Status.RUNNING)])
    progress.update(trial(QUICK, Status.RUNNING, 9), seconds(QUICK, 1, 9, 2.0))
    progress.update(trial(SLOW, Status.RUNNING, 5), seconds(SLOW, 1, 5, 4.0))
    assert progress.snapshot().remaining_seconds == 1 * 2 + 10 * 2 + 10 * 2  # beside it 5 * 4 + 10 * 2


def test_the_members_of_a_pack_share_its_seconds():
    pair = [small(epochs=10, seed=seed) for seed in range(4)]
    progress = Progress([trial(config, Status.PENDING) for config in pair])
    for config in pair[:2]:
        one = TrialProgress(config, Status.RUNNING, row(4, config=config), members=2)
        progress.update(one, seconds(config, 1, 4, 3.0))
    assert progress.snapshot().remaining_seconds == pytest.approx(6 * 3 + 10 * 3)


def test_a_cell_not_yet_seen_takes_the_mean_pace_of_all_epochs():
    progress = Progress([trial(QUICK, Status.RUNNING), trial(SLOW, Status.PENDING)])
    progress.update(trial(QUICK, Status.RUNNING, 4), seconds(QUICK, 1, 4, 2.0))
    assert progress.snapshot().remaining_seconds == 6 * 2 + 10 * 2


def test_a_trial_that_was_resumed_has_its_stored_epochs_behind_it():
    progress = Progress([trial(QUICK, Status.RUNNING, 7)])
    progress.update(trial(QUICK, Status.RUNNING, 8), seconds(QUICK, 8, 1, 5.0))
    assert progress.snapshot().remaining_seconds == 2 * 5


def paces(**seconds: float) -> Paces:
    found = Paces()
    for cell, each in seconds.items():
        found[cell].add(each)
    return found


def test_what_is_on_record_counts_until_this_run_has_measured_the_cell_itself():
    recorded = paces(**{QUICK.cell_id: 3.0, SLOW.cell_id: 7.0})
    progress = Progress([trial(QUICK, Status.PENDING, 7), trial(SLOW, Status.PENDING)], recorded=recorded)
    assert progress.snapshot().remaining_seconds is None  # nobody knows how many will train at once
    progress.update(trial(QUICK, Status.RUNNING, 7))
    assert progress.snapshot().remaining_seconds == 3 * 3.0 + 10 * 7.0
    progress.update(trial(QUICK, Status.RUNNING, 8), seconds(QUICK, 8, 1, 5.0))
    assert progress.snapshot().remaining_seconds == 2 * 5.0 + 10 * 7.0
    progress.update(trial(QUICK, Status.RUNNING, 9), seconds(QUICK, 9, 1, 1.0))
    assert progress.snapshot().remaining_seconds == 1 * 3.0 + 10 * 7.0


def test_slots_that_are_certain_count_before_they_are_filled_but_hold_a_pack_each():
    configs = [small(epochs=10, seed=seed) for seed in range(4)]
    progress = Progress([trial(config, Status.PENDING) for config in configs], recorded=paces(**{QUICK.cell_id: 3.0}))
    progress.slots = 2
    assert progress.snapshot().remaining_seconds == 4 * 10 * 3.0 / 2
    progress.update(trial(configs[0], Status.RUNNING))
    assert progress.snapshot().remaining_seconds == 4 * 10 * 3.0 / 2
    for config in configs:
        progress.update(TrialProgress(config, Status.RUNNING, None, members=4))
    assert progress.snapshot().remaining_seconds == 4 * 10 * 3.0


def test_a_sweep_at_its_end_has_nothing_left():
    progress = Progress([trial(QUICK, Status.RUNNING), trial(SLOW, Status.DIVERGED, 2)])
    progress.update(trial(QUICK, Status.DONE, 10), seconds(QUICK, 1, 10, 2.0))
    snapshot = progress.snapshot()
    assert snapshot.remaining_seconds == 0
    assert [found.config for found in snapshot.with_status(Status.DONE, Status.FAILED)] == [QUICK]
    assert snapshot.elapsed_seconds >= 0


def test_the_time_between_epochs_counts_as_it_does_in_a_plan():
    progress = Progress([trial(QUICK, Status.PENDING)])
    first, second = (replace(r, epoch_seconds=2.0) for r in (row(1, config=QUICK), row(2, config=QUICK)))
    second = replace(second, time=first.time + timedelta(seconds=3))
    progress.update(TrialProgress(QUICK, Status.RUNNING, first), [first])
    progress.update(TrialProgress(QUICK, Status.RUNNING, second), [second])
    assert progress.snapshot().remaining_seconds == pytest.approx((QUICK.epochs - 2) * 2.5)
    again = replace(row(3, config=QUICK), epoch_seconds=2.5, attempt=2, time=second.time + timedelta(seconds=3))
    progress.update(TrialProgress(QUICK, Status.RUNNING, again), [again])
    assert progress.snapshot().remaining_seconds == pytest.approx((QUICK.epochs - 3) * 2.5)


def test_what_a_search_is_yet_to_choose_is_taken_to_last_as_long_as_the_rest():
    progress = Progress([trial(QUICK, Status.PENDING)], expected=4)
    assert progress.snapshot().n_to_choose == 3
    progress.update(trial(QUICK, Status.RUNNING, 4), seconds(QUICK, 1, 4, 2.0))
    assert progress.snapshot().remaining_seconds == 2.0 * (6 + 3 * 10)
    progress.update(trial(SLOW, Status.PENDING))
    assert (progress.snapshot().n_to_choose, progress.snapshot().remaining_seconds) == (2, 2.0 * (6 + 3 * 10))
