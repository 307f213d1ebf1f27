"""How our training step grows with K: CPU milliseconds.

    python -m benchmarks.k --objective tmc --K 5 20 100 --json

Small model. TMC contracts K×K tables, yet most of a step is linear in K.
"""

from collections.abc import Iterator, Sequence
from typing import TypedDict

from benchmarks import command
from benchmarks.workload import configuration, random_images, step_ms, training


class Row(TypedDict):
    """One case."""

    objective: str
    K: int
    ms: float  # CPU, a step
    ms_per_k: float


def rows(
    objective: command.Objectives = ("iwae", "tmc"), K: command.Ks = (5, 10, 20, 50, 100), rounds: command.Rounds = 5
) -> Iterator[Row]:
    """Each combination."""
    return (row for bound in objective for row in measure(bound, K, rounds))


def measure(objective: str, ks: Sequence[int], rounds: int) -> list[Row]:
    """One objective, each K in turns."""
    configs = [configuration(objective=objective, K=k) for k in ks]
    times = step_ms(*(training(config, random_images(config)) for config in configs), rounds=rounds)
    return [{"objective": objective, "K": k, "ms": ms, "ms_per_k": ms / k} for k, ms in zip(ks, times, strict=True)]


main = command.of(rows)

if __name__ == "__main__":
    main()
