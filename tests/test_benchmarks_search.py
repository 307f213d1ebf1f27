"""The benchmarks of searching and stopping: they count rightly, and do what a sweep does."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import twin
from twin import RecordedChannel, finish

from benchmarks.curves import curve
from benchmarks.studies.search import SPACE as SEARCH
from benchmarks.studies.search import Bests, best_so_far, rows_of, tpe_over_random
from benchmarks.studies.search_cells import BASE, digits, formula, searched
from benchmarks.studies.search_replay import History, recorded, replayed
from tmc_sweep.config import TrialConfig
from tmc_sweep.data import load
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import EpochRecord, Status
from tmc_sweep.search.cells import following
from tmc_sweep.search.curves import Curves
from tmc_sweep.search.early_stopping import EarlyStopping
from tmc_sweep.space import SearchSpace, parse
from tmc_sweep.space.schema import Scheduler
from tmc_sweep.statistics.summary import summarize
from tmc_sweep.store.lock import sweep_lock
from tmc_sweep.store.read import read_trials
from tmc_sweep.store.recorder import Recorder
from tmc_sweep.sweep.pack_run import PackRun

pytestmark = pytest.mark.cluster

NAN = float("nan")
ASHA = Scheduler(algorithm="asha", last=1, grace_epochs=2, reduction=2)
Trials = Sequence[TrialConfig]


def space(algorithm: str = "tpe", cells: int = 14, epochs: int = 1) -> SearchSpace:
    head = BASE.format(name="search", seeds=2, epochs=epochs, last=1)
    return parse(head + SEARCH.format(algorithm=algorithm, cells=cells, seed=0), "search.yaml")


def grid(*lrs: float, epochs: int = 4) -> SearchSpace:
    text = BASE.format(name="grid", seeds=[3, 5], epochs=epochs, last=1)
    return parse(f"{text}space: {{lr: {{grid_search: {[*lrs]}}}}}\n", "grid.yaml")


def constant(trials: Trials, value: float, seconds: float) -> list[list[EpochRecord]]:
    """A cell whose epochs all have this value and take so long."""
    return [
        [replace(row, trial_id=trial.trial_id, val_iwae=value, epoch_seconds=seconds) for trial in trials]
        for row in curve(trials[0].epochs)
    ]


def test_the_formula_is_best_where_it_says() -> None:
    best = {"lr": 0.01, "K": 8, "architecture": {"latents": [16]}, "weight_norm": False}

    def value(**fields: object) -> float | None:
        return formula()([TrialConfig.parse({**best, **fields})])[0].val_iwae

    assert value() == 0.0
    for other in ({"lr": 0.011}, {"lr": 0.009}, {"K": 9}, {"K": 7}, {"weight_norm": True}):
        assert value(**other) < 0.0
    assert all(value(architecture={"latents": [width]}) < 0.0 for width in (8, 32))


def test_a_random_search_has_the_cells_of_its_file_in_their_order() -> None:
    of = space("random")
    assert searched(of, formula()) == [formula()(of.trials_of(cell))[0].val_iwae for cell in of.cells]


def test_tpe_is_told_what_its_cells_came_to() -> None:
    def upside_down(trials: Trials) -> list[EpochRecord]:
        return [replace(record, val_iwae=-record.val_iwae) for record in formula()(trials)]

    ours, other = searched(space(), formula()), [-value for value in searched(space(), upside_down)]
    assert ours[:10] == other[:10]  # at random
    assert sum(ours[10:]) > sum(other[10:])


def test_a_cell_of_which_a_seed_diverged_has_no_value() -> None:
    def diverging(trials: Trials) -> list[EpochRecord]:
        return [replace(record, val_iwae=NAN) if n else record for n, record in enumerate(formula()(trials))]

    assert all(value != value for value in searched(space(cells=3), diverging))
    assert best_so_far([NAN, -3.0, NAN, -4.0, -2.0]) == [-float("inf"), -3.0, -3.0, -3.0, -2.0]


def test_rows_are_below_the_best_and_are_counted() -> None:
    first = Bests(4, [-5.0] * 10 + [-4.0] * 30, [-6.0] * 10 + [-3.0] * 10 + [-2.0] * 20)
    second, third = Bests(5, [-3.0] * 40, [-3.0] * 40), Bests(6, [-2.5] * 40, [-3.0] * 40)
    rows = rows_of("digits", [first, second, third])
    assert rows[0] == {
        "objective": "digits",
        "search_seed": 4,
        "cells": 40,
        "best": -2.0,
        "tpe_gain": 2.0,
        "random_10": 3.0,
        "random_20": 2.0,
        "random_40": 2.0,
        "tpe_10": 4.0,
        "tpe_20": 1.0,
        "tpe_40": 0.0,
    }
    (together,) = tpe_over_random(rows)
    assert (together["searches"], together["tpe_not_worse"], together["of_these_equal"]) == (3, 2, 1)
    assert (together["median_random_40"], together["median_tpe_40"]) == (1.0, 1.0)
    assert rows_of("formula", [second])[0]["best"] == 0.0  # its optimum, found or not


def test_a_replay_stops_what_comes_after_better_cells() -> None:
    of = grid(1e-3, 2e-3, 3e-3, 4e-3)
    names = [cell.cell_id for cell in of.cells]
    history: History = {
        cell.cell_id: constant(of.trials_of(cell), -number, 1 + number / 100) for number, cell in enumerate(of.cells)
    }
    best_first = replayed(of, ASHA, history, names)
    assert best_first == (2 * (4 + 2 + 2 + 2), {names[0]})  # two seeds; the others end at the rung
    alone = replayed(of, ASHA, history, names[::-1], slots=1)
    assert alone == (2 * 16, {*names})  # each better than all before it


def test_a_replay_is_what_a_sweep_does(tmp_path: Path) -> None:
    of, images = grid(3e-2, 1e-6, 1e-2, 1e-7), load("digits")
    twin.sweep(SweepPaths(tmp_path, "grid"), of.trials(), images, size=2)
    history, paths = recorded(tmp_path / "grid"), SweepPaths(tmp_path, "stopped")
    with sweep_lock(paths):
        recorder, curves = Recorder.open(paths, of.trials()), Curves("val_iwae", {})
        curves.add(of.trials())
        recorder.decide_by(following(curves, EarlyStopping(ASHA, of.statistic, curves)))
        for cell in of.cells:
            finish(PackRun(of.trials_of(cell), images, RecordedChannel(recorder), "cpu", twin.NEVER))
    trials = read_trials(tmp_path / "stopped")
    kept = {*trials[trials["status"] == Status.DONE]["cell_id"]}
    assert 0 < len(kept) < 4
    again = replayed(of, ASHA, history, [cell.cell_id for cell in of.cells], slots=1)
    assert again == (trials["epochs_done"].sum(), kept)


@pytest.mark.long
def test_a_search_is_that_of_the_command(tmp_path: Path) -> None:
    of = space(cells=13, epochs=2)
    (tmp_path / "search.yaml").write_text(of.text)
    command = [Path(sys.executable).with_name("tmc-sweep"), "run", "search.yaml", "--results", ".", "--quiet"]
    one_slot = partial(os.sched_setaffinity, 0, [*os.sched_getaffinity(0)][:1])
    environment = {**os.environ, "HOME": str(tmp_path), "RAY_ADDRESS": "local"}
    subprocess.run(command, cwd=tmp_path, env=environment, preexec_fn=one_slot, check=True, capture_output=True)
    order = read_trials(tmp_path / "search").sort_values("started")["cell_id"].unique()
    values = summarize(tmp_path / "search", 1, "val_iwae").set_index("cell_id")["mean"]
    assert searched(of, digits()) == [values[cell] for cell in order]
