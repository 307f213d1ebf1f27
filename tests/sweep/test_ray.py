"""Sweeps through real Ray and Ray Tune, in this process: what is trained, and what is left as it is."""

import os
import signal
from pathlib import Path

import pandas as pd
import pytest
from gate import Gate
from place import Place
from tiny import attempts, check, space, statuses
from twin import table

from tmc_sweep.data import Images, load
from tmc_sweep.errors import StorageError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.space.load import parse
from tmc_sweep.store.epochs import EpochTable
from tmc_sweep.sweep.progress import Snapshot
from tmc_sweep.sweep.runner import run

pytestmark = pytest.mark.usefixtures("nothing_left")


def test_packs_give_the_rows_of_trials_alone_and_what_is_shown_is_in_the_table(digits: Images, paths: SweepPaths):
    shown: list[Snapshot] = []
    stored: list[pd.Series] = []

    def listen(snapshot: Snapshot) -> None:
        shown.append(snapshot)
        stored.append(table(paths.epochs).groupby("trial_id")["epoch"].max())

    wanted = space(("pack: 2", "pack: 3"), ("seeds: 2", "seeds: 4"))
    check(run(wanted, paths.results, listen), wanted, digits)
    assert [trial.status for trial in shown[0].trials] == [Status.PENDING] * 8  # as soon as Ray is there
    assert [trial.last.epoch for trial in shown[-1].trials] == [3] * 8
    for snapshot, last in zip(shown, stored, strict=True):
        for trial in snapshot.trials:
            assert trial.last is None or trial.last.epoch <= last[trial.config.trial_id]


def test_ray_and_inline_go_on_with_each_others_sweeps(digits: Images, paths: SweepPaths):
    for epochs, executor in enumerate(("inline", "ray", "inline"), 2):
        wanted = space(("epochs: 3", f"epochs: {epochs}"))
        check(run(wanted, paths.results, executor=executor), wanted, digits)
    assert attempts(paths) == [3, 3, 3, 3]


@pytest.mark.cluster
def test_a_training_process_that_is_killed_goes_on_from_its_checkpoint_and_no_other_notices(
    local_ray: Place, gate: Gate, digits: Images, paths: SweepPaths
):
    killed = []

    def listen(snapshot: Snapshot) -> None:
        if not killed and all(trial.last and trial.last.epoch == 9 for trial in snapshot.trials):
            killed.append(local_ray.trainers()[0])
            os.kill(killed[0], signal.SIGKILL)
            gate.open()

    gate.close(9)
    wanted = space(("seeds: 2", "seeds: 1"), ("epochs: 3", "epochs: 20"), ("{gpu: 0", "{gpu: 0, checkpoint_seconds: 0"))
    frame = check(run(wanted, paths.results, listen), wanted, digits)
    assert sorted(attempts(paths)) == [1, 2]
    again = frame[frame["attempt"] == 2]
    assert again["epoch"].tolist() == [*range(10, 21)]


@pytest.mark.cluster
def test_a_process_killed_over_and_over_fails_its_trial_after_three_retries_and_the_rerun_goes_on(
    local_ray: Place, digits: Images, paths: SweepPaths
):
    killed: set[int] = set()

    def listen(snapshot: Snapshot) -> None:
        if last := snapshot.trials[0].last:
            trainers = set(local_ray.trainers()) - killed if last.epoch > reached[-1] else set()
            for pid in trainers:
                os.kill(pid, signal.SIGKILL)
            killed.update(trainers)
            reached.extend([last.epoch] if trainers else [])

    reached = [0]
    wanted = space(
        ("seeds: 2", "seeds: 1"),
        ("[1, 2]", "[1]"),
        ("epochs: 3", "epochs: 60"),
        ("{gpu: 0", "{gpu: 0, checkpoint_seconds: 0"),
    )
    result = run(wanted, paths.results, listen)
    assert (statuses(result), attempts(paths)) == ([Status.FAILED], [4])
    assert result.failed[0].reason == "its process died 4 times"
    check(run(wanted, paths.results), wanted, digits)
    assert attempts(paths) == [5]


def test_storage_that_breaks_in_mid_sweep_ends_it_with_that_error(paths: SweepPaths, monkeypatch: pytest.MonkeyPatch):
    def broken(self: EpochTable) -> None:
        if sum(self.epochs_done.values()) > 2:
            raise StorageError("the disk is full: free some space")
        commit(self)

    commit = EpochTable.commit
    monkeypatch.setattr(EpochTable, "commit", broken)
    with pytest.raises(StorageError, match="the disk is full"):
        run(space(("epochs: 3", "epochs: 500")), paths.results)
    monkeypatch.undo()
    table(paths.epochs)


def test_real_mnist(mnist_root: Path, paths: SweepPaths):
    wanted = parse(
        "{name: tiny, base: {data: mnist, train_images: 500, test_images: 200, K: 2, epochs: 2}, resources: {gpu: 0}}",
        "tiny.yaml",
    )
    frame = check(run(wanted, paths.results), wanted, load("mnist", mnist_root))
    assert frame["epoch"].tolist() == [1, 2]
    assert frame["test_objective"].between(-784, -100).all()
