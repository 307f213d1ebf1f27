"""Ours beside the article's numbers."""

import re
from pathlib import Path

import invented
import numpy as np
import pytest
from trials import of, trial

from tmc_sweep.article import data_file
from tmc_sweep.article.claims import Claims
from tmc_sweep.article.comparison import compare_published, comparison
from tmc_sweep.article.conditions import departures
from tmc_sweep.article.published import Number, published
from tmc_sweep.errors import InputError
from tmc_sweep.space import load
from tmc_sweep.statistics.summary import summarize

SPACES = Path(__file__).parents[2] / "search_spaces"
NUMBERS = {number.id: number for number in published().numbers}
SMALL = NUMBERS["table1-tmc-small"]
TABLE1 = "{name: table1, base: {data: mnist, epochs: 1200}, space: {objective: {grid_search: [iwae, tmc]}}, seeds: 3}"


def test_the_numbers_are_those_of_the_article():
    table = {number.id: (number.value, number.spread) for number in published().numbers if number.source == "Table 1"}
    assert table == {
        "table1-iwae-large": (-93.08, 0.19),
        "table1-iwae-small": (-93.35, 0.12),
        "table1-tmc-large": (-91.94, 0.12),
        "table1-tmc-small": (-91.63, 0.16),
    }
    timed = {n.id: (n.value, n.to) for n in published().numbers if n.metric == "epoch_seconds"}
    assert timed == {
        "seconds-iwae": (11, None),
        "seconds-tmc": (14, None),
        "seconds-k20": (50, 60),
        "seconds-k50": (70, 80),
    }


@pytest.mark.parametrize("number", published().numbers, ids=lambda number: number.id)
def test_a_search_space_of_ours_has_each_numbers_very_cell(number: Number):
    name = "table1" if number.source == "Table 1" else "timing"
    cells = [config for config in load(SPACES / f"{name}.yaml").trials() if not departures(number.cell, config.row())]
    assert cells
    assert number.epochs in {None, cells[0].epochs}


def test_mean_and_spreads_are_those_of_the_summary(tmp_path: Path):
    sweep = invented.sweep(tmp_path, TABLE1, invented.flat(lambda c: -92 - c.seed, epochs=70))
    found = next(each for each in compare_published(sweep) if each.number.id == "table1-tmc-small")
    row = summarize(tmp_path / "table1").query("objective == 'tmc'").iloc[0]
    assert found.value == pytest.approx(row["mean"], rel=1e-12)
    assert found.spreads == pytest.approx(
        {name: row[name] for name in ("std_epochs", "std_epochs_within", "std_seeds")}
    )
    assert found.difference == pytest.approx(row["mean"] + 91.63)
    assert found.departures == ("70 of 1200 epochs", "3 trials unfinished")


def test_few_epochs_are_averaged_and_flagged(tmp_path: Path):
    sweep = invented.sweep(tmp_path, TABLE1, lambda config: np.full(4, -100.0))
    found = next(each for each in compare_published(sweep) if each.number.id == "table1-iwae-small")
    assert (found.value, found.spreads["std_epochs"]) == (-100.0, 0.0)
    assert found.departures == ("4 of 1200 epochs", "mean of 4 epochs, not 50", "3 trials unfinished")


def test_a_sweep_without_rows_is_beside_nothing(tmp_path: Path):
    assert compare_published(invented.sweep(tmp_path, TABLE1, lambda config: np.empty(0))) == []


def test_a_seed_that_diverged_leaves_no_value():
    found = comparison(SMALL, [trial(epochs=1200), trial(np.array([np.nan]), seed=1)])
    assert (found.value, found.difference, found.why) == (None, None, "seed 1 diverged")


def test_other_data_are_not_compared(tmp_path: Path):
    assert (
        compare_published(invented.sweep(tmp_path, TABLE1.replace("mnist", "digits"), lambda config: np.full(4, -20.0)))
        == []
    )


def test_other_settings_are_flagged():
    told = comparison(SMALL, [trial(-90.0, 1200, init="torch", adam_eps=1e-8, K=5)])
    assert told.difference == pytest.approx(1.63)
    expected = ("adam_eps 1e-08, not 0.0001", "init torch, not glorot_uniform", "K 5, not 20", "1 of 3 seeds")
    assert told.departures == expected


def test_of_a_grid_the_nearest_cells_are_compared(tmp_path: Path):
    text = "{name: grid, base: {data: mnist}, space: {K: {grid_search: [5, 20]}, lr: {grid_search: [1e-4, 1e-3]}}}"
    sweep = invented.sweep(tmp_path, text, invented.flat(lambda c: -92.0))
    found = [(each.number.id, each.where["K"], each.where.get("lr")) for each in compare_published(sweep)]
    assert found == [("table1-tmc-small", 20, 1e-3), ("seconds-tmc", 20, None), ("seconds-k20", 20, None)]


def test_of_cells_as_near_in_what_the_article_names_the_most_alike_is_compared(tmp_path: Path):
    space = "{weight_norm: {grid_search: [false, true]}, batch_size: {grid_search: [64, 128]}}"
    text = f"{{name: grid, base: {{data: mnist}}, space: {space}}}"
    sweep = invented.sweep(tmp_path, text, invented.flat(lambda c: -92.0 - c.weight_norm))
    (found,) = [each for each in compare_published(sweep) if each.number.id == "table1-tmc-small"]
    assert (found.where["weight_norm"], found.where["batch_size"]) == (False, 128)


def test_seconds_are_medians_beside_a_value_or_a_range():
    def ours(number: str, seconds: float, **machine: object):
        one = trial(epochs=5, objective="tmc")
        config = invented.TrialConfig.parse({**one.fields, "eval_k": 20})
        return comparison(
            NUMBERS[number],
            [of(config, one.objective, seconds=np.full(5, seconds), machine={**one.machine, **machine})],
        )

    found = ours("seconds-tmc", 20.0)
    assert (found.value, found.difference, found.spreads) == (20, 6, {"lower quartile": 20, "upper quartile": 20})
    assert found.departures == ("on cpu, not Tesla P100",)
    assert [ours("seconds-k20", seconds).difference for seconds in (40.0, 55.0, 61.0)] == [-10.0, 0.0, 1.0]
    assert ours("seconds-tmc", 1.0, pack_size=3).departures[-1] == "in packs of 3"
    assert ours("seconds-tmc", 1.0, gpu=0.25).departures[-1] == "on 0.25 of a GPU"
    assert ours("seconds-tmc", 1.0, gpu=1.0).departures == ("on cpu, not Tesla P100",)
    assert ours("seconds-tmc", 1.0, device=None).departures == ("on an unknown device, not Tesla P100",)


def test_seconds_are_those_of_the_cells_nearest_to_the_article_and_of_packs_of_one_size(tmp_path: Path):
    """Weight normalisation doubles the seconds, a pack of two adds a half; lr is no difference."""
    space = "weight_norm: {grid_search: [false, true]}, lr: {grid_search: [1e-4, 1e-3]}"
    text = f"{{name: grid, base: {{data: mnist, epochs: 5}}, space: {{{space}}}}}"
    pack = lambda c: 2 if c.lr == 1e-4 else 1  # noqa: E731
    found = {
        each.departures[1:]: each.value
        for each in compare_published(
            invented.sweep(
                tmp_path,
                text,
                invented.flat(lambda c: -92.0, epochs=5),
                seconds=lambda c: (2.0 if c.weight_norm else 1.0) * (1.5 if pack(c) == 2 else 1.0),
                known=lambda c: {"pack_size": pack(c), "host": str(c.weight_norm) + str(c.lr)},
            )
        )
        if each.number.id == "seconds-tmc"
    }
    assert found == {("in packs of 2",): pytest.approx(1.53), (): pytest.approx(1.02)}


def test_seconds_measured_beside_other_processes_say_so(tmp_path: Path):
    sweep = invented.sweep(tmp_path, TABLE1, lambda config: np.full(4, -100.0))  # all trials at once
    (found,) = [each for each in compare_published(sweep) if each.number.id == "seconds-tmc"]
    assert found.departures[-2] == "up to 6 processes at once on a machine"


def test_a_trial_that_diverged_has_seconds_and_one_that_failed_at_once_does_not_count(tmp_path: Path):
    text = "{name: grid, base: {data: mnist, epochs: 5}, space: {lr: {grid_search: [1e-4, 1e-3, 1e-2]}}}"
    curves = {1e-4: np.full(5, -1.0), 1e-3: np.r_[-1.0, np.nan], 1e-2: np.empty(0)}
    status = {"status": "failed", "reason": "out of memory"}
    known = invented.sweep(tmp_path, text, lambda c: curves[c.lr], known=lambda c: status if c.lr == 1e-2 else {})
    found = {each.number.id: each for each in compare_published(known)}
    assert found["seconds-tmc"].value == pytest.approx(1.02)
    assert found["table1-tmc-small"].why == "seed 0 diverged"


def test_a_data_file_that_is_not_as_it_must_be_is_pointed_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = (SPACES.parent / "tmc_sweep" / "article" / "claims.yaml").read_text()
    (tmp_path / "claims.yaml").write_text(text.replace("rule: {above: 0}", "rule: {over: 0}", 1))
    monkeypatch.setattr(data_file, "__file__", str(tmp_path / "data_file.py"))
    with pytest.raises(InputError, match=r"claims.yaml:\d+:\d+: claims.0.rule.over"):
        data_file.load(Claims, "claims.yaml")


def test_notes_are_of_sources_that_are_cited():
    assert published().notes.keys() <= {number.source for number in published().numbers}
    assert all(re.fullmatch(r"Table \d|Section \d(\.\d)?", number.source) for number in published().numbers)
