"""Sweeps through real Ray and Ray Tune, in this process: what is trained, and what is left as it is."""

import os
import signal
from pathlib import Path

import pandas as pd
import pytest
from gate import Gate
from place import Place
from twin import expected, outcomes, sweep, table

from tmc_sweep.data import Images, load
from tmc_sweep.errors import StorageError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.space import SearchSpace
from tmc_sweep.space.load import parse
from tmc_sweep.sweep.progress import Snapshot
from tmc_sweep.sweep.runner import SweepResult, run
from tmc_sweep.tables.checkpoints import CheckpointFiles
from tmc_sweep.tables.epochs import EpochTable
from tmc_sweep.tables.manifest import read_manifest
from tmc_sweep.tables.read import read_trials

pytestmark = pytest.mark.usefixtures("nothing_left")

YAML = """
name: tiny
base: {data: digits, objective: iwae, architecture: {latents: [12, 4]}, train_images: 100, test_images: 40,
       batch_size: 64, epochs: 3}
space: {K: {grid_search: [1, 2]}}
seeds: 2
statistic: {last: 2}
resources: {gpu: 0, pack: 2}
"""


def space(*replacements: tuple[str, str]) -> SearchSpace:
    text = YAML
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return parse(text, "tiny.yaml")


def statuses(result: SweepResult) -> list[Status]:
    return [trial.status for trial in result.trials]


def attempts(paths: SweepPaths) -> list[int]:
    return read_trials(paths.epochs)["attempts"].tolist()


def packs(paths: SweepPaths, wanted: SearchSpace) -> list[list[int]]:
    """The seeds of each pack in the manifest, in order."""
    seed = {config.trial_id: config.seed for config in wanted.trials()}
    return sorted([seed[trial_id] for trial_id in pack] for pack in read_manifest(paths).packs)


def check(result: SweepResult, wanted: SearchSpace, images: Images) -> pd.DataFrame:
    """Every trial is done, and its rows are what training it alone gives; the table."""
    assert set(statuses(result)) == {Status.DONE}
    frame = table(result.paths.epochs)
    asked = frame[frame["trial_id"].isin([config.trial_id for config in wanted.trials()])]
    pd.testing.assert_frame_equal(outcomes(asked), expected(wanted.trials(), images), check_exact=True)
    return frame


def test_a_sweep_grows_by_epochs_seeds_and_values_and_trains_only_the_rest(digits: Images, paths: SweepPaths):
    first = space(("[1, 2]", "[1]"))
    before = check(run(first, paths.results), first, digits)
    assert attempts(paths) == [1, 1]
    wanted = space(("epochs: 3", "epochs: 5"), ("seeds: 2", "seeds: 3"))
    frame = check(run(wanted, paths.results), wanted, digits)
    assert attempts(paths) == [2, 2, 1, 1, 1, 1]
    known = frame.merge(before[["trial_id", "epoch"]])
    pd.testing.assert_frame_equal(known, before, check_exact=True)  # time and all


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


def test_a_resumed_sweep_trains_together_what_it_did_up_to_the_pack_that_is_asked_for(
    digits: Images, paths: SweepPaths
):
    first = space(("pack: 2", "pack: 3, cpu: 1.5"), ("seeds: 2", "seeds: 4"), ("[1, 2]", "[1]"))  # one at a time
    run(first, paths.results)
    assert packs(paths, first) == [[0, 1, 2], [3]]
    more = [("seeds: 2", "seeds: [4, 3, 2, 1, 0]"), ("[1, 2]", "[1]"), ("epochs: 3", "epochs: 4")]
    wanted = space(("pack: 2", "pack: 2, cpu: 1.5"), *more)
    check(run(wanted, paths.results), wanted, digits)
    assert packs(paths, wanted) == [[0, 1], [2], [3], [4]]


def test_trials_that_diverge_or_fail_stop_no_other_and_say_why(digits: Images, paths: SweepPaths):
    wanted = space(
        ("space: {K", "space: {lr: {grid_search: [1e-3, 10]}, K"),
        ("[1, 2]", "[1]"),
        ("batch_size: 64", "batch_size: 8"),
        ("pack: 2", "pack: 2, cpu: 1.5"),
    )
    good, _, bad, _ = wanted.trials()
    sweep(paths, [good.model_copy(update={"epochs": 1})], digits)
    CheckpointFiles(paths).save(good.trial_id, 2, b"no checkpoint at all")
    result = run(wanted, paths.results)
    assert statuses(result) == [Status.FAILED, Status.DONE, Status.DIVERGED, Status.DIVERGED]
    assert result.failed[0].reason.count("\n") == 0
    assert f"a checkpoint of trial {good.trial_id} must name it" in result.failed[0].reason
    summary = result.summary.set_index("lr")
    assert summary["mean"].isna().all()
    assert (
        summary.loc[10, "reason"]
        == f"seed 0 diverged in epoch {len(table(paths.epochs).query('lr == 10 & seed == 0'))}"
    )
    assert summary.loc[1e-3, "reason"] == "seed 0 failed after epoch 1"
    before = attempts(paths)
    for file in paths.checkpoints.rglob("*.safetensors"):
        if b"no checkpoint" in file.read_bytes():
            file.unlink()
    again = run(wanted, paths.results)
    assert statuses(again) == [Status.DONE, Status.DONE, Status.DIVERGED, Status.DIVERGED]
    assert attempts(paths) == [before[0] + 1, *before[1:]]  # only the one that failed was tried again
    assert bad.trial_id in set(table(paths.epochs)["trial_id"])


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
