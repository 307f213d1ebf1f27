"""reproduce: a stored trial trained again, and what differs."""

import json
import shutil
from io import StringIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from command import command
from rich.console import Console
from twin import NEVER, RecordedChannel, finish, small
from verbs import copied_as

from tmc_sweep.cli import reproduce
from tmc_sweep.data import load
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import EPOCH_COLUMNS
from tmc_sweep.store.manifest import open_manifest
from tmc_sweep.store.parquet import to_parquet
from tmc_sweep.store.read import read_trials
from tmc_sweep.store.recorder import Recorder
from tmc_sweep.store.trials import TrialTable
from tmc_sweep.sweep.pack_run import PackRun

PAIR = [small(seed=seed, epochs=4) for seed in range(2)]
FIRST, SECOND = (config.trial_id for config in PAIR)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trials that were trained in one pack, and a third that has no epoch."""
    paths = SweepPaths(tmp_path_factory.mktemp("stored"), "pair")
    open_manifest(paths, "")
    recorder = Recorder.open(paths, [*PAIR, small(seed=2)])
    finish(PackRun(PAIR, load("digits"), RecordedChannel(recorder), "cpu", NEVER))
    recorder.commit()
    return paths.results


@pytest.fixture
def mine(stored: Path, tmp_path: Path) -> SweepPaths:
    """A copy, to be changed."""
    shutil.copytree(stored, tmp_path / "mine")
    return SweepPaths(tmp_path / "mine", "pair")


def change(paths: SweepPaths, column: str, row: int, value: float) -> None:
    table = pq.read_table(paths.part(0))
    values = table[column].to_pylist()
    values[row] = value
    index = table.column_names.index(column)
    assert [c.name for c in EPOCH_COLUMNS][index] == column
    table = table.set_column(index, table.schema.field(column), [values])
    sweep_id = json.loads(paths.manifest.read_text())["sweep_id"]
    paths.part(0).write_bytes(to_parquet(table.replace_schema_metadata(None), sweep_id))


def test_a_trial_of_a_pack_comes_out_equal_when_trained_alone(stored: Path):
    before = torch.get_num_threads()
    ended = command("reproduce", SECOND, "--results", stored)
    assert (ended.code, ended.err) == (0, "")
    assert (
        ended.out == f"{SECOND} of pair (iwae 12-4 K=2 lr=0.001 seed=1): all values of 4 epochs are equal to the bit\n"
    )
    assert torch.get_num_threads() == before


def test_the_first_epoch_and_column_that_differ_are_named_with_how_much(mine: SweepPaths):
    value = pq.read_table(mine.part(0))["test_iwae"][2].as_py()
    change(mine, "test_iwae", 2, value - 0.5)
    ended = command("reproduce", FIRST[:8], "--results", mine.results)
    assert ended.code == 1
    assert ended.out.splitlines()[0].endswith(
        f": epoch 3 differs, after 2 equal ones: test_iwae is {value!r} here, {value - 0.5!r} on record: +0.5"
    )
    assert command("reproduce", FIRST, "--results", mine.results, "--epochs", 2).code == 0
    found = command("reproduce", FIRST, "--results", mine.results, "--json")
    assert (found.code, found.json["n_equal"]) == (1, 2)
    assert found.json["difference"] == {"epoch": 3, "column": "test_iwae", "recorded": value - 0.5, "here": value}


def test_a_value_that_is_not_finite_on_record_differs_too(mine: SweepPaths):
    change(mine, "grad_norm", 3, float("nan"))
    found = command("reproduce", FIRST, "--results", mine.results, "--json").json
    assert (found["difference"]["column"], found["difference"]["recorded"]) == ("grad_norm", None)
    assert command("reproduce", FIRST, "--results", mine.results).out.endswith("here, nan on record\n")


def test_a_trial_that_diverged_is_reproduced_up_to_there(results: Path):
    trials = read_trials(results / "tiny")
    diverged = trials[trials["status"] == "diverged"].iloc[0]
    found = command("reproduce", diverged["trial_id"], "--results", results, "--json")
    assert (found.code, found.json["n_equal"]) == (0, diverged["epochs_done"])


def test_what_is_not_as_it_was_is_said_and_what_is_not_promised(mine: SweepPaths):
    trials = TrialTable.open(mine)
    trials.update(FIRST, host="elsewhere", device="Tesla", threads=2, engine="compiled", attempts=3)
    trials.commit()
    found = command("reproduce", FIRST, "--results", mine.results, "--json").json
    means = {means["what"]: (means["recorded"], means["here"]) for means in found["means"]}
    assert means.keys() == {"host", "device", "engine"}
    assert means["engine"] == ("compiled", "eager")
    for doubt, words in zip(found["doubts"], ("on a GPU (Tesla)", "engine compiled", "attempt 1 of 3"), strict=True):
        assert words in doubt
    lines = command("reproduce", FIRST, "--results", mine.results).out.splitlines()
    assert "  engine: compiled on record, eager here" in lines
    assert lines[-1].startswith("  not promised to be equal: its first epochs are of attempt 1 of 3")


def test_widths_that_are_not_multiples_of_4_in_a_pack_are_not_promised(results: Path, tmp_path: Path):
    odd = [small(seed=seed, epochs=1, architecture={"latents": [3]}) for seed in range(2)]
    paths = SweepPaths(tmp_path, "odd")
    recorder = Recorder.open(paths, odd)
    finish(PackRun(odd, load("digits"), RecordedChannel(recorder), "cpu", NEVER))
    recorder.commit()
    (doubt,) = command("reproduce", odd[0].trial_id, "--results", tmp_path, "--json").json["doubts"]
    assert doubt == "it was trained in a pack of 2, and has widths that are not multiples of 4"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "a trial must be one of sweep 'pair', but got 'nonsense'"),
        ([""], "a trial's name must fit one trial, but '' fits 3: write more of its digits"),
        ([small(seed=2).trial_id], "has none: run sweep 'pair' first"),
        ([FIRST, "--epochs", "0"], "epochs must be a positive integer, but got 0"),
        ([FIRST, "--sweep", "pairs"], "did you mean 'pair'"),
    ],
)
def test_a_mistake_is_one_sentence(stored: Path, arguments: list[str], said: str):
    ended = command("reproduce", *arguments, "--results", stored)
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    assert said in ended.err


def test_a_trial_of_two_sweeps_needs_the_sweeps_name(mine: SweepPaths):
    copied_as(mine, "again")
    ended = command("reproduce", FIRST, "--results", mine.results)
    assert (ended.code, ended.out) == (2, "")
    assert "must be of one sweep, but again, pair have it: add --sweep NAME" in ended.err
    assert command("reproduce", FIRST, "--results", mine.results, "--sweep", "again").code == 0


def test_another_sweeps_damage_does_not_matter(mine: SweepPaths):
    shutil.copytree(mine.epochs, mine.results / "broken")
    (mine.results / "broken.trials.parquet").write_bytes(b"garbage")
    assert command("reproduce", FIRST, "--results", mine.results, "--epochs", 1).code == 0
    ended = command("reproduce", FIRST, "--results", mine.results, "--sweep", "broken")
    assert (ended.code, ended.out) == (4, "")


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(stored: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reproduce, "_LINE_SECONDS", 0.0)
    ended = command("reproduce", FIRST, "--results", stored)
    assert ended.err.splitlines() == [f"epoch {n}/4, equal so far" for n in range(1, 5)]
    assert command("reproduce", FIRST, "--results", stored, "--quiet").err == ""
    console = Console(file=StringIO(), force_terminal=True, width=100)
    monkeypatch.setattr(reproduce, "messages", console)
    command("reproduce", FIRST, "--results", stored)
    assert "epoch 4/4, equal so far" in console.file.getvalue()


def test_ctrl_c_ends_it_in_one_line(stored: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tmc_sweep.integrity.reproduce.train", interrupted)
    ended = command("reproduce", FIRST, "--results", stored)
    assert (ended.code, ended.out, ended.err) == (130, "", "tmc-sweep: stopped by SIGINT\n")
