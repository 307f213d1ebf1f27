"""How our training step grows with the number of latents, all of one width: CPU milliseconds.

    python -m benchmarks.layers --latents 1 2 3 4 5 6 --json

TMC. Each further latent should add the same.
"""

from collections.abc import Sequence
from typing import Annotated, TypedDict

from benchmarks import command
from benchmarks.workload import configuration, random_images, step_ms, training


class Row(TypedDict):
    """One number of latents."""

    latents: int
    ms: float  # CPU, a step
    increment_ms: float | None  # a latent, over the row before; None in the first


def rows(
    latents: Annotated[Sequence[int], "how many, ascending"] = (1, 2, 3, 4, 5, 6),
    width: Annotated[int, "of each latent"] = 32,
    K: Annotated[int, "samples per latent"] = 20,
    rounds: command.Rounds = 5,
) -> Sequence[Row]:
    """A row for each number of latents."""
    return measure(latents, width, K, rounds)


def measure(numbers: Sequence[int], width: int, k: int, rounds: int) -> list[Row]:
    """Each number of latents, in turns."""
    configs = [configuration(architecture={"latents": [width] * n}, objective="tmc", K=k) for n in numbers]
    times = step_ms(*(training(config, random_images(config)) for config in configs), rounds=rounds)
    steps = zip(numbers, numbers[1:], times, times[1:], strict=False)
    increments = [None, *((ms - ms_before) / (n - n_before) for n_before, n, ms_before, ms in steps)]
    return [
        {"latents": n, "ms": ms, "increment_ms": increment}
        for n, ms, increment in zip(numbers, times, increments, strict=True)
    ]


main = command.of(rows)

if __name__ == "__main__":
    main()
