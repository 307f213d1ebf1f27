"""Verdicts: a rule, estimates of one claim's readings, and when they show what."""

import pytest
from scipy.stats import t

from tmc_sweep.article.verdicts import Rule, Verdict, together
from tmc_sweep.statistics.inference import Mean, Share

HOLDS, FAILS, UNDECIDED = Verdict.HOLDS, Verdict.FAILS, Verdict.UNDECIDED


def at(chance: float) -> Mean:
    """A value below nothing, whose chance of being so low by chance is this."""
    return Mean(float(t.ppf(chance, 2)), 1.0, 2)


def between(low: float, high: float) -> Mean:
    """A value with this interval."""
    return Mean((low + high) / 2, (high - low) / 2 / float(t.ppf(0.975, 2)), 2)


@pytest.mark.parametrize(
    ("rule", "low", "high", "verdict"),
    [
        ({"above": 0}, 0.1, 0.2, HOLDS),
        ({"above": 0}, -0.1, 0.2, UNDECIDED),
        ({"above": 0}, -0.2, -0.1, FAILS),
        ({"at_least": 0}, 0.1, 0.2, HOLDS),
        ({"below": 0}, -0.2, -0.1, HOLDS),
        ({"below": 0}, 0.1, 0.2, FAILS),
        ({"at_most": 1}, 0.5, 0.9, HOLDS),
        ({"at_least": 0, "margin": 0.5}, -0.4, 0.2, HOLDS),
        ({"at_least": 0, "margin": 0.5}, -0.6, 0.2, UNDECIDED),
        ({"at_least": 0, "margin": 0.5}, -0.4, -0.2, FAILS),
    ],
)
def test_a_rule_holds_for_an_interval_inside_and_fails_for_one_outside(rule, low, high, verdict):
    assert Rule(**rule).verdicts([between(low, high)]) == [verdict]


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.8, 0.8, HOLDS),
        (-1.2, 0.8, UNDECIDED),
        (-0.8, 1.2, UNDECIDED),
        (-2.0, 2.0, UNDECIDED),
        (1.5, 3.5, FAILS),
        (-3.5, -1.5, FAILS),
    ],
)
def test_equivalence_is_shown_by_both_bounds(low, high, verdict):
    assert Rule(at_least=-1, at_most=1).verdicts([between(low, high)]) == [verdict]


def test_of_many_readings_one_outside_may_be_so_by_chance():
    rule, fine = Rule(at_least=0), between(-1, 1)
    assert rule.verdicts([at(0.02)]) == [FAILS]
    assert rule.verdicts([at(0.02), *[fine] * 7]) == [UNDECIDED] * 8
    assert rule.verdicts([at(0.003), *[fine] * 7]) == [FAILS] + [UNDECIDED] * 7
    assert rule.verdicts([at(0.02), *[None] * 7]) == [FAILS] + [UNDECIDED] * 7  # those that say nothing do not count


def test_that_all_lie_inside_needs_no_correction():
    inside = at(1 - 0.02)  # above nothing, by chance in one of fifty
    assert Rule(above=0).verdicts([inside] * 8) == [HOLDS] * 8


def test_each_trial_diverges_until_one_lasts():
    rule = Rule(at_least=1, margin=0.75)
    assert rule.verdicts([Share(3, 3, 3)]) == [HOLDS]
    assert rule.verdicts([Share(2, 2, 2)]) == [UNDECIDED]
    assert rule.verdicts([Share(2, 3, 3)]) == [UNDECIDED]  # one still trains
    assert rule.verdicts([Share(2, 2, 3)]) == [FAILS]


@pytest.mark.parametrize(
    ("verdicts", "whole", "verdict"),
    [
        ([HOLDS, HOLDS], True, HOLDS),
        ([HOLDS, HOLDS], False, Verdict.UNMEASURED),
        ([HOLDS, UNDECIDED], True, UNDECIDED),
        ([HOLDS, FAILS, UNDECIDED], False, FAILS),
        ([], True, Verdict.UNMEASURED),
    ],
)
def test_a_claim_holds_where_it_holds_in_each_of_its_settings(verdicts, whole, verdict):
    assert together(verdicts, whole=whole) == verdict
