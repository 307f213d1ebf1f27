"""Inference: by hand, and against scipy.stats."""

import math

import pytest
from scipy import stats

from tmc_sweep.statistics.inference import CHANCE, LEAST, Mean, Ratio, Share, holm, mean_of, of_proportion

VALUES = [1.0, 2.0, 4.0]


def test_a_mean_is_students_t():
    mean = mean_of(VALUES)
    assert mean == Mean(pytest.approx(7 / 3), pytest.approx(math.sqrt(7 / 9)), 2)
    for bound in (-1.0, 2.0, 3.0):
        assert mean.above(bound) == pytest.approx(stats.ttest_1samp(VALUES, bound, alternative="greater").pvalue)
        assert mean.below(bound) == pytest.approx(stats.ttest_1samp(VALUES, bound, alternative="less").pvalue)
    of_scipy = stats.ttest_1samp(VALUES, 0).confidence_interval(0.95)
    assert mean.interval == pytest.approx((of_scipy.low, of_scipy.high))


def test_a_bound_at_the_intervals_end_has_just_the_chance():
    mean = mean_of(VALUES)
    low, high = mean.interval
    assert (mean.above(low), mean.below(high)) == (pytest.approx(CHANCE), pytest.approx(CHANCE))


def test_fewer_units_than_needed_are_no_mean():
    assert mean_of(VALUES[:2]) is None
    assert LEAST == 3


def test_a_known_variance_widens_and_its_degrees_of_freedom_are_welchs():
    alone, both = mean_of(VALUES), mean_of(VALUES, known=1.0)
    assert both.error == pytest.approx(math.hypot(alone.error, 1.0))
    assert both.freedom == pytest.approx(2 * (7 / 9 + 1) ** 2 / (7 / 9) ** 2)
    equal = mean_of([0.5] * 3, known=1e-4)
    assert equal.interval == pytest.approx((0.5 - 1.959964 * 0.01, 0.5 + 1.959964 * 0.01))


def test_a_value_without_an_error_is_on_one_side_or_undecided():
    exact = Mean(1.0, 0.0, math.inf)
    assert [exact.above(bound) for bound in (0.9, 1.0, 1.1)] == [0.0, 1.0, 1.0]
    assert [exact.below(bound) for bound in (0.9, 1.0, 1.1)] == [1.0, 1.0, 0.0]
    assert exact.interval == (1.0, 1.0)


def test_a_ratio_is_the_mean_of_its_logarithm():
    mean = mean_of([math.log(value) for value in (1.1, 1.2, 1.4)])
    ratio = Ratio(mean)
    assert ratio.interval == pytest.approx(tuple(map(math.exp, mean.interval)))
    assert (ratio.above(1.0), ratio.below(1.0)) == (mean.above(0.0), mean.below(0.0))


@pytest.mark.parametrize("seen", [0, 1, 3, 5])
def test_a_share_is_clopper_and_pearsons(seen: int):
    share, of_scipy = Share(seen, seen, 5), stats.binomtest(seen, 5, 0.3)
    assert share.interval == pytest.approx(tuple(of_scipy.proportion_ci(0.95)))
    assert share.above(0.3) == pytest.approx(stats.binomtest(seen, 5, 0.3, "greater").pvalue)
    assert share.below(0.3) == pytest.approx(stats.binomtest(seen, 5, 0.3, "less").pvalue)


def test_of_a_share_what_may_yet_be_seen_counts_against_both_sides():
    share = Share(1, 3, 3)
    assert (share.below(1.0), share.interval[1]) == (1.0, 1.0)
    assert share.interval[0] == Share(1, 1, 3).interval[0]
    assert Share(1, 2, 3).below(1.0) == 0.0  # one has lasted


def test_a_share_of_all_or_no_images_has_an_error_too():
    assert of_proportion(1.0, 10_000) == pytest.approx(of_proportion(0.0, 10_000)) != 0
    assert of_proportion(0.9, 10_000) == pytest.approx(0.09 / 10_000, rel=1e-2)


@pytest.mark.parametrize(
    ("chances", "rejected"),
    [
        ([0.01], [True]),
        ([0.024, 0.5], [False, False]),
        ([0.5, 0.012], [False, True]),
        ([0.02, 0.012, 0.008], [True, True, True]),
        ([0.02, 0.02, 0.02], [False, False, False]),
        ([], []),
    ],
)
def test_holm_takes_the_least_by_their_number_the_next_by_one_less(chances: list[float], rejected: list[bool]):
    assert holm(chances) == rejected
