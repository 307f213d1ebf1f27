"""Curves averaged over seeds, and the part of an axis that shows them."""

from dataclasses import replace

import numpy as np
import pytest
from invented import sweep

from tmc_sweep.report.figures.averages import Curve, Limits, seed_averages

TWO_SEEDS = "{name: two, base: {data: digits, epochs: 3}, seeds: 2}"


def averaged(folder, values: list[list[float]]) -> Curve:
    """The only cell's curve, from the values of seeds 0 and 1."""
    (curve,) = seed_averages(sweep(folder, TWO_SEEDS, lambda config: np.array(values[config.seed]))).values()
    return curve


def test_mean_and_std_over_seeds_in_the_epochs_that_all_have(tmp_path):
    curve = averaged(tmp_path, [[-4.0, -2.0, -1.0], [-6.0, -4.0]])
    assert curve.epoch.tolist() == [1, 2]
    assert curve.mean.tolist() == [-5.0, -3.0]
    assert curve.std == pytest.approx([2**0.5, 2**0.5])  # ddof 1
    assert (curve.n_seeds, curve.diverged_epoch) == (2, None)


def test_one_seed_has_no_band(tmp_path):
    curve = averaged(tmp_path, [[-4.0, -2.0, -1.0], []])
    assert (curve.mean.tolist(), curve.std, curve.n_seeds) == ([-4.0, -2.0, -1.0], None, 1)


def test_a_seed_that_diverged_ends_the_average_and_is_told_of(tmp_path):
    curve = averaged(tmp_path, [[-4.0, -2.0, -1.0], [-6.0, -4.0, np.nan]])
    assert (curve.epoch.tolist(), curve.diverged_epoch) == ([1, 2], 3)
    assert averaged(tmp_path / "at once", [[-4.0], [np.nan]]).mean.size == 0


def learning(best: float, plunge: float = 500.0, epochs: int = 100, speed: float = 1.0) -> Curve:
    """A curve that rises by most of its plunge in its first epochs."""
    epoch = np.arange(1.0, epochs + 1)
    return Curve(epoch, best - plunge * np.exp(-epoch / speed), None, 1, None)


def test_the_axis_shows_the_body_and_tells_where_it_begins():
    limits = Limits.around([learning(-90.0), learning(-92.0)])
    assert -93 < limits.low < -92
    assert -90 < limits.high < -89
    assert 5 <= limits.cut_epoch <= 10
    assert limits.n_below == 0


def test_a_slow_curve_widens_the_axis_to_its_end_but_not_to_its_beginning():
    slow = learning(-90.0, speed=30.0)
    limits = Limits.around([learning(-90.0), learning(-91.0), slow])
    assert slow.mean[-1] - 5 < limits.low < slow.mean[-1]
    assert slow.mean[limits.cut_epoch - 1] < limits.low < slow.mean[limits.cut_epoch]


def test_a_curve_far_below_all_others_is_left_out_and_counted():
    good = [learning(-90.0 - i, speed=3.0) for i in range(5)]
    limits = Limits.around([*good, learning(-540.0, plunge=1.0)])
    assert limits.low > -130
    assert limits.n_below == 1


def test_a_curve_that_went_absurdly_far_does_not_hide_the_others():
    good = [learning(-90.0 - i, speed=3.0) for i in range(5)]
    wild = learning(-1e9, plunge=1.0)
    wild.mean[30] = -1e13
    limits = Limits.around([*good, wild])
    assert limits.low > -130
    assert limits.n_below == 1


def test_curves_that_were_stopped_early_do_not_widen_the_axis():
    good = [learning(-90.0 - i, speed=9.0) for i in range(2)]
    stopped = [replace(learning(-90.0, epochs=15, speed=9.0), stopped=True) for _ in range(4)]
    assert Limits.around([*good, *stopped]).low == Limits.around(good).low


def test_a_curve_that_has_just_begun_does_not_widen_the_axis():
    good = [learning(-90.0 - i, speed=3.0) for i in range(3)]
    begun = learning(-90.0, epochs=2, speed=3.0)
    assert Limits.around([*good, begun]).low == Limits.around(good).low


def test_curves_without_a_plunge_are_shown_whole():
    limits = Limits.around([learning(-90.0, plunge=5.0, speed=50.0)])
    assert limits.low < -95
    assert (limits.cut_epoch, limits.n_below) == (0, 0)


@pytest.mark.parametrize("curves", [[], [learning(-90.0, epochs=0)], [learning(-90.0, epochs=1)]])
def test_limits_of_next_to_nothing(curves: list[Curve]):
    limits = Limits.around(curves)
    assert limits.low < limits.high
    assert (limits.cut_epoch, limits.n_below) == (0, 0)
