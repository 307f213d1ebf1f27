"""claims: the verdicts on the article's claims, for people and for programs."""

from pathlib import Path

import pytest
from command import command
from invented import flat, write

SPACE = """name: NAME
base: {data: mnist, architecture: small, K: 20, lr: 1e-3, epochs: 1200}
space: {objective: {grid_search: OBJECTIVES}}
seeds: SEEDS
"""


def stored(results: Path, name: str, objectives: str, seeds: int, level) -> None:
    text = SPACE.replace("NAME", name).replace("OBJECTIVES", objectives).replace("SEEDS", str(seeds))
    write(results, text, flat(level, 1200, noise=0))


def _above(config) -> float:
    """TMC two nats above IWAE, and somewhat more with each seed."""
    return -90 + (2 + 0.1 * config.seed if config.objective == "tmc" else 0)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("claims")
    stored(results, "three", "[iwae, tmc]", 3, _above)
    stored(results, "two", "[iwae, tmc]", 2, _above)
    return results


def said(results: Path, *names: str) -> list[str]:
    """The lines about the first of the article's claims."""
    claims = command("claims", *names, "--results", results).out.split("\n\n")
    return next(claim for claim in claims if "tmc-beats-iwae" in claim).splitlines()


def test_each_claim_has_its_verdict_and_the_interval_behind_it(results: Path):
    found = {claim["claim"]: claim for claim in command("claims", "three", "--results", results, "--json").json}
    (reading,) = found["tmc-beats-iwae"]["readings"]
    assert (reading["verdict"], reading["n"], reading["epochs"]) == ("holds", 3, [1151, 1200])
    assert reading["value"] == pytest.approx(2.1)
    half = 4.302653 * 0.1 / 3**0.5  # Student's t, two degrees of freedom
    assert (reading["low"], reading["high"]) == (pytest.approx(2.1 - half), pytest.approx(2.1 + half))
    assert found["tmc-beats-iwae"]["verdict"] == "not yet measured"  # the large model is not
    assert found["tmc-beats-iwae"]["missing"] == [{"data": "mnist", "architecture": "large", "K": 20, "lr": 0.001}]


def test_for_people_each_says_what_it_rests_on_and_what_would_measure_the_rest(results: Path):
    first = said(results, "three")
    assert first[0] == "not yet measured: tmc-beats-iwae"
    assert first[2] == "  rule: above 0"
    assert first[3].startswith("  mnist small K=20 lr=0.001: +2.100 nats")
    assert first[3].endswith("3 seeds, epochs 1151 to 1200, [ ]: 95% over seeds: holds")
    assert first[4].endswith("large K=20 lr=0.001: `tmc-sweep run search_spaces/table1.yaml`")


def test_two_seeds_decide_nothing_and_sweeps_are_named_where_there_are_several(results: Path):
    first = said(results, "two", "three")
    assert first[0] == "undecided: tmc-beats-iwae"
    assert first[3].endswith("a verdict needs 3 seeds, in two: undecided")
    assert first[4].endswith("in three: holds")


def test_a_sweep_that_is_not_there(results: Path):
    ended = command("claims", "four", "--results", results)
    assert ended.code == 2
    assert "four" in ended.err
