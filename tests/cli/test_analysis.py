"""evaluate, analyse and differences, by their commands."""

import csv
import re
from io import StringIO
from pathlib import Path

import pytest
from analysed import IWAE, LATER, TMC, give_foreign_checkpoint, store
from command import command
from rich.console import Console

from tmc_sweep.cli import analysis
from tmc_sweep.paths import SweepPaths
from tmc_sweep.statistics.paired import paired_differences
from tmc_sweep.store.artefacts import EVALUATIONS, LATENTS, RECONSTRUCTIONS, read_artefact


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> SweepPaths:
    return store(tmp_path_factory.mktemp("analysed"))


def of(paths: SweepPaths, *arguments: object):
    verb, *options = arguments
    return command(verb, "tiny", "--results", paths.results, *options)


LEFT_OUT = f"left out, since they have no checkpoint: {LATER.trial_id}\n"


def test_evaluate_shows_each_cell_and_computes_it_once(paths: SweepPaths):
    ended = of(paths, "evaluate", "--objective", "tmc", "--samples", 4)
    assert ended.code == 0
    head, columns, first, second = ended.out.splitlines()
    assert head == "tmc of the test images, 4 samples"
    assert columns.split()[-6:] == ["epoch", "mean", "std_seeds", "standard_error", "n_seeds", "seconds"]
    rows = read_artefact(EVALUATIONS, paths).set_index("objective")
    assert f"{rows.loc['iwae', 'value']:.3f}" in first
    assert f"{rows.loc['tmc', 'value']:.3f}" in second
    lines = [f"{n}/2 {name} 8-2 K=3 lr=0.001 seed=0: evaluated" for n, name in ((1, "iwae"), (2, "tmc"))]
    assert ended.err == "\n".join([*lines, LEFT_OUT])
    again = of(paths, "evaluate", "--objective", "tmc", "--samples", 4)
    assert (again.out, again.err) == (ended.out, LEFT_OUT)


def test_evaluate_as_json_is_the_trials_rows(paths: SweepPaths):
    ended = of(paths, "evaluate", "--samples", 3, "--trial", TMC.trial_id, "--quiet", "--json")
    (row,) = ended.json
    assert (row["trial_id"], row["bound"], row["samples"], row["objective"]) == (TMC.trial_id, "iwae", 3, "tmc")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", row["time"])
    assert ended.err == ""


def test_evaluate_on_a_terminal_has_a_bar(paths: SweepPaths, monkeypatch):
    console = Console(file=StringIO(), force_terminal=True, width=100)
    monkeypatch.setattr(analysis, "messages", console)
    of(paths, "evaluate", "--objective", "elbo", "--samples", 2)
    assert "2/2 tmc 8-2 K=3 lr=0.001 seed=0" in console.file.getvalue()


def test_analyse_has_a_line_per_trial_with_the_accuracy(paths: SweepPaths):
    ended = of(paths, "analyse", "--images", 5)
    hits = read_artefact(LATENTS, paths).query("label == predicted").groupby("objective").size()
    assert ended.out.splitlines() == [
        f"{name} 8-2 K=3 lr=0.001 seed=0: epoch 2, 5 reconstructions, "
        f"10-nearest-neighbour accuracy {hits[name] / 40:.1%}"
        for name in ("iwae", "tmc")
    ]
    assert ended.err == LEFT_OUT
    assert len(read_artefact(RECONSTRUCTIONS, paths)) == 10
    (row,) = of(paths, "analyse", "--images", 5, "--trial", IWAE.trial_id, "--json").json
    assert row == {
        "trial_id": IWAE.trial_id,
        "epoch": 2,
        "samples": 3,
        "n_reconstructions": 5,
        "accuracy": hits["iwae"] / 40,
    }


def test_analyse_says_what_is_not_finite(paths: SweepPaths, monkeypatch):
    import tmc_sweep.analysis.analyse as module

    monkeypatch.setattr(module, "reconstructions", lambda *_: [])
    monkeypatch.setattr(module, "latents", lambda *_: [])
    out = of(paths, "analyse", "--samples", 9, "--trial", TMC.trial_id).out
    assert out.endswith("seed=0: epoch 2, nothing stored: what its model gives is not finite\n")


def test_differences_say_the_same_in_every_format(paths: SweepPaths):
    expected = paired_differences(paths.epochs, last=2).iloc[0]
    (row,) = of(paths, "differences", "--last", 2, "--json").json
    (of_csv,) = csv.DictReader(StringIO(of(paths, "differences", "--last", 2, "--csv").out))
    assert row["mean_difference"] == float(of_csv["mean_difference"]) == expected["mean_difference"]
    assert (row["low"], of_csv["low"], row["n_seeds"]) == (None, "", 1)
    head, columns, line = of(paths, "differences", "--last", 2).out.splitlines()
    assert head == "test_objective, last 2 epochs: objective, value less baseline, 95 % intervals"
    names = ["value", "baseline", "architecture", "K", "lr", "mean_difference", "low", "high"]
    assert columns.split() == [*names, "std_difference", "n_seeds", "reason"]
    assert line.split()[:2] == ["tmc", "iwae"]
    assert f"{expected['mean_difference']:.3f}" in line
    assert line.endswith("one common seed, and an interval needs two")


def test_differences_where_nothing_differs(paths: SweepPaths):
    assert of(paths, "differences", "--by", "K").out == "no two cells differ in K alone\n"
    assert of(paths, "differences", "--by", "K", "--json").json == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("evaluate", "--objective", "iwea"), 2, "did you mean 'iwae'"),
        (("evaluate", "--samples", 0), 2, "samples must be a positive integer, but got 0"),
        (("evaluate", "--device", "tpu"), 2, "device must be one of auto, cpu, cuda, but got 'tpu'"),
        (("evaluate", "--objective", "tmc", "--samples", 10**6), 2, "ask for fewer, or for iwae"),
        (("evaluate", "--trial", LATER.trial_id), 2, "none of the 1 asked for has one: run sweep 'tiny'"),
        (("analyse", "--trial", "nonsense"), 2, "a trial must be one of sweep 'tiny', but got 'nonsense'"),
        (("differences", "--by", "objectiv"), 2, "did you mean 'objective'"),
        (("differences", "--metric", "test_iwea"), 2, "did you mean 'test_iwae'"),
        (("differences", "--json", "--csv"), 2, "one format, but got --json and --csv: leave one out"),
    ],
)
def test_a_mistake_is_one_sentence(paths: SweepPaths, arguments: tuple[object, ...], code: int, said: str):
    ended = of(paths, *arguments)
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (code, "", 1)
    assert ended.err.startswith("tmc-sweep: ")
    assert said in ended.err


def test_a_foreign_checkpoint_is_a_storage_error(tmp_path: Path):
    paths = store(tmp_path)
    give_foreign_checkpoint(paths)
    for verb in ("evaluate", "analyse"):
        ended = of(paths, verb)
        assert (ended.code, len(ended.err.splitlines())) == (4, 1)
        assert ended.err.endswith(f"but names {IWAE.trial_id}: remove the checkpoint\n")
