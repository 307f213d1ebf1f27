"""How our training step grows with K: CPU milliseconds.

    python -m benchmarks.k --objective tmc --K 5 20 100 --json

Small model. TMC contracts K×K tables, yet most of a step is linear in K.
"""

from collections.abc import Sequence
from typing import TypedDict

from benchmarks import command
from benchmarks.workload import configuration, random_images, step_ms, training


class Row(TypedDict):
    """One case."""

    objective: str
    K: int
    ms: float  # CPU, a step
    ms_per_k: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the asked combinations and print a table, or JSON."""
    parser = command.parser(__doc__)
    command.add_cases(parser, objective=("iwae", "tmc"), K=(5, 10, 20, 50, 100))
    options = command.parse(parser, arguments)
    rows = [row for objective in options.objective for row in measure(objective, options.K, options.rounds)]
    command.show(rows, as_json=options.json)


def measure(objective: str, ks: Sequence[int], rounds: int) -> list[Row]:
    """One objective, each K in turns."""
    configs = [configuration(objective=objective, K=k) for k in ks]
    times = step_ms(*(training(config, random_images(config)) for config in configs), rounds=rounds)
    return [{"objective": objective, "K": k, "ms": ms, "ms_per_k": ms / k} for k, ms in zip(ks, times, strict=True)]


if __name__ == "__main__":
    main()
