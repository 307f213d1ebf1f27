"""Random search: draws within their bounds, each a function of (search seed, number, field) alone."""

import math
import statistics

import pytest

from tmc_sweep.space import parse
from tmc_sweep.space.domains import Range

SEARCH = "search: {{algorithm: random, num_samples: {n}, seed: {seed}}}"


def draws(field, domain, n=200, seed=0, more=""):
    text = f"name: x\nspace:\n  {field}: {domain}\n{more}\n" + SEARCH.format(n=n, seed=seed)
    return [getattr(trial, field) for trial in parse(text, "x.yaml").trials()]


def test_uniform():
    found = draws("lr", "{uniform: [0.2, 0.4]}")
    assert len(set(found)) == 200
    assert 0.2 <= min(found) < 0.21 < 0.39 < max(found) <= 0.4


def test_loguniform_is_uniform_in_the_logarithm():
    found = draws("lr", "{loguniform: [1e-5, 1e-1]}")
    assert 1e-5 <= min(found) < 2e-5 < 0.05 < max(found) <= 0.1
    assert statistics.mean(map(math.log10, found)) == pytest.approx(-3, abs=0.3)


def test_quniform_draws_every_multiple_once_kept():
    assert sorted(draws("lr", "{quniform: [0.1, 0.5, 0.1]}")) == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert sorted(draws("batch_size", "{quniform: [32, 128, 32]}")) == [32, 64, 96, 128]


def test_qloguniform_draws_multiples():
    found = draws("batch_size", "{qloguniform: [8, 4096, 8]}")
    assert all(type(value) is int and value % 8 == 0 and 8 <= value <= 4096 for value in found)
    assert statistics.median(found) < 1200  # of distinct values; 2052 if it were uniform


def test_randint_leaves_out_its_upper_end():
    assert sorted(draws("K", "{randint: [3, 6]}")) == [3, 4, 5]


def test_lograndint_leaves_out_its_upper_end():
    found = draws("K", "{lograndint: [1, 1000]}", n=1000)
    assert min(found) == 1 and 700 < max(found) < 1000
    assert sum(K < 32 for K in set(found)) == 31
    assert sorted(draws("K", "{lograndint: [1, 3]}")) == [1, 2]


def test_choice():
    assert sorted(draws("objective", "{choice: [tmc, iwae]}")) == ["iwae", "tmc"]


def test_more_samples_extend_the_draws():
    assert draws("lr", "{uniform: [0.2, 0.4]}", n=7) == draws("lr", "{uniform: [0.2, 0.4]}", n=20)[:7]


def test_another_field_changes_no_draw():
    alone = draws("lr", "{uniform: [0.2, 0.4]}")
    assert draws("lr", "{uniform: [0.2, 0.4]}", more="  adam_eps: {uniform: [0.2, 0.4]}") == alone


def test_fields_and_seeds_draw_apart():
    text = "name: x\nspace: {lr: {uniform: [0.2, 0.4]}, adam_eps: {uniform: [0.2, 0.4]}}\n" + SEARCH.format(n=9, seed=0)
    assert all(trial.lr != trial.adam_eps for trial in parse(text, "x.yaml").trials())
    assert not set(draws("lr", "{uniform: [0.2, 0.4]}")) & set(draws("lr", "{uniform: [0.2, 0.4]}", seed=1))


def test_first_draw_is_fixed_for_ever():
    assert draws("lr", "{uniform: [0.0001, 1]}", n=1) == [0.23404180769656305]


def test_every_grid_is_crossed_with_every_draw():
    text = "name: x\nspace: {lr: {uniform: [0.2, 0.4]}, K: {grid_search: [1, 5]}}\nseeds: 2\n" + SEARCH.format(
        n=3, seed=0
    )
    found = parse(text, "x.yaml")
    trials = found.trials()
    assert found.size() == len(trials) == 12
    assert [trial.K for trial in trials] == [1, 1, 5, 5] * 3
    assert [len({trial.lr for trial in trials[i : i + 4]}) for i in (0, 4, 8)] == [1, 1, 1]
    assert len({trial.lr for trial in trials}) == 3


def test_a_condition_on_a_draw():
    text = "name: x\nspace:\n  lr: {uniform: [0.2, 0.4], when: {objective: tmc}}\n  objective: {choice: [tmc, elbo]}\n"
    trials = parse(text + SEARCH.format(n=20, seed=0), "x.yaml").trials()
    assert sum(trial.objective == "elbo" for trial in trials) == 1
    assert all(trial.lr == 0.001 for trial in trials if trial.objective == "elbo")
    assert all(trial.lr >= 0.2 for trial in trials if trial.objective == "tmc")


@pytest.mark.parametrize("log", [False, True])
def test_rounding_never_reaches_the_upper_end(log):
    for high in range(3, 10_000):
        assert Range("lograndint" if log else "randint", 2, high).at(1 - 2**-53) == high - 1
