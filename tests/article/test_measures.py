"""Measures of claims: paired differences over common epochs, and what makes a reading unsure."""

import math
from dataclasses import replace
from pathlib import Path

import invented
import numpy as np
import pytest
from pydantic import TypeAdapter
from trials import trial

from tmc_sweep.article.evidence import Accuracy, Trial, evidence
from tmc_sweep.article.measures import Measure
from tmc_sweep.article.reading import Reading
from tmc_sweep.article.text import basis
from tmc_sweep.statistics.inference import Share
from tmc_sweep.statistics.paired import paired_differences
from tmc_sweep.statistics.processes import Process

TMC_LESS_IWAE = {"name": "contrast", "plus": [{"objective": "tmc"}], "minus": [{"objective": "iwae"}]}
SEEDS = {"tmc": (-91.0, -92.0, -91.0), "iwae": (-93.0, -93.0, -93.0)}


def readings(measure: dict[str, object], trials: list[Trial], epochs: int | None = None) -> list[Reading]:
    made: Measure = TypeAdapter(Measure).validate_python(measure)
    return list(made.readings(trials, epochs))


def pairs(**fields: object) -> list[Trial]:
    return [
        trial(value, objective=objective, seed=seed, **fields)
        for objective, values in SEEDS.items()
        for seed, value in enumerate(values)
    ]


def test_a_contrast_is_the_paired_difference_that_the_command_prints(tmp_path: Path):
    text = "{name: invented, base: {data: mnist, epochs: 60}, space: {objective: {grid_search: [iwae, tmc]}}, seeds: 3}"
    sweep = invented.sweep(tmp_path, text, invented.flat(lambda c: -90 - c.seed**2 * (c.objective == "tmc")))
    (reading,) = readings(TMC_LESS_IWAE, evidence(sweep))
    (row,) = paired_differences(tmp_path / "invented").to_dict("records")
    assert [reading.value, reading.low, reading.high] == pytest.approx(
        [row[n] for n in ("mean_difference", "low", "high")]
    )
    assert (reading.epochs, reading.n) == ((row["first_epoch"], row["last_epoch"]), 3)


def test_a_contrast_of_contrasts_is_paired_too():
    measure = {
        "name": "contrast",
        "plus": [{"objective": "tmc", "architecture": "small"}, {"objective": "iwae", "architecture": "large"}],
        "minus": [{"objective": "iwae", "architecture": "small"}, {"objective": "tmc", "architecture": "large"}],
    }
    large = [trial(-92.5, objective=o, architecture="large", seed=seed) for o in SEEDS for seed in range(3)]
    (reading,) = readings(measure, [*pairs(), *large])
    assert reading.value == pytest.approx(5 / 3)  # 2, 1 and 2 for the small model, nothing for the large one
    assert (reading.low, reading.high) == pytest.approx((5 / 3 - 4.302653 / 3, 5 / 3 + 4.302653 / 3), rel=1e-5)


@pytest.mark.parametrize(("n", "value"), [(1, 2.0), (2, 1.5)])
def test_fewer_than_three_seeds_have_no_interval(n: int, value: float):
    (reading,) = readings(TMC_LESS_IWAE, [each for each in pairs() if each.seed < n])
    assert (reading.value, reading.low, reading.why) == (value, None, "a verdict needs 3 seeds")


def test_cells_are_compared_over_the_last_epochs_that_all_have():
    ahead = trial(np.r_[np.full(80, -90.0), np.full(40, -50.0)], objective="tmc")
    (reading,) = readings(TMC_LESS_IWAE, [ahead, trial(-93.0, epochs=80, objective="iwae")])
    assert (reading.value, reading.epochs) == (3.0, (31, 80))


def test_fewer_epochs_than_fifty_are_all_taken():
    (reading,) = readings(TMC_LESS_IWAE, [trial(epochs=7), trial(epochs=7, objective="iwae")])
    assert reading.epochs == (1, 7)


def test_a_seed_that_diverged_leaves_no_value():
    (reading,) = readings(TMC_LESS_IWAE, [*pairs(), trial(np.array([np.nan]), seed=3), trial(seed=3, objective="iwae")])
    assert (reading.value, reading.why) == (None, "seed 3 of tmc diverged")


@pytest.mark.parametrize("change", [{"lr": 1e-4}, {"eval_k": 50}, {"prior": "learned"}])
def test_cells_that_differ_in_another_field_are_not_compared(change: dict[str, object]):
    assert not readings(TMC_LESS_IWAE, [trial(), trial(objective="iwae", **change)])


def test_cells_of_two_sweeps_are_not_compared():
    assert not readings(TMC_LESS_IWAE, [trial(), replace(trial(objective="iwae"), sweep="other")])


def test_evaluation_that_follows_k_is_no_difference():
    k = {"name": "contrast", "plus": [{"K": 50}], "minus": [{"K": 20}]}
    assert readings(k, [trial(-1.0, K=50), trial(-3.0, K=20)])[0].value == 2.0


SECONDS = {"name": "seconds_ratio", "plus": {"objective": "tmc"}, "minus": {"objective": "iwae"}}


def timed(*ratios: float, turns: str = "by round") -> list[Trial]:
    """A round of two fresh processes for each ratio, with an epoch of the first that took long."""
    n = len(ratios)
    order = {"by round": lambda seed, side: 2 * seed + side, "by cell": lambda seed, side: side * n + seed}[turns]
    return [
        replace(
            trial(epochs=5, objective=objective, seed=seed),
            seconds=np.array([9.0, 2.0, 2.0, 2.0, 2.0]) * (ratio if side else 1.0),
            process=Process(f"{objective}{seed}", order(seed, side), 1),
        )
        for seed, ratio in enumerate(ratios)
        for side, objective in enumerate(("iwae", "tmc"))
    ]


def test_seconds_are_a_ratio_of_medians_over_processes():
    (reading,) = readings(SECONDS, timed(1.0, 1.2, 1.44))
    assert reading.value == pytest.approx(1.2)
    assert (reading.low, reading.high) == pytest.approx((0.763, 1.887), abs=1e-3)  # log ± 4.303 log(1.2) / √3
    assert basis(reading) == "3 process pairs, [ ]: 95% over processes"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda trials: trials[:4], "a verdict needs 3 process pairs"),
        (lambda trials: [replace(each, process=None) for each in trials], "not on record which processes trained"),
        (
            lambda trials: [replace(each, process=Process("one", i, 6)) for i, each in enumerate(trials)],
            "not each trial had a process of its own",
        ),
        (lambda _: timed(1.1, 1.2, 1.3, turns="by cell"), "cells did not take turns"),
        (
            lambda trials: [replace(trials[0], machine={**trials[0].machine, "host": "two"}), *trials[1:]],
            "timed on other machines, or in packs of other sizes",
        ),
        (lambda trials: [replace(each, beside=3) for each in trials], "timed beside other trials"),
    ],
)
def test_seconds_of_anything_but_fresh_processes_in_turn_decide_nothing(change, why: str):
    (reading,) = readings(SECONDS, change(timed(1.1, 1.2, 1.3)))
    assert reading.value == pytest.approx(1.2, abs=0.06)
    assert (reading.low, reading.why) == (None, why)


def test_seconds_measured_side_by_side_say_so():
    (reading,) = readings(SECONDS, [replace(each, beside=3) for each in timed(1.1, 1.2, 1.3)])
    assert "up to 3 processes at once on a machine" in basis(reading)


def test_change_is_of_the_last_epochs_since_the_named_ones():
    measure = {"name": "change", "since": [151, 200]}
    curve = np.r_[np.zeros(150), np.full(50, -90.0), np.full(60, -91.0)]
    assert [(r.value, r.epochs) for r in readings(measure, [trial(curve)])] == [(-1.0, (211, 260))]
    assert not readings(measure, [trial(curve[:249])])  # its last epochs begin before epoch 200 ends


def test_a_share_of_diverged_trials_may_rise_until_all_have_their_epochs():
    gone, done = trial(np.array([-1.0, np.nan])), trial(epochs=500, seed=1)
    (going,) = readings({"name": "diverged_share"}, [gone, trial(epochs=60, seed=1)], 500)
    assert (going.value, going.estimate, going.epochs) == (0.5, Share(1, 2, 2), (1, 60))
    (ended,) = readings({"name": "diverged_share"}, [gone, done], 500)
    assert ended.estimate == Share(1, 1, 2)
    (all_gone,) = readings({"name": "diverged_share"}, [gone], 500)
    assert (all_gone.estimate, all_gone.epochs) == (Share(1, 1, 1), None)


def test_a_distance_is_the_largest_between_two_bounds_of_the_same_weights():
    curves = [np.array([-2.0, -1.0]), np.array([-2.0, -1.0 + 1e-7])]
    trials = [
        replace(trial(curve, seed=seed), bounds={"tmc": curve, "iwae": curves[0]})
        for seed, curve in enumerate([*curves, curves[1] - 3e-7])
    ]
    distance = {"name": "distance", "between": ["tmc", "iwae"]}
    (reading,) = readings(distance, trials)
    assert reading.value == reading.low == reading.high == pytest.approx(3e-7)
    assert (reading.epochs, reading.n) == ((1, 2), 3)
    (few,) = readings(distance, trials[:2])
    assert (few.value, few.low, few.why) == (pytest.approx(1e-7), None, "a verdict needs 3 seeds")


def test_growth_is_of_the_same_models_bound_from_one_number_of_samples_to_the_next():
    values = {("iwae", 100): -91.0, ("iwae", 1000): -90.5, ("iwae", 10): -93.0, ("tmc", 10): -91.0}
    trials = [replace(trial(seed=seed), evaluations=values) for seed in (0, 1)]
    found = {r.where["samples"]: r.value for r in readings({"name": "growth", "bound": "iwae"}, trials)}
    assert found == {"10 to 100": 2.0, "100 to 1000": 0.5}


def test_growth_is_of_the_seeds_that_were_evaluated_and_a_bound_that_is_not_finite_decides_nothing():
    values = [{("iwae", 10): -93.0, ("iwae", 100): -91.0}, {}, {("iwae", 10): -93.0, ("iwae", 100): math.nan}]
    trials = [replace(trial(seed=seed), evaluations=of_seed) for seed, of_seed in enumerate(values)]
    growth = {"name": "growth", "bound": "iwae"}
    (known,) = readings(growth, trials[:2])
    assert (known.value, known.n) == (2.0, 1)
    (unknown,) = readings(growth, trials)
    assert (unknown.value, unknown.low, unknown.why) == (None, None, "not finite")


def accurate(value: float, objective: str, seed: int, epoch: int = 9) -> Trial:
    return replace(trial(objective=objective, seed=seed), accuracy=Accuracy(value, 10_000, epoch))


ACCURACY = {**TMC_LESS_IWAE, "quantity": "accuracy"}


def test_accuracy_is_compared_where_latents_were_computed():
    assert not readings(ACCURACY, pairs())
    known = [accurate(0.9 if o == "tmc" else 0.7, o, seed) for o in SEEDS for seed in range(3)]
    (reading,) = readings(ACCURACY, [*known, *(trial(objective=o, seed=3) for o in SEEDS)])
    assert (reading.value, reading.n, reading.epochs) == (pytest.approx(0.2), 3, (9, 9))


def test_seeds_that_differ_alike_have_the_test_sets_binomial_error():
    """One image of ten thousand more in each of three seeds shows nothing."""
    (reading,) = readings(ACCURACY, [accurate(0.8 + 1e-4 * (o == "tmc"), o, seed) for o in SEEDS for seed in range(3)])
    assert reading.value == pytest.approx(1e-4)
    assert (reading.low, reading.high) == pytest.approx((1e-4 - 1.96 * 0.00566, 1e-4 + 1.96 * 0.00566), abs=1e-5)
    assert "seeds and test images" in basis(reading)


def test_accuracies_of_unequal_epochs_are_not_compared():
    known = [accurate(0.9, o, seed, 1400 if o == "tmc" else 700) for o in SEEDS for seed in range(3)]
    (reading,) = readings(ACCURACY, known)
    assert (reading.value, reading.low) == (None, None)
    assert reading.why == "computed at unequal epochs: 700, 1400"
