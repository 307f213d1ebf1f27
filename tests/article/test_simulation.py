"""How often verdicts are false where the truth is known, at the border of each rule, and how often they are found.

In each null world the claim is false, or true, by as little as can be. Of 500 such, 37 is the 99 % quantile of false
verdicts with a chance of .05. Run with -s to see the counts, and the power for the article's own effects.
"""

import sys
from collections.abc import Mapping
from typing import Any

import pytest
from scipy.stats import binom
from worlds import (
    CLAIMS,
    SEED,
    WORLDS,
    Draw,
    Effect,
    accuracies,
    changes,
    counts,
    distances,
    divergences,
    gains,
    objectives,
    seconds,
)

pytestmark = pytest.mark.long

MOST = 37
ALIKE = 0.96  # correlation of two objectives' runs of one seed, as measured


def contrasts(
    claim: str, border: dict[str, Effect], true: dict[str, Effect], own: dict[str, Effect], alike: tuple[float, ...]
) -> tuple[str, dict[str, Draw], dict[str, Draw], dict[str, Draw]]:
    """Null worlds of a contrast, in which it does not quite hold and in which it just does, and the article's own."""
    made = [
        {f"{name} ({each:g} alike)": objectives(claim, effect, each) for each in alike for name, effect in of.items()}
        for of in (border, true, own)
    ]
    return claim, *made


def only(field: str, value: object, effect: float, elsewhere: float) -> Effect:
    """An effect where the field has the value, and another elsewhere."""
    return lambda fields: effect if fields[field] == value else elsewhere


def one_cell(fields: Mapping[str, Any]) -> float:
    """Nothing in one of four cells."""
    return 0.0 if (fields["objective"], fields["architecture"]) == ("tmc", "large") else 0.5


CASES: list[tuple[str, dict[str, Draw], dict[str, Draw], dict[str, Draw]]] = [
    contrasts(
        "tmc-beats-iwae",
        {"0 small": only("architecture", "small", 0.0, 1.14), "0 large": only("architecture", "large", 0.0, 1.72)},
        {"0": 0.0},
        {"Table 1": only("architecture", "small", 1.72, 1.14)},
        (0.0, ALIKE),
    ),
    contrasts("gap-larger-for-small", {"0": 0.0}, {"0": 0.0}, {"Table 1": 0.58}, (0.0, ALIKE)),
    contrasts("tmc-small-beats-tmc-large", {"0": 0.0}, {"0": 0.0}, {"Table 1": 0.31}, (0.0,)),
    contrasts(
        "k50-marginally-better", {"0": 0.0, "1.14": 1.14}, {"0": 0.0, "1.14": 1.14}, {"0.57, the middle": 0.57}, (0.0,)
    ),
    contrasts(
        "ablation-similar",
        {"-0.114": -0.114, "0.114": 0.114},
        {"-0.114": -0.114, "0.114": 0.114},
        {"0": 0.0},
        (0.0, ALIKE),
    ),
    contrasts("variance-reduction-worsens", {"0": 0.0}, {"0": 0.0}, {"-0.5": -0.5}, (0.0,)),
    contrasts("weight-norm-helps", {"0": 0.0}, {"0": 0.0}, {"0.5": 0.5}, (0.0,)),
    (
        "ablation-worsens",
        {f"0 {o}": changes(only("objective", o, 0.0, -1.0)) for o in ("iwae", "tmc")},
        {"0": changes(0.0)},
        {"-0.5": changes(-0.5)},
    ),
    (
        "ablation-coincides",
        {"2e-4": distances(2e-4), "in one": distances(only("objective", "tmc", 2e-4, 0.0))},
        {"9e-5": distances(9e-5)},
        {"2e-7, as measured": distances(2e-7)},
    ),
    (
        "k50-slower",
        {str(r): seconds("k50-slower", r) for r in (1.0, 1.17)},
        {"1.17": seconds("k50-slower", 1.17)},
        {"75 s / 55 s": seconds("k50-slower", 75 / 55), "and processes 2 %": seconds("k50-slower", 75 / 55, 0.02)},
    ),
    (
        "tmc-time-negligible",
        {"1.28": seconds("tmc-time-negligible", 1.28)},
        {str(r): seconds("tmc-time-negligible", r) for r in (1.0, 1.28)},
        {
            "14 s / 11 s": seconds("tmc-time-negligible", 14 / 11),
            "1.12, processes 2 %": seconds("tmc-time-negligible", 1.12, 0.02),
        },
    ),
    (
        "more-samples-tighter",
        {"0 in one of eight": gains(one_cell), "0": gains(0.0, 0.0)},
        {"0": gains(0.0, 0.0)},
        {"0.5": gains(0.5)},
    ),
    (
        "clearer-clusters",
        {f"0, sd {sd}": accuracies(0.0, sd) for sd in (0.0, 0.02)},
        {f"0, sd {sd}": accuracies(0.0, sd) for sd in (0.0, 0.02)},
        {"0.1, sd 0.02": accuracies(0.1, 0.02)},
    ),
    (
        "high-lr-diverges",
        {"a quarter at K 50": divergences(only("K", 50, 0.25, 1.0)), "a quarter": divergences(0.25)},
        {"all": divergences(1.0)},
        {"all": divergences(1.0), "nine of ten": divergences(0.9)},
    ),
]


def test_the_most_is_what_one_of_twenty_gives_in_99_of_100():
    assert binom.ppf(0.99, WORLDS, 0.05) == MOST


def test_every_claim_is_simulated():
    assert {claim for claim, *_ in CASES} == set(CLAIMS)


@pytest.mark.parametrize(("claim", "border", "true", "effects"), CASES, ids=[claim for claim, *_ in CASES])
def test_at_the_border_of_a_rule_verdicts_are_as_rarely_false_as_is_said(
    claim: str, border: dict[str, Draw], true: dict[str, Draw], effects: dict[str, Draw], capsys: pytest.CaptureFixture
):
    false = {
        **{("holds", name): counts(claim, draw)["holds"] for name, draw in border.items()},
        **{("does not hold", name): counts(claim, draw)["does not hold"] for name, draw in true.items()},
    }
    power = {name: counts(claim, draw) for name, draw in effects.items()}
    with capsys.disabled():
        sys.stdout.write(f"\n{claim}, seed {SEED}, {WORLDS} worlds each\n")
        for (verdict, name), n in false.items():
            sys.stdout.write(f"  false {verdict!r} at {name}: {n}\n")
        for name, n in power.items():
            shares = ", ".join(f"{verdict} {number / WORLDS:.2f}" for verdict, number in n.items())
            sys.stdout.write(f"  power at {name}: {shares}\n")
    assert max(false.values()) <= MOST
