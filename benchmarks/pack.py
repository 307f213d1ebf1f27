"""One training step of packs of 1, 3 and 6 trials that differ in their seed: CPU milliseconds.

    python -m benchmarks.pack --data digits mnist --K 5 20 --json

Small model, TMC. A pack pays as long as its step costs less than its members' steps one by one (`ratio` < `members`).
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Annotated, Literal, TypedDict

from benchmarks import command
from benchmarks.workload import configuration, random_images, step_ms, training


class Row(TypedDict):
    """One size of pack."""

    data: str
    K: int
    members: int
    ms: float  # CPU, a step of the whole pack
    ratio: float  # to the step of the first size asked for, one trial by default
    ms_per_member: float


def rows(
    data: Annotated[Sequence[Literal["digits", "mnist"]], "whose shapes the images have"] = ("digits", "mnist"),
    K: command.Ks = (5, 20),
    members: Annotated[Sequence[int], "sizes of the packs"] = (1, 3, 6),
    rounds: command.Rounds = 5,
) -> Iterator[Row]:
    """Each combination."""
    return (row for name, k in product(data, K) for row in measure(name, k, members, rounds))


def measure(data: str, k: int, sizes: Sequence[int], rounds: int) -> list[Row]:
    """One case, its packs in turns."""
    config = configuration(data=data, objective="tmc", K=k)
    images = random_images(config)
    times = step_ms(*(training(config, images, members) for members in sizes), rounds=rounds)
    return [
        {"data": data, "K": k, "members": members, "ms": ms, "ratio": ms / times[0], "ms_per_member": ms / members}
        for members, ms in zip(sizes, times, strict=True)
    ]


main = command.of(rows)

if __name__ == "__main__":
    main()
