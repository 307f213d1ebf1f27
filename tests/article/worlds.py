"""Worlds in which it is known what is true: trials as the sweep of a claim would leave them, drawn again and again."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from trials import of

from tmc_sweep.article.claims import Claim, claims, judge
from tmc_sweep.article.conditions import matches
from tmc_sweep.article.evidence import Accuracy, Trial
from tmc_sweep.config import TrialConfig
from tmc_sweep.records import Status
from tmc_sweep.space import load
from tmc_sweep.statistics.processes import Process

CLAIMS = {claim.id: claim for claim in claims()}
WORLDS = 500
SEED = 2020
SPACES = Path(__file__).parents[2] / "search_spaces"

Draw = Callable[[np.random.Generator, list[Trial]], list[Trial]]
Effect = float | Callable[[Mapping[str, Any]], float]  # in every setting, or by the fields of a trial
SD = 0.2  # nats, of a run's mean over 50 epochs, from seed to seed
IMAGES = 10_000


def counts(claim: str, draw: Draw, worlds: int = WORLDS) -> dict[str, int]:
    """How often each verdict is given in so many worlds."""
    random = np.random.default_rng([SEED, *claim.encode()])
    verdicts = [str(judge(CLAIMS[claim], draw(random, trained(claim))).verdict) for _ in range(worlds)]
    return {verdict: verdicts.count(verdict) for verdict in ("holds", "does not hold", "undecided")}


@cache
def trained(claim: str) -> list[Trial]:
    """The trials of the claim's sweep that are in its setting."""
    of_sweep = load(SPACES / f"{CLAIMS[claim].sweep}.yaml").trials()
    trials = [of(config, np.full(_epochs(CLAIMS[claim], config), -90.0)) for config in of_sweep]
    return [each for each in trials if matches(CLAIMS[claim].where, each.fields)]


def _epochs(claim: Claim, config: TrialConfig) -> int:
    return claim.epochs or config.epochs


def objectives(claim: str, effect: Effect, alike: float) -> Draw:
    """A contrast of this size; `alike` is how much two runs of one seed vary together."""
    plus = CLAIMS[claim].measure.plus[0]

    def draw(random: np.random.Generator, trials: list[Trial]) -> list[Trial]:
        seeds = random.normal(0, SD * alike**0.5, 1 + max(trial.seed for trial in trials))
        levels = seeds[[trial.seed for trial in trials]] + random.normal(0, SD * (1 - alike) ** 0.5, len(trials))
        added = [at(effect, trial) if matches(plus, trial.fields) else 0.0 for trial in trials]
        return [
            replace(trial, objective=np.broadcast_to(level + more, trial.objective.shape))
            for trial, level, more in zip(trials, levels, added, strict=True)
        ]

    return draw


def at(effect: Effect, trial: Trial) -> float:
    """The effect in the trial's setting."""
    return effect(trial.fields) if callable(effect) else effect


def changes(effect: Effect, sd: float = 0.1) -> Draw:
    """A change of this size since epoch 200, of this std over seeds."""

    def draw(random: np.random.Generator, trials: list[Trial]) -> list[Trial]:
        late = [at(effect, trial) + random.normal(0, sd) for trial in trials]
        return [
            replace(trial, objective=np.where(np.arange(len(trial.objective)) < 200, 0.0, change))
            for trial, change in zip(trials, late, strict=True)
        ]

    return draw


def seconds(claim: str, ratio: float, between: float = 0.1, within: float = 0.02) -> Draw:
    """A ratio of this size; processes that do the same differ by `between`, the epochs of one by `within`."""
    plus = CLAIMS[claim].measure.plus

    def draw(random: np.random.Generator, trials: list[Trial]) -> list[Trial]:
        in_turn = sorted(trials, key=lambda trial: trial.seed)
        return [
            replace(
                trial,
                process=Process(f"p{turn}", turn, 1),
                seconds=(ratio if matches(plus, trial.fields) else 1.0)
                * np.exp(random.normal(0, between) + random.normal(0, within, len(trial.seconds))),
            )
            for turn, trial in enumerate(in_turn)
        ]

    return draw


def accuracies(effect: float, sd: float) -> Draw:
    """A difference of this size; a run's accuracy has this std over seeds, besides that of the test images."""

    def draw(random: np.random.Generator, trials: list[Trial]) -> list[Trial]:
        hard = random.normal(0, 0.8 * (0.16 / IMAGES) ** 0.5)  # these test images, for all runs alike
        return [
            replace(trial, accuracy=Accuracy(round(share * IMAGES) / IMAGES, IMAGES, trial.last_epoch))
            for trial in trials
            for mean in [0.8 + hard + effect * (trial.fields["objective"] == "tmc") + random.normal(0, sd)]
            for share in [mean + random.normal(0, 0.6 * (0.16 / IMAGES) ** 0.5)]
        ]

    return draw


def gains(effect: Effect, then: float = 0.5, sd: float = 0.05) -> Draw:
    """What the bound gains from 10 to 100 samples, and `then` to 1000, in four cells; the std is over seeds."""

    def draw(random: np.random.Generator, trials: list[Trial]) -> list[Trial]:
        def values(trial: Trial) -> dict[tuple[str, int], float]:
            steps = np.array([at(effect, trial), then]) + random.normal(0, sd, 2)
            return {("iwae", n): value for n, value in zip((10, 100, 1000), np.cumsum([-90.0, *steps]), strict=True)}

        return [replace(trial, evaluations=values(trial)) for trial in trials]

    return draw


def divergences(chance: Effect) -> Draw:
    """Each trial diverges with this chance."""

    def draw(random: np.random.Generator, trials: list[Trial]) -> list[Trial]:
        gone = [random.random() < at(chance, trial) for trial in trials]
        return [
            replace(trial, status=Status.DIVERGED if lost else Status.DONE)
            for trial, lost in zip(trials, gone, strict=True)
        ]

    return draw


def distances(effect: Effect) -> Draw:
    """Two bounds that are so far apart at one epoch."""

    def draw(random: np.random.Generator, trials: list[Trial]) -> list[Trial]:
        found = []
        for trial in trials:
            other = trial.objective.copy()
            other[random.integers(len(other))] += at(effect, trial)
            found.append(replace(trial, bounds={"iwae": trial.objective, "tmc": other}))
        return found

    return draw
