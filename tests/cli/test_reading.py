"""The verbs that read: validate, status, summary; and what of a search space has changed."""

import csv
from io import StringIO
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import command
from twin import table

from tmc_sweep.records import SUMMARY_COLUMNS
from tmc_sweep.store.read import read_trials


def test_version_and_help():
    assert command("--version").out.startswith("tmc-sweep 0.")
    overview = command("--help")
    assert overview.code == 0
    for verb in ("run", "plan", "validate", "status", "summary", "verify", "repair", "prune"):
        assert verb in overview.out
        assert command(verb, "--help").code == 0


def test_a_changed_search_space_is_pointed_out_line_by_line(file, results: Path):
    ended = command("plan", file(("objective: iwae", "objective: tmc"), ("seeds: 2", "seeds: 1")), "--results", results)
    assert ended.err.splitlines() == [
        "the search space of tiny has changed since its last run: 2 new trials, 0 known, 4 only in the table, "
        "which keeps them",
        "  -  objective: iwae",
        "  +  objective: tmc",
        "  -seeds: 2",
        "  +seeds: 1",
    ]
    assert command("plan", file(), "--results", results).err == ""


def test_what_is_set_on_the_command_line_is_a_change_like_any_other(file, results: Path):
    ended = command("plan", file(), "--results", results, "--set", "epochs=6", "--set", "lr=1e-3", "--json")
    assert (ended.json["n_trials"], ended.json["n_to_train"]) == (2, 2)
    assert [cell["epochs"] for cell in ended.json["cells"]] == [6]
    assert ended.err.splitlines() == [
        "--set lr=0.001 replaces {grid_search: [0.001, 10]}",
        "the search space of tiny has changed since its last run: 0 new trials, 2 known, 2 only in the table, "
        "which keeps them",
        "  -  epochs: 4",
        "  -space:",
        "  -  lr: {grid_search: [0.001, 10]}",
        "  +  epochs: 6",
        "  +  lr: 0.001",
    ]


def test_a_comment_or_another_layout_is_no_change(file, results: Path):
    moved = file(("base:\n", "base:  # what all trials have\n"), ("[1e-3, 10]", "[0.001, 10]"))
    assert command("plan", moved, "--results", results).err == ""


def test_validate_names_trials_cells_and_data(file):
    path = file()
    assert command("validate", path).out == f"{path}: 4 trials in 2 cells, data digits\n"


def test_status_of_one_sweep_and_of_all(results: Path):
    status = command("status", "tiny", "--results", results, "--json").json
    assert [status[f"n_{name}"] for name in ("trials", "done", "diverged", "pending", "failed")] == [4, 2, 2, 0, 0]
    trials = read_trials(results / "tiny")
    assert [trial["trial_id"] for trial in status["trials"]] == trials["trial_id"].tolist()
    assert status["trials"][0]["reason"] is None
    assert status["trials"][2]["reason"].startswith("not finite in epoch ")
    assert status["epochs_done"] == status["epochs"] == len(table(results / "tiny"))  # two of four diverged
    stored = sum(path.stat().st_size for path in (results / ".tmc" / "tiny").rglob("*.safetensors"))
    assert (status["checkpoint_bytes"], status["n_checkpoints_dropped"]) == (stored, 0)
    epochs = status["epochs"]
    head = f"tiny: 4 trials (2 done, 2 diverged), {epochs} of {epochs} epochs, {stored / 1e3:.3g} kB of checkpoints"
    assert command("status", "tiny", "--results", results).out.startswith(head)
    assert command("status", "--results", results).out == f"{head}\n"
    (only,) = command("status", "--results", results, "--json").json
    assert "trials" not in only


def test_status_where_there_is_no_sweep(tmp_path: Path):
    assert command("status", "--results", tmp_path / "none").out == "no sweeps\n"
    assert command("status", "--results", tmp_path / "none", "--json").json == []


def by_hand(results: Path, metric: str, last: int) -> dict[str, float]:
    """Mean and deviations of the trials that did not diverge, as docs/ defines them, with pandas alone."""
    frame = table(results / "tiny").query("lr == 1e-3")
    window = frame[frame["epoch"] > frame["epoch"].max() - last]
    seeds = window.groupby("seed")[metric]
    return {
        "mean": seeds.mean().mean(),
        "std_epochs": window.groupby("epoch")[metric].mean().std(ddof=0),
        "std_epochs_within": seeds.std(ddof=0).mean(),
        "std_seeds": seeds.mean().std(ddof=1),
    }


@pytest.mark.parametrize(
    ("options", "metric", "last"),
    [
        ((), "test_iwae", 2),
        (("--last", 3), "test_iwae", 3),
        (("--metric", "test_elbo"), "test_elbo", 2),
        (("--last", 1, "--metric", "train_objective"), "train_objective", 1),
    ],
)
def test_summary_is_what_pandas_gives_by_hand(results: Path, options: tuple[object, ...], metric: str, last: int):
    good, bad = command("summary", "tiny", "--results", results, "--json", *options).json
    assert list(good) == [column.name for column in SUMMARY_COLUMNS]
    assert (good["metric"], good["last"], good["n_seeds"], good["reason"]) == (metric, last, 2, None)
    for name, value in by_hand(results, metric, last).items():
        assert good[name] == pytest.approx(value, rel=1e-12)
    assert (bad["mean"], bad["std_seeds"]) == (None, None)
    assert bad["reason"].startswith("seed 0 diverged in epoch ")


def test_no_cell_of_a_summary_is_a_formula(results: Path):
    """A spreadsheet runs cells that begin so; here they are numbers. Free text reaches no summary."""
    cells = list(chain(*csv.reader(StringIO(command("summary", "tiny", "--results", results, "--csv").out))))
    numbers = [float(cell) for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert numbers


def test_summary_as_csv_and_as_a_table_say_the_same(results: Path):
    rows = list(csv.DictReader(StringIO(command("summary", "tiny", "--results", results, "--csv").out)))
    assert float(rows[0]["mean"]) == by_hand(results, "test_iwae", 2)["mean"]
    assert rows[1]["mean"] == ""
    lines = command("summary", "tiny", "--results", results).out.splitlines()
    assert lines[0] == "test_iwae, last 2 epochs"
    assert f"{by_hand(results, 'test_iwae', 2)['mean']:.3f}" in lines[2]
    assert "seed 0 diverged in epoch" in lines[3]


def test_reading_a_table_needs_no_library_of_ours(results: Path):
    frame = pd.read_parquet(results / "tiny")
    assert np.isnan(frame[frame["lr"] == 10].groupby("seed")["test_objective"].last()).all()


@pytest.mark.parametrize("verb", ["summary", "best"])
def test_where_no_trial_is_long_enough_it_is_said_what_would_be(results: Path, verb: str):
    short, enough = (command(verb, "tiny", "--results", results, "--last", n).out.splitlines()[-1] for n in (9, 4))
    assert short == "no cell has 9 epochs yet: `--last 4` takes those there are"
    assert enough.startswith("best (max): ")
