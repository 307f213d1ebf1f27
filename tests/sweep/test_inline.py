"""Sweeps trained in this process: the tables that Ray gives, and no Ray."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from twin import expected, outcomes, table

from tmc_sweep.data import Images
from tmc_sweep.errors import InputError, SweepInterruptedError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.space import SearchSpace
from tmc_sweep.space.load import parse
from tmc_sweep.sweep import pack_run
from tmc_sweep.sweep.progress import Snapshot
from tmc_sweep.sweep.runner import run
from tmc_sweep.tables.manifest import read_manifest
from tmc_sweep.tables.read import read_trials
from tmc_sweep.training import Pack

YAML = """
name: tiny
base: {data: digits, objective: iwae, architecture: {latents: [12, 4]}, train_images: 100, test_images: 40,
       batch_size: 64, epochs: 3}
space: {K: {grid_search: [1, 2]}}
seeds: 2
statistic: {last: 2}
resources: {gpu: 0, RESOURCES}
"""


def space(resources: str = "pack: 2") -> SearchSpace:
    return parse(text(resources), "tiny.yaml")


def text(resources: str = "pack: 2") -> str:
    return YAML.replace("RESOURCES", resources)


def check(paths: SweepPaths, wanted: SearchSpace, images: Images) -> None:
    """Each row is what training its trial alone gives."""
    pd.testing.assert_frame_equal(outcomes(table(paths.epochs)), expected(wanted.trials(), images), check_exact=True)


def test_packs_are_trained_one_after_another_and_the_threads_of_before_are_back(digits: Images, paths: SweepPaths):
    shown: list[Snapshot] = []
    before = torch.get_num_threads()
    result = run(space("pack: 2, cpu: 2"), paths.results, shown.append, executor="inline")
    check(paths, space(), digits)
    assert {trial.status for trial in result.trials} == {Status.DONE}
    assert [len(snapshot.with_status(Status.RUNNING)) <= 2 for snapshot in shown] == [True] * len(shown)
    assert set(read_trials(paths.epochs)["threads"]) == {2}
    assert torch.get_num_threads() == before
    assert sorted(map(len, read_manifest(paths).packs)) == [2, 2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drops_the_epoch_in_progress_and_the_rerun_ends_in_the_same_bits(
    digits: Images, paths: SweepPaths, number: signal.Signals
):
    def listen(snapshot: Snapshot) -> None:
        if any(trial.last and trial.last.epoch == 2 for trial in snapshot.trials):
            os.kill(os.getpid(), number)

    with pytest.raises(SweepInterruptedError) as stopped:
        run(space(), paths.results, listen, executor="inline")
    assert stopped.value.exit_code == 128 + number
    trials = read_trials(paths.epochs)
    assert trials["epochs_done"].tolist() == [2, 2, 0, 0]
    assert trials["checkpoint_epoch"].tolist()[:2] == [2, 2]
    run(space(), paths.results, executor="inline")
    check(paths, space(), digits)
    assert read_trials(paths.epochs)["attempts"].tolist() == [2, 2, 1, 1]


def test_a_second_signal_waits_until_what_is_written_is_whole(digits: Images, paths: SweepPaths):
    def listen(snapshot: Snapshot) -> None:
        if any(trial.last and trial.last.epoch == 2 for trial in snapshot.trials):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            heard.append(len(table(paths.epochs)))

    heard: list[int] = []
    with pytest.raises(SweepInterruptedError, match="SIGTERM"):
        run(space(), paths.results, listen, executor="inline")
    assert heard == [4]  # the listener came to its end
    run(space(), paths.results, executor="inline")
    check(paths, space(), digits)


def test_a_pack_that_fails_says_why_and_stops_no_other(
    digits: Images, paths: SweepPaths, monkeypatch: pytest.MonkeyPatch
):
    class Broken(Pack):
        def train_epoch(self) -> list[object]:
            if self.states[0].config.K == 1:
                raise ZeroDivisionError("division by zero")
            return super().train_epoch()

    monkeypatch.setattr(pack_run, "Pack", Broken)
    result = run(space(), paths.results, executor="inline")
    assert [trial.status for trial in result.trials] == [Status.FAILED] * 2 + [Status.DONE] * 2
    assert {trial.reason for trial in result.failed} == {"ZeroDivisionError: division by zero"}
    monkeypatch.undo()
    run(space(), paths.results, executor="inline")  # tried again
    check(paths, space(), digits)


def test_each_trial_in_a_process_of_its_own_is_refused_until_that_is_not_asked_for(paths: SweepPaths):
    with pytest.raises(InputError, match=r"resources\.alone gives .* inline trains in one: use the executor ray, or"):
        run(space("alone: true"), paths.results, executor="inline")
    assert not paths.results.exists()
    run(space("alone: false"), paths.results, executor="inline")


def test_another_executor_is_refused_with_the_choices_and_one_of_them_trains(paths: SweepPaths):
    for name, says in (("dask", ": use one of them"), ("inlin", ": did you mean 'inline'?")):
        with pytest.raises(InputError) as refused:
            run(space(), paths.results, executor=name)
        assert str(refused.value) == f"the executor must be one of ray and inline, but got {name!r}{says}"
        assert not paths.results.exists()
    run(space(), paths.results, executor="inline")


WITHOUT_RAY = """
import importlib.metadata, sys
sys.modules["ray"] = None
version = importlib.metadata.version
def without_ray(package):
    if package == "ray":
        raise importlib.metadata.PackageNotFoundError(package)
    return version(package)
importlib.metadata.version = without_ray
from tmc_sweep.cli import main
sys.argv = ["tmc-sweep", *sys.argv[1:]]
main()
"""


def test_where_ray_is_missing_a_sweep_is_trained_and_its_record_says_so(
    digits: Images, paths: SweepPaths, tmp_path: Path
):
    file = tmp_path / "tiny.yaml"
    file.write_text(text())
    command = [sys.executable, "-c", WITHOUT_RAY, "run", str(file), "--results", str(paths.results)]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stderr.count("\n")) == (3, 1)
    assert "the executor ray needs the package ray, but it is missing" in refused.stderr
    assert not paths.results.exists()
    jobs = subprocess.run([*command[:3], "ls"], capture_output=True, text=True, check=False)
    assert (jobs.returncode, "this needs the package ray, but it is missing: run" in jobs.stderr) == (3, True)
    trained = subprocess.run([*command, "--executor", "inline"], capture_output=True, text=True, check=False)
    assert trained.returncode == 0, trained.stderr
    check(paths, space(), digits)
    assert read_trials(paths.epochs)["versions"].str.contains("ray missing python").all()
