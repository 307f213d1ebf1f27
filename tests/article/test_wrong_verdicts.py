"""Verdicts that tables do not bear out, each of which was once given: from tables on disk to the claim's verdict."""

from collections.abc import Callable
from pathlib import Path

import invented
import numpy as np
import pytest

from tmc_sweep.article.claims import Judgement, claims, judge
from tmc_sweep.article.evidence import evidence
from tmc_sweep.report.tables import SweepTables
from tmc_sweep.store.artefacts import EVALUATIONS, LATENTS

CELLS = "base: {{data: mnist, architecture: {}, K: {}, epochs: {}}}, space: {{objective: {{grid_search: [iwae, tmc]}}}}"


def judged(claim: str, results: Path, name: str = "some") -> Judgement:
    (found,) = (each for each in claims() if each.id == claim)
    return judge(found, evidence(SweepTables.read(results, name)))


def sweep(results: Path, architecture: str, k: int, epochs: int, seeds: int, curve: invented.Curve) -> None:
    invented.write(results, f"{{name: some, {CELLS.format(architecture, k, epochs)}, seeds: {seeds}}}", curve)


def latents(results: Path, right: Callable[[dict], tuple[int, int]]) -> None:
    """Latents of every trial, of 2000 images so many `right`, at an epoch."""

    def rows(trial: dict) -> list[dict[str, object]]:
        n, epoch = right(trial)
        seen = {"epoch": epoch, "samples": 1, "x": 0.0, "y": 0.0, "label": 1}
        return [{**seen, "image": i, "predicted": int(i < n)} for i in range(2000)]

    invented.add(results, "some", LATENTS, rows)


def test_seconds_of_one_process_decide_nothing(tmp_path: Path):
    """Its epochs are alike, and another process's may be a tenth slower."""
    text = "{name: some, base: {data: mnist, epochs: 6}, space: {K: {grid_search: [20, 50]}}, seeds: SEEDS}"
    for seeds in (1, 3):
        folder = tmp_path / str(seeds)
        at = lambda config: 1.25 if config.K == 50 else 1.0  # noqa: E731
        invented.write(folder, text.replace("SEEDS", str(seeds)), lambda _: np.full(6, -90.0), seconds=at)
        found = judged("k50-slower", folder)
        assert found.verdict == "undecided"
        assert found.readings[0].reading.value == pytest.approx(1.25)


def test_a_theorem_is_not_refuted_by_one_of_eight_noisy_readings(tmp_path: Path):
    space = "space: {objective: {grid_search: [iwae, tmc]}, architecture: {grid_search: [small, large]}}"
    text = f"{{name: some, base: {{data: mnist, epochs: 2}}, {space}, seeds: 3}}"
    invented.write(tmp_path, text, lambda _: np.full(2, -90.0))
    noise = {(10, 0): 0.10, (10, 1): 0.12, (10, 2): 0.15}  # what the first number is too high by, of one cell alone
    of = {"epoch": 2, "bound": "iwae", "standard_error": 0.1, "seconds": 1.0, "time": invented.TIME}

    def rows(trial: dict) -> list[dict[str, object]]:
        odd = trial["objective"] == "tmc" and trial["architecture"] == "large"
        other = 0.1 * (trial["seed"] - 1)
        return [
            {**of, "samples": n, "value": -90.0 + (noise.get((n, trial["seed"]), 0.0) if odd else other * (n == 100))}
            for n in (10, 100, 1000)
        ]

    invented.add(tmp_path, "some", EVALUATIONS, rows)
    found = judged("more-samples-tighter", tmp_path)
    assert (found.verdict, len(found.readings)) == ("undecided", 8)


def test_accuracies_of_unequal_epochs_are_not_compared(tmp_path: Path):
    sweep(tmp_path, "clustering", 20, 1400, 3, lambda c: np.full(1400 if c.objective == "tmc" else 700, -90.0))
    latents(tmp_path, lambda t: (1800 + 9 * t["seed"], 1400) if t["objective"] == "tmc" else (1600, 700))
    found = judged("clearer-clusters", tmp_path)
    assert found.verdict == "undecided"
    assert found.readings[0].reading.why == "computed at unequal epochs: 700, 1400"


def test_two_seeds_that_differ_by_the_same_image_show_nothing(tmp_path: Path):
    sweep(tmp_path, "clustering", 20, 700, 2, lambda _: np.full(700, -90.0))
    latents(tmp_path, lambda t: (1601 if t["objective"] == "tmc" else 1600, 700))
    assert judged("clearer-clusters", tmp_path).verdict == "undecided"


def test_two_seeds_decide_nothing(tmp_path: Path):
    sweep(tmp_path, "small", 20, 1200, 2, lambda c: np.full(1200, -91.0 - 2 * (c.objective == "iwae")))
    found = judged("tmc-beats-iwae", tmp_path)
    assert ([str(each.verdict) for each in found.readings], found.verdict) == (["undecided"], "undecided")


def test_one_algorithm_is_told_by_the_same_weights_and_not_by_what_seeds_make_of_its_rounding(tmp_path: Path):
    levels = np.random.default_rng(0).normal(-95.0, 0.3, 6)
    sweep(tmp_path, "ablation", 5, 500, 3, lambda c: np.full(500, levels[2 * c.seed + (c.objective == "tmc")]))
    assert judged("ablation-coincides", tmp_path).verdict == "holds"
