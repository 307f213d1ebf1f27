"""Sweeps trained in this process: the tables that Ray gives, and no Ray."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import tiny
import torch
from twin import expected, outcomes, table

from tmc_sweep.data import Images
from tmc_sweep.errors import CannotRunError, InputError, SweepInterruptedError
from tmc_sweep.integrity.verify import verify
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.space import SearchSpace
from tmc_sweep.space.load import parse
from tmc_sweep.store.epochs import EpochTable
from tmc_sweep.store.manifest import read_manifest
from tmc_sweep.store.read import read_trials
from tmc_sweep.sweep import inline, pack_run, worker
from tmc_sweep.sweep.pack_run import PackRun
from tmc_sweep.sweep.progress import Snapshot
from tmc_sweep.sweep.runner import run
from tmc_sweep.training import Pack


def space(resources: str = "pack: 2") -> SearchSpace:
    return tiny.space(("pack: 2", resources))


def check(paths: SweepPaths, wanted: SearchSpace, images: Images) -> None:
    """Each row is what training its trial alone gives."""
    pd.testing.assert_frame_equal(outcomes(table(paths.epochs)), expected(wanted.trials(), images), check_exact=True)


@pytest.mark.usefixtures("two_cores")
def test_packs_are_trained_one_after_another_and_the_threads_of_before_are_back(digits: Images, paths: SweepPaths):
    shown: list[Snapshot] = []
    before = torch.get_num_threads()
    result = run(space("pack: 2, cpu: 2"), paths.results, shown.append, executor="inline")
    check(paths, space(), digits)
    assert {trial.status for trial in result.trials} == {Status.DONE}
    assert shown
    assert all(len(snapshot.with_status(Status.RUNNING)) <= 2 for snapshot in shown)
    assert set(read_trials(paths.epochs)["threads"]) == {2}
    assert torch.get_num_threads() == before
    assert sorted(map(len, read_manifest(paths).packs)) == [2, 2]


class Signalled(PackRun):
    """Gets a signal before its third epoch, of which a minibatch must come before that is known."""

    number = signal.SIGINT
    sent = False

    def train_epoch(self) -> None:
        if not Signalled.sent and all(state.epoch == 2 for pack in self._packs for state in pack.states):
            Signalled.sent = True
            os.kill(os.getpid(), self.number)
        super().train_epoch()


@pytest.fixture
def signalled(monkeypatch: pytest.MonkeyPatch) -> type[Signalled]:
    monkeypatch.setattr(Signalled, "sent", False)
    monkeypatch.setattr(worker, "PackRun", Signalled)
    return Signalled


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drops_the_epoch_in_progress_and_the_rerun_ends_in_the_same_bits(
    digits: Images,
    paths: SweepPaths,
    signalled: type[Signalled],
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
):
    monkeypatch.setattr(signalled, "number", number)
    with pytest.raises(SweepInterruptedError, match=number.name) as stopped:
        run(space(), paths.results, executor="inline")
    assert stopped.value.exit_code == 128 + number
    trials = read_trials(paths.epochs)
    assert trials["epochs_done"].tolist() == [2, 2, 0, 0]
    assert trials["checkpoint_epoch"].tolist()[:2] == [2, 2]
    assert paths.summary.exists()  # what there is was summed up
    run(space(), paths.results, executor="inline")
    check(paths, space(), digits)
    assert read_trials(paths.epochs)["attempts"].tolist() == [2, 2, 1, 1]


@pytest.mark.parametrize("table", ["checkpoint", "trials"])
def test_a_second_signal_waits_until_what_is_written_is_whole(
    digits: Images, paths: SweepPaths, signalled: type[Signalled], monkeypatch: pytest.MonkeyPatch, table: str
):
    def replaced(source: Path, target: Path) -> None:
        if Signalled.sent and not broken_off and (Path(target).suffix == ".safetensors") == (table == "checkpoint"):
            broken_off.append(target)
            os.kill(os.getpid(), signal.SIGTERM)  # between the temporary file and its name
        replace(source, target)

    broken_off: list[Path] = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", replaced)
    with pytest.raises(SweepInterruptedError, match="SIGTERM"):
        run(space(), paths.results, executor="inline")
    assert broken_off[0].exists()
    assert list(paths.temporary.iterdir()) == []
    assert read_trials(paths.epochs)["status"].tolist() == [Status.PENDING] * 4
    assert verify(paths).problems == ()
    run(space(), paths.results, executor="inline")
    check(paths, space(), digits)


def test_a_search_that_is_stopped_chooses_no_other_cell(paths: SweepPaths, signalled: type[Signalled]):
    base, seeds = tiny.text().split("space:")[0], "seeds: 2\nstatistic: {metric: val_iwae, last: 1}\n"
    wanted = parse(
        base.replace("train_images", "validation_images: 20, eval_k: 2, train_images")
        + "space: {lr: {loguniform: [1e-4, 1e-2]}}\nsearch: {algorithm: tpe, num_samples: 3}\n"
        + seeds
        + "resources: {gpu: 0, pack: 2}\n",
        "tiny.yaml",
    )
    with pytest.raises(SweepInterruptedError):
        run(wanted, paths.results, executor="inline")
    assert read_trials(paths.epochs)["epochs_done"].tolist() == [2, 2]
    run(wanted, paths.results, executor="inline")
    assert set(read_trials(paths.epochs)["status"]) == {Status.DONE}


def test_a_pack_that_fails_says_why_and_stops_no_other(
    digits: Images, paths: SweepPaths, monkeypatch: pytest.MonkeyPatch
):
    class Broken(Pack):
        def train_epoch(self) -> list[object]:
            if self.states[0].config.K == 1:
                raise ZeroDivisionError("a long story\ndivision by zero")
            return super().train_epoch()

    monkeypatch.setattr(pack_run, "Pack", Broken)
    result = run(space(), paths.results, executor="inline")
    assert [trial.status for trial in result.trials] == [Status.FAILED] * 2 + [Status.DONE] * 2
    assert {trial.reason for trial in result.failed} == {"division by zero"}  # the last line, as of Ray
    monkeypatch.undo()
    run(space(), paths.results, executor="inline")  # tried again
    check(paths, space(), digits)


def test_what_the_writer_raises_ends_the_sweep_even_where_it_looks_like_too_large_a_pack(
    paths: SweepPaths, monkeypatch: pytest.MonkeyPatch
):
    def full(self: EpochTable) -> None:
        if sum(self.epochs_done.values()) > 2:
            raise MemoryError("malloc of size 64 failed")
        commit(self)

    commit = EpochTable.commit
    monkeypatch.setattr(EpochTable, "commit", full)
    with pytest.raises(MemoryError, match="malloc"):
        run(space(), paths.results, executor="inline")
    assert set(read_trials(paths.epochs)["attempts"]) == {0, 1}


def test_a_pack_that_cannot_be_measured_is_one_sentence(paths: SweepPaths, monkeypatch: pytest.MonkeyPatch):
    def failing(*_: object) -> None:
        raise RuntimeError("Failed to find a compiler\nset TORCH_LOGS")

    monkeypatch.setattr(inline, "measured_cost", failing)
    with pytest.raises(CannotRunError, match="measuring what a pack of 1 costs must work, but set TORCH_LOGS: set res"):
        run(
            tiny.space(("pack: 2", "pack: auto"), ("seeds: 2", "seeds: 9")),
            paths.results,
            executor="inline",
        )


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
    file.write_text(tiny.text())
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
