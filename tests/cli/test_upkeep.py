"""The verbs that check, mend and prune what is stored."""

import shlex
import shutil
from pathlib import Path

import pytest
from command import command

from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.store.checkpoint_budget import DROPPED
from tmc_sweep.store.lock import sweep_lock
from tmc_sweep.store.read import read_trials
from tmc_sweep.store.trials import TrialTable


@pytest.fixture
def mine(results: Path, tmp_path: Path) -> SweepPaths:
    """A copy of the small sweep, to be broken."""
    shutil.copytree(results, tmp_path / "mine")
    return SweepPaths(tmp_path / "mine", "tiny")


def test_verify_says_in_one_line_that_all_is_well(mine: SweepPaths):
    ended = command("verify", "tiny", "--results", mine.results)
    n = command("status", "tiny", "--results", mine.results, "--json").json["epochs_done"]
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"tiny: 1 part, 4 trials, {n} epochs, 4 checkpoints: all as they were written\n"
    found = command("verify", "tiny", "--results", mine.results, "--json").json
    assert (found["n_parts"], found["n_epochs"], found["problems"]) == (1, n, [])


def test_verify_names_each_broken_file_in_a_line_and_exits_with_4(mine: SweepPaths):
    broken = [mine.trials, next(mine.checkpoints.rglob("*.safetensors"))]
    for path in broken:
        path.write_bytes(b"")
    ended = command("verify", "tiny", "--results", mine.results)
    assert ended.code == 4
    assert [line.split()[0] for line in ended.out.splitlines()] == [str(path) for path in broken]
    found = command("verify", "tiny", "--results", mine.results, "--json")
    assert found.code == 4
    assert [problem["file"] for problem in found.json["problems"]] == [str(path) for path in broken]


def test_what_is_refused_names_the_command_that_mends_it_and_that_command_does(mine: SweepPaths, file):
    mine.part(0).write_bytes(b"garbage")
    ended = command("run", file(), "--results", mine.results)
    assert ended.code == 4
    assert ended.err.startswith(f"tmc-sweep: {mine.part(0)} must be as tmc_sweep wrote it")
    mended = command(*shlex.split(ended.err.split("`")[1])[1:])
    assert mended.code == 0
    assert mended.out.splitlines()[0] == f"moved {mine.part(0)} to {mine.quarantine}/part-00000.parquet"
    assert "brought back from a checkpoint: epochs 1 to 4 of trial " in mended.out
    assert command("verify", "tiny", "--results", mine.results).code == 0
    assert command("repair", "tiny", "--results", mine.results).out == "tiny: nothing to mend\n"


def test_repair_says_what_the_next_run_trains_again(mine: SweepPaths):
    mine.part(0).write_bytes(b"garbage")
    shutil.rmtree(mine.checkpoints)
    lines = command("repair", "tiny", "--results", mine.results).out.splitlines()
    begin = lines.index("the next run trains again:")
    assert len(lines[begin:]) == 5
    assert lines[begin + 1].endswith(": epochs 1 to 4")


@pytest.mark.parametrize("verb", ["repair", "prune"])
def test_a_sweep_that_runs_is_neither_mended_nor_pruned(mine: SweepPaths, verb: str):
    with sweep_lock(mine):
        ended = command(verb, "tiny", "--results", mine.results)
    assert (ended.code, ended.out) == (75, "")
    assert ended.err.startswith("tmc-sweep: another run holds sweep 'tiny': pid ")


def test_prune_drops_what_finished_trials_keep_and_status_says_so(mine: SweepPaths):
    assert command("prune", "tiny", "--results", mine.results).out.startswith(
        "tiny: dropped the checkpoints of 0 finished trials (0 GB), "
    )
    ended = command("prune", "tiny", "--results", mine.results, "--keep-gigabytes", 0)
    assert ended.out.startswith("tiny: dropped the checkpoints of 4 finished trials (")
    assert ended.out.endswith(" GB), 0 GB are left\n")
    assert (
        command("status", "tiny", "--results", mine.results)
        .out.splitlines()[0]
        .endswith(", 0 kB of checkpoints (4 dropped)")
    )
    assert command("verify", "tiny", "--results", mine.results).code == 0


def test_of_stopped_trials_those_count_as_dropped_that_had_a_checkpoint(mine: SweepPaths):
    had, never, *others = read_trials(mine.epochs)["trial_id"]
    with sweep_lock(mine):
        table = TrialTable.open(mine)
        for trial_id in (had, never):
            table.update(trial_id, status=Status.STOPPED)
        for trial_id in others:
            table.update(trial_id, status=Status.PENDING)
        table.update(never, **DROPPED)
        table.commit()
    shutil.rmtree(mine.checkpoints / never)
    prune = ("prune", "tiny", "--results", mine.results, "--keep-gigabytes", 0)
    assert command(*prune).out.startswith("tiny: dropped the checkpoints of 1 finished trial (")
    assert command(*prune).out.startswith("tiny: dropped the checkpoints of 0 finished trials (0 GB), ")
    assert command("status", "tiny", "--results", mine.results, "--json").json["n_checkpoints_dropped"] == 1


@pytest.mark.parametrize("verb", ["verify", "repair", "prune"])
def test_results_that_are_no_folder(tmp_path: Path, verb: str):
    ended = command(verb, "tiny", "--results", tmp_path / "none")
    assert (ended.code, ended.out) == (2, "")
    assert "no sweep was run there" in ended.err
    (tmp_path / "file").write_text("a file")
    ended = command(verb, "tiny", "--results", tmp_path / "file")
    assert (ended.code, ended.out) == (4, "")
    assert (tmp_path / "file").read_text() == "a file"


@pytest.mark.parametrize("verb", ["repair", "prune"])
def test_a_planted_link_is_not_followed(mine: SweepPaths, tmp_path: Path, verb: str):
    outside = tmp_path / "outside"
    shutil.move(mine.private, outside)
    before = sorted(outside.rglob("*"))
    mine.private.symlink_to(outside)
    ended = command(verb, "tiny", "--results", mine.results)
    assert ended.code == 2
    assert "is a symbolic link: remove it" in ended.err
    assert sorted(outside.rglob("*")) == before


@pytest.mark.parametrize("amount", ["-1", "many"])
def test_an_amount_that_is_none(mine: SweepPaths, amount: str):
    assert command("prune", "tiny", "--results", mine.results, "--keep-gigabytes", amount).code == 2
