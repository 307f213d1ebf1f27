"""Grids, cases, conditions, exclusions and seeds multiply out to the trials one expects, in the file's order."""

from pathlib import Path

import pytest

from tmc_sweep.config import FOLLOWS, PRESETS, TrialConfig
from tmc_sweep.space import SearchSpace, SpaceError, load, parse

REPOSITORY = Path(__file__).parents[2]


def space(*lines: str) -> SearchSpace:
    return parse("\n".join(("name: x", *lines)), "x.yaml")


def values(found: SearchSpace, *names: str) -> list[tuple[object, ...]]:
    return [tuple(getattr(trial, name) for name in names) for trial in found.trials()]


def test_a_name_alone_is_one_trial_of_the_defaults():
    assert space().trials() == [TrialConfig()]


def test_grid_in_file_order_with_seeds_innermost():
    found = space("space: {lr: {grid_search: [1e-3, 1]}, K: {grid_search: [5, 1]}}", "seeds: 2")
    expected = [(lr, K, seed) for lr in (0.001, 1.0) for K in (5, 1) for seed in (0, 1)]
    assert values(found, "lr", "K", "seed") == expected


def test_constants_of_base_and_space():
    found = space("base: {K: 7, data: mnist, epochs: 3}", "space: {lr: 1e-2}")
    assert found.trials() == [TrialConfig(K=7, data="mnist", epochs=3, lr=0.01)]
    assert found.trials()[0].train_images == 60_000


@pytest.mark.parametrize(("seeds", "expected"), [("3", [0, 1, 2]), ("[4, 2]", [4, 2])])
def test_seeds(seeds, expected):
    assert [trial.seed for trial in space(f"seeds: {seeds}").trials()] == expected


def test_when_keeps_the_base_value_elsewhere():
    found = space(
        "base: {K: 7}",
        "space:",
        "  K: {grid_search: [1, 5], when: {objective: [tmc, iwae]}}",
        "  objective: {grid_search: [elbo, tmc]}",
    )
    assert values(found, "objective", "K") == [("elbo", 7), ("tmc", 1), ("tmc", 5)]


def test_when_of_a_dimension_that_itself_has_when():
    found = space(
        "space:",
        "  prior: {grid_search: [standard, learned], when: {weight_norm: true}}",
        "  weight_norm: {grid_search: [false, true], when: {objective: tmc}}",
        "  objective: {grid_search: [iwae, tmc]}",
    )
    assert set(values(found, "objective", "weight_norm", "prior")) == {
        ("iwae", False, "standard"),
        ("tmc", False, "standard"),
        ("tmc", True, "standard"),
        ("tmc", True, "learned"),
    }
    assert len(found.trials()) == 4
    assert found.size() == 8


@pytest.mark.parametrize(
    "when",
    ["{lr: 0.001}", "{architecture: {latents: [64, 32, 16, 8, 4]}}", "{architecture: small, lr: [1e-3, 1]}"],
)
def test_when_compares_resolved_values(when):
    found = space("base: {architecture: small, lr: 1e-3}", f"space: {{K: {{grid_search: [1, 5], when: {when}}}}}")
    assert values(found, "K") == [(1,), (5,)]


def test_when_on_a_derived_default_waits_for_what_it_derives_from():
    found = space(
        "space:",
        "  prior: {grid_search: [standard, learned], when: {eval_k: 5}}",
        "  K: {grid_search: [1, 5]}",
    )
    assert set(values(found, "K", "prior")) == {(1, "standard"), (5, "standard"), (5, "learned")}


def test_every_derived_default_is_declared():
    derived = {name for name, info in TrialConfig.model_fields.items() if info.default_factory}
    assert set(FOLLOWS) == derived


def test_cases_pair_values_and_multiply_the_grid():
    found = space(
        "base: {lr: 1e-2}",
        "cases: [{K: 1, objective: elbo}, {K: 5, lr: 1e-4}]",
        "space: {prior: {grid_search: [standard, learned]}}",
    )
    assert values(found, "K", "objective", "lr", "prior") == [
        (1, "elbo", 0.01, "standard"),
        (1, "elbo", 0.01, "learned"),
        (5, "tmc", 0.0001, "standard"),
        (5, "tmc", 0.0001, "learned"),
    ]


def test_exclude_leaves_out_the_cells_that_match_every_entry():
    found = space(
        "space: {objective: {grid_search: [iwae, tmc]}, K: {grid_search: [1, 5, 20]}}",
        "exclude: [{objective: iwae, K: [1, 5]}, {K: 20, objective: tmc}]",
    )
    assert values(found, "objective", "K") == [("iwae", 20), ("tmc", 1), ("tmc", 5)]


def test_a_cell_that_could_not_be_trained_may_be_excluded():
    found = space(
        "space: {data: {grid_search: [mnist, digits]}, train_images: {grid_search: [100, 50000]}}",
        "exclude: [{data: digits, train_images: 50000}]",
    )
    assert values(found, "data", "train_images") == [("mnist", 100), ("mnist", 50_000), ("digits", 100)]


def test_presets_equal_their_explicit_form():
    preset, explicit = (
        space(f"base: {{architecture: {written}}}").trials()[0]
        for written in ("large", "{latents: [64, 32, 16, 8, 4], q_hidden: [512, 256, 128, 64, 32]}")
    )
    assert preset == explicit
    assert preset.trial_id == explicit.trial_id


def test_architectures_in_a_grid():
    found = space("space: {architecture: {grid_search: [clustering, {latents: [12, 4]}]}}")
    assert [trial.architecture.name for trial in found.trials()] == ["clustering", "12-4"]
    assert space("space: {architecture: {latents: [4], q_hidden: [200], p_hidden: [200]}}").trials() == [
        TrialConfig(architecture=PRESETS["ablation"])
    ]


def test_sections_left_empty_count_as_left_out():
    assert space("base:", "space:", "cases:", "exclude:", "seeds:", "search:").trials() == [TrialConfig()]


def test_a_validation_metric_with_validation_images():
    found = space("base: {validation_images: 10}", "statistic: {metric: val_elbo, last: 5, mode: min}")
    assert (found.statistic.metric, found.statistic.last, found.statistic.mode) == ("val_elbo", 5, "min")


def test_defaults_of_the_other_sections():
    found = space()
    assert (found.statistic.metric, found.statistic.last, found.statistic.mode) == ("test_objective", 50, "max")
    assert (found.search.algorithm, found.search.num_samples, found.search.seed) == ("grid", None, 0)
    expected = {"cpu": 1.0, "gpu": "auto", "pack": "auto", "alone": False, "engine": "auto", "tf32": False}
    expected |= {"checkpoint_seconds": 60.0, "checkpoint_gigabytes": 20.0}
    assert found.resources.model_dump() == expected


def test_more_values_seeds_and_epochs_extend_a_sweep():
    before = space("base: {epochs: 5}", "space: {K: {grid_search: [1, 5]}}", "seeds: 2")
    after = space("base: {epochs: 9}", "space: {K: {grid_search: [1, 2, 5]}}", "seeds: 3")
    assert {t.trial_id for t in before.trials()} < {t.trial_id for t in after.trials()}


def test_the_limit_is_on_trials():
    text = "name: x\nspace: {K: {grid_search: [1, 2]}}\nseeds: 5"
    assert len(parse(text, "x.yaml", max_trials=10).trials()) == 10
    with pytest.raises(SpaceError, match=r"x.yaml:2:1: the search space would be 10 trials, more than the limit of 9:"):
        parse(text, "x.yaml", max_trials=9)


@pytest.mark.parametrize(("name", "n_trials"), [("quickstart", 24), ("grid", 48)])
def test_shipped_search_spaces(name, n_trials):
    found = load(REPOSITORY / "search_spaces" / f"{name}.yaml")
    assert found.name == name
    assert found.size() == len(found.trials()) == n_trials
    assert found.statistic.last == 50


MUCH = """
name: much
base: {architecture: [12, 4]}
space:
  lr: {loguniform: [1e-4, 1e-2], when: {objective: tmc}}
  K: {quniform: [5, 50, 5]}
  objective: {grid_search: [tmc, iwae]}
cases: [{prior: learned}, {}]
exclude: [{objective: iwae, prior: learned}]
seeds: 2
search: {algorithm: random, num_samples: 3}
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: much", "# said\n\nname: 'much'"),
        ("[12, 4]", "{latents: [12, 4]}"),
        ("[1e-4, 1e-2]", "[0.0001,\n      0.01]"),
        ("seeds: 2", "seeds: [0, 1]"),
        ("seeds: 2", "seeds: 2\nversion: 1"),
        ("search: {algorithm: random, num_samples: 3}", "search:\n  num_samples: 3\n  algorithm: random"),
    ],
)
def test_what_says_the_same_elsewhere_is_equal(old: str, new: str):
    first, other = parse(MUCH, "first.yaml"), parse(MUCH.replace(old, new), "other.yaml")
    assert first.text != other.text
    assert first == other
    assert len({first, other}) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("much", "more"),
        ("[12, 4]", "[12, 8]"),
        ("loguniform: [1e-4, 1e-2]", "uniform: [1e-4, 1e-2]"),
        ("[1e-4, 1e-2]", "[1e-4, 1e-3]"),
        ("objective: tmc}}", "objective: iwae}}"),
        ("50, 5]", "50, 1]"),
        ("[tmc, iwae]", "[iwae, tmc]"),
        ("{prior: learned}, {}", "{}, {prior: learned}"),
        ("prior: learned}]", "prior: standard}]"),
        ("seeds: 2", "seeds: [1, 0]"),
        ("num_samples: 3", "num_samples: 4"),
    ],
)
def test_what_says_something_else_is_not(old: str, new: str):
    assert parse(MUCH, "x.yaml") != parse(MUCH.replace(old, new), "x.yaml")


def test_a_value_is_found_where_it_stands():
    found = parse(MUCH, "x.yaml")
    assert str(found.mark("space", "objective", "grid_search", 1)) == "x.yaml:7:34"
    assert str(found.mark("cases", 1)) == "x.yaml:8:27"
    assert str(found.mark("statistic", "metric")) == "x.yaml:2:1"


@pytest.mark.parametrize(
    ("section", "where"),
    [
        ("base: {gradient: dregs, objective: elbo}", "4:18"),
        ("base: {objective: elbo}\nspace: {gradient: {grid_search: [std, dregs]}}", "5:39"),
        ("base: {objective: elbo}\nspace: {gradient: dregs}", "5:19"),
        ("base: {objective: elbo}\ncases: [{gradient: std}, {gradient: dregs}]", "5:37"),
        ("base: {train_images: 100}\nspace: {validation_images: {randint: [500, 600]}}", "5:38"),
        ("base: {train_images: 100}\nspace: {validation_images: {choice: [0, 500]}}", "5:41"),
    ],
)
def test_fields_that_do_not_go_together_are_told_where_the_one_in_error_stands(section: str, where: str):
    drawn = "randint" in section or "choice" in section
    search = "search: {algorithm: random, num_samples: 9}" if drawn else ""
    with pytest.raises(SpaceError) as caught:
        parse(f"\nname: x\n{search}\n{section}\n", "x.yaml")
    assert str(caught.value).startswith(f"x.yaml:{where}: ")
