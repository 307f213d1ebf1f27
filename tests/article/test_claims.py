"""Claims: each is measured by the sweep that it names, and verdicts are no surer than what was measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from trials import of, trial

from tmc_sweep.article.claims import Claim, claims, judge
from tmc_sweep.article.evidence import Accuracy, Trial
from tmc_sweep.article.verdicts import Verdict
from tmc_sweep.space import load

SPACES = Path(__file__).parents[2] / "search_spaces"
CLAIMS = {claim.id: claim for claim in claims()}
BEATS = CLAIMS["tmc-beats-iwae"]


def whole(name: str) -> list[Trial]:
    """All of a sweep's trials, with all their epochs, latents and evaluations."""
    return [
        of(
            config,
            np.full(config.epochs, -1.0),
            accuracy=Accuracy(0.5, 10_000, config.epochs),
            evaluations=VALUES,
        )
        for config in load(SPACES / f"{name}.yaml").trials()
    ]


VALUES = {("iwae", 10): -2.0, ("iwae", 100): -1.0}


def ladder(n_seeds: int = 3, epochs: int = 1200, **levels: float) -> list[Trial]:
    """Trials of Table 1, named as `tmc_small=-91.6`, with small differences between seeds."""
    return [
        trial(level + 0.01 * seed * position, epochs, seed, objective=name[:-6].rstrip("_"), architecture=name[-5:])
        for position, (name, level) in enumerate(levels.items())
        for seed in range(n_seeds)
    ]


@pytest.mark.parametrize("claim", claims(), ids=lambda claim: claim.id)
def test_the_sweep_that_a_claim_names_measures_it_like_for_like(claim: Claim):
    judgement = judge(claim, whole(claim.sweep))
    assert judgement.readings
    assert judgement.missing == ()
    assert {each.departures for each in judgement.readings} == {()}
    assert judge(claim, []).verdict == Verdict.UNMEASURED


def test_a_claim_holds_where_it_holds_in_each_of_its_settings():
    holding = ladder(iwae_small=-93.4, tmc_small=-91.6, iwae_large=-93.1, tmc_large=-91.9)
    assert judge(BEATS, holding).verdict == Verdict.HOLDS
    one_fails = ladder(iwae_small=-93.4, tmc_small=-91.6, iwae_large=-91.8, tmc_large=-91.9)
    assert judge(BEATS, one_fails).verdict == Verdict.FAILS
    in_part = judge(BEATS, ladder(iwae_small=-93.4, tmc_small=-91.6))
    assert (in_part.verdict, len(in_part.readings)) == (Verdict.UNMEASURED, 1)
    assert in_part.missing[0]["architecture"] == "large"


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_fewer_than_three_seeds_decide_nothing(n_seeds: int):
    judgement = judge(BEATS, ladder(n_seeds, iwae_small=-93.4, tmc_small=-91.6, iwae_large=-93.1, tmc_large=-91.9))
    assert judgement.verdict == Verdict.UNDECIDED
    assert [each.reading.value for each in judgement.readings] == pytest.approx([1.8, 1.2], abs=0.01)
    assert judgement.readings[0].reading.why == "a verdict needs 3 seeds"


def test_fewer_epochs_are_not_like_for_like():
    judgement = judge(BEATS, ladder(epochs=60, iwae_small=-93.4, tmc_small=-91.6))
    assert (judgement.verdict, judgement.readings) == (Verdict.UNMEASURED, ())
    assert judgement.elsewhere[0].departures == ("60 of 1200 epochs",)


def test_other_data_decide_nothing_but_are_shown():
    digits = [
        trial(-20.0 - seed - (o == "iwae"), seed=seed, objective=o, data="digits")
        for o in ("iwae", "tmc")
        for seed in range(3)
    ]
    judgement = judge(BEATS, digits)
    assert (judgement.verdict, judgement.readings, len(judgement.elsewhere)) == (Verdict.UNMEASURED, (), 1)
    assert judgement.elsewhere[0].verdict == Verdict.HOLDS
    assert "data digits, not mnist" in judgement.elsewhere[0].departures


def test_of_several_readings_those_in_the_articles_setting_decide():
    long = ladder(iwae_small=-93.4, tmc_small=-91.6, iwae_large=-93.1, tmc_large=-91.9)
    short = [replace(each, sweep="timing") for each in ladder(epochs=6, iwae_small=-93.4, tmc_small=-99.0)]
    other = [
        trial(-93.0 - 9 * (o == "tmc"), 1200, seed, objective=o, weight_norm=True)
        for o in ("iwae", "tmc")
        for seed in range(3)
    ]
    judgement = judge(BEATS, [*short, *other, *long])
    assert (judgement.verdict, len(judgement.readings), len(judgement.elsewhere)) == (Verdict.HOLDS, 2, 2)


def test_a_learning_rate_that_trains_to_the_end_refutes_that_it_diverges():
    claim = CLAIMS["high-lr-diverges"]
    ks = (1, 5, 20, 50)
    gone = [trial(np.array([-1.0, np.nan]), seed=seed, K=k, lr=1e-2) for k in ks for seed in range(3)]
    assert judge(claim, gone).verdict == Verdict.HOLDS
    assert judge(claim, gone[::3]).verdict == Verdict.UNDECIDED  # one seed of each K
    assert judge(claim, [*gone[:9], trial(epochs=60, K=50, lr=1e-2)]).verdict == Verdict.UNMEASURED
    assert judge(claim, [*gone[:9], trial(epochs=500, K=50, lr=1e-2)]).verdict == Verdict.FAILS


def test_ids_are_distinct_and_sweeps_exist():
    assert len(CLAIMS) == len(claims())
    assert all((SPACES / f"{claim.sweep}.yaml").is_file() for claim in claims())
