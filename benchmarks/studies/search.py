"""TPE against random search: the best of as many cells, of a formula whose optimum is known and of trained digits.

    python -m benchmarks.studies.search --objective digits --searches 10 --cells 40 --json

TPE chooses one cell after another by what those before came to, by the code of `tmc-sweep run`, less Ray and tables; a
cell that diverged counts as failed. A cell of `digits` is worth the mean of its two seeds' last 5 epochs on held-out
images. Nothing here depends on time.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from statistics import median
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

from benchmarks import command
from benchmarks.studies.search_cells import BASE, digits, formula, searched
from tmc_sweep.space import parse

SPACE = """\
space:
  K: {{lograndint: [1, 21]}}
  lr: {{loguniform: [1e-4, 1e-1]}}
  architecture: {{choice: [{{latents: [4]}}, {{latents: [8]}}, {{latents: [16]}}, {{latents: [32]}}]}}
  weight_norm: {{choice: [false, true]}}
search: {{algorithm: {algorithm}, num_samples: {cells}, seed: {seed}}}
"""
ALGORITHMS = ("random", "tpe")
OBJECTIVES = {"formula": formula, "digits": digits}


class Row(TypedDict):
    """Two searches with one search seed: how far their best of the first cells is below the best of all, in nats."""

    objective: str
    search_seed: int
    cells: int
    best: float  # of the formula its optimum, of digits what any of these searches found
    random_10: float
    random_20: float
    random_40: float
    tpe_10: float
    tpe_20: float
    tpe_40: float
    tpe_gain: float  # TPE's best of all its cells less random's


class Bests(NamedTuple):
    """The best value of the first one, two, ... cells of two searches with one search seed."""

    search_seed: int
    random: list[float]
    tpe: list[float]


def rows(
    objective: Annotated[Sequence[Literal["formula", "digits"]], "what is searched"] = ("formula", "digits"),
    searches: Annotated[int, "by each algorithm"] = 10,
    first_seed: Annotated[int, "of these searches"] = 0,
    cells: Annotated[int, "of each search"] = 40,
    epochs: Annotated[int, "of each trial of digits"] = 24,
) -> Iterator[Row]:
    """A row for each search seed."""
    seeds = range(first_seed, first_seed + searches)
    for name in objective:
        yield from rows_of(name, [measure(name, seed, cells, epochs) for seed in seeds])


def measure(objective: str, seed: int, cells: int, epochs: int) -> Bests:
    """One search by each algorithm."""
    train = OBJECTIVES[objective]()
    epochs = 1 if objective == "formula" else epochs
    head = BASE.format(name="search", seeds=2, epochs=epochs, last=min(5, epochs))
    spaces = [parse(head + SPACE.format(algorithm=name, cells=cells, seed=seed), "search") for name in ALGORITHMS]
    return Bests(seed, *(best_so_far(searched(space, train)) for space in spaces))


def rows_of(objective: str, searches: Sequence[Bests]) -> list[Row]:
    """A row for each search seed."""
    best = 0.0 if objective == "formula" else max(value for of in searches for value in (of.random[-1], of.tpe[-1]))
    return [
        {
            "objective": objective,
            "search_seed": search.search_seed,
            "cells": len(search.random),
            "best": best,
            "random_10": best - search.random[:10][-1],
            "random_20": best - search.random[:20][-1],
            "random_40": best - search.random[:40][-1],
            "tpe_10": best - search.tpe[:10][-1],
            "tpe_20": best - search.tpe[:20][-1],
            "tpe_40": best - search.tpe[:40][-1],
            "tpe_gain": search.tpe[-1] - search.random[-1],
        }
        for search in searches
    ]


def best_so_far(values: Sequence[float]) -> list[float]:
    """The best of the first one, two, ... values; those that are NaN are no better than any."""
    return [*accumulate((-math.inf if math.isnan(value) else value for value in values), max)]


def tpe_over_random(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, object]]:
    """Of each objective's searches: in how many TPE's best is not worse than random's, and the medians."""
    return [
        _compared(objective, [row for row in rows if row["objective"] == objective])
        for objective in dict.fromkeys(row["objective"] for row in rows)
    ]


def _compared(objective: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    gains = [row["tpe_gain"] for row in rows]
    below = [f"{name}_{cells}" for name in ALGORITHMS for cells in (10, 20, 40)]
    return {
        "objective": objective,
        "searches": len(rows),
        "tpe_not_worse": sum(gain >= 0 for gain in gains),
        "of_these_equal": gains.count(0),
        **{f"median_{name}": median(row[name] for row in rows) for name in below},
    }


main = command.of(rows, tpe_over_random)

if __name__ == "__main__":
    main()
