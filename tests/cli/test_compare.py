"""compare: two sweeps cell by cell, by the command and by hand."""

import csv
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from command import command
from invented import flat, write
from scipy import stats

SPACE = """name: NAME
base: {data: digits, objective: iwae, architecture: {latents: [4]}, epochs: 60}
space: {K: {grid_search: KS}}
seeds: SEEDS
statistic: {metric: METRIC, last: 20}
"""


def stored(results: Path, name: str, ks: str, seeds: str, level, metric: str = "test_iwae") -> None:
    text = SPACE.replace("NAME", name).replace("KS", ks).replace("SEEDS", seeds).replace("METRIC", metric)
    write(results, text, flat(level, noise=0))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """K = 2 and 5 in one, 5 and 9 in the other, which shares seeds 1, 2 and 3 and has no value for K = 5, seed 9."""
    results = tmp_path_factory.mktemp("both")
    stored(results, "one", "[2, 5]", "4", lambda config: -10 - config.seed)
    stored(results, "two", "[5, 9]", "[1, 2, 3, 9]", lambda config: [0, -1, -4, -3][config.seed % 9] - 5, "test_elbo")
    return results


def test_cells_of_both_are_paired_by_seed(both: Path):
    rows = command("compare", "one", "two", "--results", both, "--json").json
    assert [row["K"] for row in rows] == [2, 5, 9]
    row = rows[1]
    assert (row["a_mean"], row["b_mean"]) == (pytest.approx(-11.5), pytest.approx(-7.0))
    gained = np.array([-6 + 11, -9 + 12, -8 + 13])
    low, high = stats.t.interval(0.95, 2, gained.mean(), gained.std(ddof=1) / np.sqrt(3))
    assert [row[name] for name in ("mean_difference", "low", "high")] == pytest.approx([gained.mean(), low, high])
    assert (row["n_seeds"], row["a_seeds_only"], row["b_seeds_only"], row["reason"]) == (3, [0], [9], None)
    assert (row["first_epoch"], row["last_epoch"]) == (41, 60)


def test_a_cell_that_one_sweep_lacks_has_its_own_mean_and_no_difference(both: Path):
    first, _, last = command("compare", "one", "two", "--results", both, "--json").json
    assert (first["a_mean"], first["b_mean"], first["mean_difference"]) == (pytest.approx(-11.5), None, None)
    assert (first["a_seeds_only"], first["b_seeds_only"], first["n_seeds"]) == ([0, 1, 2, 3], None, 0)
    assert (first["reason"], last["reason"]) == ("two has no run of this cell", "one has no run of this cell")
    assert last["a_mean"] is None


def test_other_declared_statistics_are_said_and_the_firsts_is_taken(both: Path):
    ended = command("compare", "one", "two", "--results", both)
    assert ended.err == (
        "one declares test_iwae of the last 20 epochs (max), two test_elbo of the last 20 epochs (max): "
        "compared by one's; --metric and --last choose another one\n"
    )
    assert ended.out.startswith("test_iwae, last 20 epochs: a is one, b is two; b less a, 95 % intervals\n")
    assert "two has no run of this cell" in ended.out
    assert command("compare", "one", "two", "--results", both, "--metric", "test_tmc").err == ""


def test_the_csv_says_the_same(both: Path):
    of_csv = list(csv.DictReader(StringIO(command("compare", "one", "two", "--results", both, "--csv").out)))
    of_json = command("compare", "one", "two", "--results", both, "--json").json
    assert list(of_csv[0]) == list(of_json[0])
    assert [row["mean_difference"] and float(row["mean_difference"]) for row in of_csv] == [
        row["mean_difference"] or "" for row in of_json
    ]


@pytest.mark.parametrize(
    ("second", "ks", "said"),
    [
        ("apart", "[9, 7]", "one and apart have no cell in common: K is 2, 5 in one and 7, 9 in apart\n"),
        ("many", "[10, 11, 12, 13, 14, 15, 16]", "K is 2, 5 in one and 10, 11, 12, 13, 14, 15, … in many\n"),
    ],
)
def test_without_a_common_cell_it_says_why_in_a_sentence(both: Path, second: str, ks: str, said: str):
    """What follows from K is not said again: eval_k."""
    stored(both, second, ks, "1", lambda config: -1.0)
    ended = command("compare", "one", second, "--results", both)
    assert (ended.code, ended.out.count("\n")) == (0, 1)
    assert ended.out.endswith(said)
    assert len(command("compare", "one", second, "--results", both, "--json").json) == 2 + ks.count(",") + 1


def test_values_that_are_in_both_but_not_together(tmp_path: Path):
    for name, rates in (("left", (1e-2, 1e-3)), ("right", (1e-3, 1e-2))):
        text = SPACE.replace("NAME", name).replace("METRIC", "test_iwae").replace("SEEDS", "1")
        cases = "cases: [{{K: 1, lr: {}}}, {{K: 2, lr: {}}}]".format(*rates)
        write(tmp_path, text.replace("space: {K: {grid_search: KS}}", cases), flat(lambda _: -1.0))
    ended = command("compare", "left", "right", "--results", tmp_path)
    assert ended.out == "left and right have no cell in common: both have each value of each field, but not together\n"


def test_a_sweep_without_epochs_has_none_to_compare(both: Path):
    text = SPACE.replace("NAME", "new").replace("KS", "[2]").replace("METRIC", "test_iwae").replace("SEEDS", "1")
    write(both, text, lambda _: np.empty(0))
    assert command("compare", "one", "new", "--results", both).out == "new: no epochs yet\n"
    assert command("compare", "new", "one", "--results", both).out == "new: no epochs yet\n"


def test_runs_that_diverged_are_named_with_their_sweep(both: Path):
    stored(both, "broken", "[5]", "4", lambda config: float("nan") if config.seed == 2 else -1.0)
    (row,) = [row for row in command("compare", "one", "broken", "--results", both, "--json").json if row["K"] == 5]
    assert (row["b_mean"], row["mean_difference"]) == (None, None)
    assert row["reason"] == "seed 2 of broken diverged in epoch 60"
    assert row["b_reason"] == "seed 2 diverged in epoch 60"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("one", "one"), "two sweeps are compared, but got 'one' twice: name another one"),
        (("one", "three"), "must be a sweep's epoch table, but there is none"),
        (("one", "two", "--json", "--csv"), "a comparison must have one format"),
        (("one", "two", "--metric", "test_iwea"), "did you mean 'test_iwae'"),
    ],
)
def test_a_mistake_is_one_sentence(both: Path, names: tuple[str, ...], said: str):
    ended = command("compare", *names, "--results", both)
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    assert said in ended.err
