"""One training step of packs of 1, 3 and 6 trials that differ in their seed: CPU milliseconds.

    python -m benchmarks.pack --data digits mnist --K 5 20 --json

Small model, TMC. A pack pays as long as its step costs less than its members' steps one by one (`ratio` < `members`).
"""

from collections.abc import Sequence
from typing import TypedDict

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


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the asked combinations and print a table, or JSON."""
    parser = command.parser(__doc__)
    command.add_cases(parser, K=(5, 20))
    parser.add_argument("--data", nargs="+", choices=["digits", "mnist"], default=["digits", "mnist"])
    parser.add_argument("--members", nargs="+", type=int, default=[1, 3, 6], help="sizes of the packs")
    options = command.parse(parser, arguments)
    cases = [(data, k) for data in options.data for k in options.K]
    rows = [row for data, k in cases for row in measure(data, k, options.members, options.rounds)]
    command.show(rows, as_json=options.json)


def measure(data: str, k: int, sizes: Sequence[int], rounds: int) -> list[Row]:
    """One case, its packs in turns."""
    config = configuration(data=data, objective="tmc", K=k)
    images = random_images(config)
    times = step_ms(*(training(config, images, members) for members in sizes), rounds=rounds)
    return [
        {"data": data, "K": k, "members": members, "ms": ms, "ratio": ms / times[0], "ms_per_member": ms / members}
        for members, ms in zip(sizes, times, strict=True)
    ]


if __name__ == "__main__":
    main()
