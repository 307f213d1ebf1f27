"""Measures of claims: paired differences over common epochs, and what makes a reading unsure."""

import math
from dataclasses import replace
from pathlib import Path

import invented
import numpy as np
import pytest
from pydantic import TypeAdapter
from trials import trial

from tmc_sweep.report.evidence import Trial, evidence
from tmc_sweep.report.measures import Measure, Reading
from tmc_sweep.report.text import basis
from tmc_sweep.tables.paired import paired_differences

TMC_LESS_IWAE = {"name": "contrast", "plus": [{"objective": "tmc"}], "minus": [{"objective": "iwae"}]}
TWO_SEEDS = {"tmc": (-91.0, -92.0), "iwae": (-93.0, -93.0)}


def readings(measure: dict[str, object], trials: list[Trial], epochs: int | None = None) -> list[Reading]:
    made: Measure = TypeAdapter(Measure).validate_python(measure)
    return list(made.readings(trials, epochs))


def pairs(**fields: object) -> list[Trial]:
    return [
        trial(value, objective=objective, seed=seed, **fields)
        for objective, values in TWO_SEEDS.items()
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
    assert (reading.epochs, reading.n_seeds) == ((row["first_epoch"], row["last_epoch"]), 3)


def test_a_contrast_of_contrasts_is_paired_too():
    measure = {
        "name": "contrast",
        "plus": [{"objective": "tmc", "architecture": "small"}, {"objective": "iwae", "architecture": "large"}],
        "minus": [{"objective": "iwae", "architecture": "small"}, {"objective": "tmc", "architecture": "large"}],
    }
    large = [trial(-92.5, objective=o, architecture="large", seed=seed) for o in TWO_SEEDS for seed in (0, 1)]
    (reading,) = readings(measure, [*pairs(), *large])
    assert reading.value == 1.5  # 2 and 1 for the small model, nothing for the large one
    assert (reading.low, reading.high) == pytest.approx((1.5 - 12.7062 * 0.5, 1.5 + 12.7062 * 0.5), rel=1e-5)


def test_one_seed_has_no_interval():
    (reading,) = readings(TMC_LESS_IWAE, [each for each in pairs() if each.seed == 0])
    assert (reading.value, reading.low, reading.why) == (2.0, None, "one seed, so no interval")


def test_cells_are_compared_over_the_last_epochs_that_all_have():
    ahead = trial(np.r_[np.full(80, -90.0), np.full(40, -50.0)], objective="tmc")
    (reading,) = readings(TMC_LESS_IWAE, [ahead, trial(-93.0, epochs=80, objective="iwae")])
    assert (reading.value, reading.epochs) == (3.0, (31, 80))


def test_fewer_epochs_than_fifty_are_all_taken():
    (reading,) = readings(TMC_LESS_IWAE, [trial(epochs=7), trial(epochs=7, objective="iwae")])
    assert reading.epochs == (1, 7)


def test_a_seed_that_diverged_leaves_no_value():
    (reading,) = readings(TMC_LESS_IWAE, [*pairs(), trial(np.array([np.nan]), seed=2), trial(seed=2, objective="iwae")])
    assert (reading.value, reading.why) == (None, "seed 2 of tmc diverged")


@pytest.mark.parametrize("change", [{"lr": 1e-4}, {"eval_k": 50}, {"prior": "learned"}])
def test_cells_that_differ_in_another_field_are_not_compared(change: dict[str, object]):
    assert not readings(TMC_LESS_IWAE, [trial(), trial(objective="iwae", **change)])


def test_cells_of_two_sweeps_are_not_compared():
    assert not readings(TMC_LESS_IWAE, [trial(), replace(trial(objective="iwae"), sweep="other")])


def test_evaluation_that_follows_k_is_no_difference():
    k = {"name": "contrast", "plus": [{"K": 50}], "minus": [{"K": 20}]}
    assert readings(k, [trial(-1.0, K=50), trial(-3.0, K=20)])[0].value == 2.0


def test_seconds_are_a_ratio_of_medians_between_quartiles():
    measure = {"name": "seconds_ratio", "plus": {"objective": "tmc"}, "minus": {"objective": "iwae"}}
    tmc = replace(trial(epochs=5), seconds=np.array([9.0, 2.0, 3.0, 4.0, 3.0]))
    iwae = trial(epochs=5, objective="iwae")
    (reading,) = readings(measure, [tmc, iwae])
    assert (reading.value, reading.low, reading.high) == (1.5, 1.5, 2.0)
    (apart,) = readings(measure, [replace(tmc, machine={**tmc.machine, "host": "two"}), iwae])
    assert (apart.value, apart.low) == (1.5, None)
    assert apart.why.startswith("timed on other machines")


def test_seconds_measured_side_by_side_say_so_and_compare_only_with_as_many():
    measure = {"name": "seconds_ratio", "plus": {"objective": "tmc"}, "minus": {"objective": "iwae"}}
    crowded = [replace(each, beside=3) for each in pairs()]
    (reading,) = readings(measure, crowded)
    assert (reading.beside, reading.low) == (3, 1.0)
    assert "up to 3 processes at once on a machine" in basis(reading)
    (apart,) = readings(measure, [replace(each, beside=1 + (each.fields["objective"] == "tmc")) for each in crowded])
    assert (apart.value, apart.low) == (1.0, None)
    assert apart.why.endswith("beside more trials")


def test_change_is_of_the_last_epochs_since_the_named_ones():
    measure = {"name": "change", "since": [151, 200]}
    curve = np.r_[np.zeros(150), np.full(50, -90.0), np.full(60, -91.0)]
    assert [(r.value, r.epochs) for r in readings(measure, [trial(curve)])] == [(-1.0, (211, 260))]
    assert not readings(measure, [trial(curve[:249])])  # its last epochs begin before epoch 200 ends


def test_a_share_of_diverged_trials_is_sure_once_all_have_their_epochs():
    gone, done = trial(np.array([-1.0, np.nan])), trial(epochs=500, seed=1)
    (going,) = readings({"name": "diverged_share"}, [gone, trial(epochs=60, seed=1)], 500)
    assert (going.value, going.low, going.high, going.epochs) == (0.5, 0.5, 1.0, (1, 60))
    (ended,) = readings({"name": "diverged_share"}, [gone, done], 500)
    assert (ended.low, ended.high) == (0.5, 0.5)
    (all_gone,) = readings({"name": "diverged_share"}, [gone], 500)
    assert (all_gone.low, all_gone.epochs) == (1.0, None)


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
    assert (known.value, known.n_seeds) == (2.0, 1)
    (unknown,) = readings(growth, trials)
    assert (unknown.value, unknown.low, unknown.why) == (None, None, "not finite")


def test_accuracy_is_compared_where_latents_were_computed():
    measure = {**TMC_LESS_IWAE, "quantity": "accuracy"}
    assert not readings(measure, pairs())
    known = [
        replace(each, accuracy=0.9 if each.fields["objective"] == "tmc" else 0.7, accuracy_epoch=9) for each in pairs()
    ]
    (reading,) = readings(measure, [*known, *(trial(objective=o, seed=2) for o in TWO_SEEDS)])
    assert (reading.value, reading.n_seeds, reading.epochs) == (pytest.approx(0.2), 2, (9, 9))
