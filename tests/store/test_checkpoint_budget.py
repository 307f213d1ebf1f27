"""How much checkpoints may take: whose go, in what order, and what a trial without one does next."""

import math
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest
from twin import NEVER, RecordedChannel, expected, finish, outcomes, small, sweep, table

from tmc_sweep.data import Images
from tmc_sweep.errors import DamagedError, SweepBusyError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.store.checkpoint_budget import CheckpointBudget, prune
from tmc_sweep.store.checkpoints import CheckpointFiles
from tmc_sweep.store.files import prepare
from tmc_sweep.store.lock import sweep_lock
from tmc_sweep.store.read import read_trials
from tmc_sweep.store.recorder import Recorder
from tmc_sweep.sweep.pack_run import PackRun

NAMES = [character * 12 for character in "abcd"]


def row(name: str, status: Status, hour: int) -> dict[str, object]:
    return {"trial_id": name, "status": status, "ended": datetime(2025, 1, 1, hour, tzinfo=UTC)}


@pytest.fixture
def checkpoints(paths: SweepPaths) -> CheckpointFiles:
    """Two of 100 bytes for each of four trials."""
    prepare(paths)
    files = CheckpointFiles(paths)
    for name in NAMES:
        for epoch in (1, 2):
            files.save(name, epoch, bytes(100))
    return files


ROWS = [
    row(NAMES[0], Status.DONE, 3),
    row(NAMES[1], Status.RUNNING, 1),
    row(NAMES[2], Status.DIVERGED, 2),
    row(NAMES[3], Status.FAILED, 1),
]


@pytest.mark.parametrize(
    ("budget", "dropped"), [(800, []), (799, [2]), (600, [2]), (599, [2, 0]), (0, [2, 0]), (math.inf, [])]
)
def test_finished_trials_give_theirs_up_the_oldest_first_and_others_never(
    checkpoints: CheckpointFiles, budget: float, dropped: list[int]
):
    chooser = CheckpointBudget(checkpoints, budget / 1e9)
    assert chooser.choose(ROWS) == [NAMES[index] for index in dropped]
    assert sum(checkpoints.sizes().values()) == 800  # nothing goes before the trial table has forgotten it
    chooser.drop()
    assert sorted(name for name, size in checkpoints.sizes().items() if size) == sorted(
        {*NAMES} - {NAMES[index] for index in dropped}
    )
    assert chooser.choose(ROWS) == []


def test_a_trial_that_begins_again_keeps_what_was_to_go(checkpoints: CheckpointFiles):
    chooser = CheckpointBudget(checkpoints, 0.0)
    chooser.choose(ROWS)
    chooser.keep(NAMES[2])
    chooser.drop()
    assert checkpoints.size(NAMES[2]) == 200
    assert checkpoints.size(NAMES[0]) == 0


def test_a_finished_trial_keeps_its_last_checkpoint_only(digits: Images, paths: SweepPaths):
    run = PackRun([small()], digits, RecordedChannel(Recorder.open(paths, [small()])), "cpu", 0.0)
    run.train_epoch()
    run.train_epoch()
    assert len(list(paths.checkpoints.rglob("*.safetensors"))) == 2
    finish(run)
    (only,) = paths.checkpoints.rglob("*.safetensors")
    assert only.name.startswith("epoch-000003-")


def train(paths: SweepPaths, digits: Images, gigabytes: float, *seeds: int) -> None:
    configs = [small(seed=seed) for seed in seeds]
    recorder = Recorder.open(paths, configs, gigabytes)
    for config in configs:
        finish(PackRun([config], digits, RecordedChannel(recorder), "cpu", NEVER))


def test_a_sweep_stays_within_its_budget_and_the_trial_table_says_which_are_gone(digits: Images, paths: SweepPaths):
    train(paths, digits, math.inf, 0)
    one = sum(CheckpointFiles(paths).sizes().values())
    train(paths, digits, 2.5 * one / 1e9, 0, 1, 2, 3)
    assert sum(CheckpointFiles(paths).sizes().values()) <= 2.5 * one
    frame = read_trials(paths.epochs).set_index("seed")
    assert frame["checkpoint"].notna().tolist() == [False, False, True, True]
    assert all((paths.results / name).is_file() for name in frame["checkpoint"].dropna())


def test_prune_drops_on_demand_and_says_how_much(digits: Images, paths: SweepPaths):
    train(paths, digits, math.inf, 0, 1)
    before = sum(CheckpointFiles(paths).sizes().values())
    pruned = prune(paths, 0.0)
    assert (pruned.trials, pruned.freed, pruned.left) == (2, before, 0)
    assert read_trials(paths.epochs)["checkpoint"].isna().all()
    assert prune(paths, 0.0).trials == 0
    with sweep_lock(paths), pytest.raises(SweepBusyError):
        prune(paths, 0.0)


@pytest.mark.parametrize("lost", ["part", "trials"])
def test_nothing_is_pruned_that_a_damaged_table_may_need(digits: Images, paths: SweepPaths, lost: str):
    sweep(paths, [small()], digits)
    before = CheckpointFiles(paths).sizes()
    if lost == "part":
        paths.part(0).write_bytes(paths.part(0).read_bytes()[:-1])
    else:
        paths.trials.unlink()
    with pytest.raises(DamagedError, match="tmc-sweep repair grid"):
        prune(paths, 0.0)
    assert CheckpointFiles(paths).sizes() == before
    assert paths.trials.exists() == (lost == "part")


def test_a_pruned_trial_with_more_epochs_is_trained_from_scratch_and_compared(digits: Images, paths: SweepPaths):
    sweep(paths, [small()], digits)
    before = table(paths.epochs)
    prune(paths, 0.0)
    longer = small(epochs=5)
    sweep(paths, [longer], digits)
    frame = table(paths.epochs)
    pd.testing.assert_frame_equal(frame[:3], before, check_exact=True)  # as they were stored, time and all
    pd.testing.assert_frame_equal(outcomes(frame), expected([longer], digits), check_exact=True)


def test_a_pruned_trial_that_does_not_come_out_the_same_fails(digits: Images, paths: SweepPaths):
    sweep(paths, [small()], digits)
    prune(paths, 0.0)
    other = replace(digits, train=255 - digits.train)
    sweep(paths, [small(epochs=5)], other)
    frame = read_trials(paths.epochs)
    assert frame["status"].tolist() == ["failed"]
    assert "must reproduce its stored epoch 1" in frame["reason"][0]
