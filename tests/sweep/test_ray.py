"""Sweeps through real Ray and Ray Tune, in this process: what is trained, and what is left as it is."""

import os
import signal
from pathlib import Path

import pandas as pd
import pytest
from gate import Gate
from place import Place
from twin import expected, outcomes, table

from tmc_sweep.data import Images, load
from tmc_sweep.errors import StorageError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.space import SearchSpace
from tmc_sweep.space.load import parse
from tmc_sweep.sweep.progress import Snapshot
from tmc_sweep.sweep.runner import SweepResult, run
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
