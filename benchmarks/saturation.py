"""Epochs of members that one core trains in an hour: one after another, in processes side by side, in packs of S.

    python -m benchmarks.saturation --data digits --K 5 --members 1 2 4 8 16 --json

The article's small model, TMC; an epoch is one pass over the data set's training images, without evaluation. Times are
CPU time, so processes side by side are not charged for waiting for a core, only for what they do to its cache. They
start together, behind a barrier.
"""

import multiprocessing
import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from threading import Barrier
from typing import Annotated, Literal, TypedDict

import torch

from benchmarks import command
from benchmarks.workload import random_images, step_ms, training
from tmc_sweep.config import TrialConfig

MS_PER_HOUR = 3_600_000


class Row(TypedDict):
    """One way of training so many members."""

    data: str
    K: int
    way: str
    members: int
    member_epochs_per_hour: float  # of one core's time
    times_serial: float


def rows(
    data: Annotated[Sequence[Literal["digits", "mnist"]], "data sets, by whose images"] = ("digits", "mnist"),
    K: command.Ks = (5,),
    members: Annotated[Sequence[int], "of a pack"] = (1, 2, 4, 8, 16, 32),
    processes: Annotated[Sequence[int], "side by side, of one member each"] = (2, 4),
    rounds: command.Rounds = 5,
) -> Iterator[Row]:
    """Each way, by data set and K."""
    for name, k in product(data, K):
        config = TrialConfig.parse({"data": name, "architecture": "small", "objective": "tmc", "K": k})
        serial = _packed_ms(config, 1, rounds)
        yield _row(config, "serial", 1, serial, serial)
        for count in processes:
            yield _row(config, "processes", count, _side_by_side_ms(config, count, rounds), serial)
        for count in members:
            yield _row(config, "pack", count, _packed_ms(config, count, rounds), serial)


def _row(config: TrialConfig, way: str, members: int, ms: float, serial_ms: float) -> Row:
    """`ms` is the CPU time of a step of one member."""
    steps = -(-config.train_images // config.batch_size)
    return {
        "data": config.data,
        "K": config.K,
        "way": way,
        "members": members,
        "member_epochs_per_hour": MS_PER_HOUR / (steps * ms),
        "times_serial": serial_ms / ms,
    }


def _packed_ms(config: TrialConfig, members: int, rounds: int) -> float:
    (ms,) = step_ms(training(config, random_images(config), members), rounds=rounds)
    return ms / members


def _side_by_side_ms(config: TrialConfig, count: int, rounds: int) -> float:
    """The median over processes of a step's time in each, while the others train too."""
    spawn = multiprocessing.get_context("spawn")
    with spawn.Manager() as manager, ProcessPoolExecutor(count, spawn) as pool:
        together = manager.Barrier(count)
        return statistics.median(pool.map(_alone_ms, [config] * count, [rounds] * count, [together] * count))


def _alone_ms(config: TrialConfig, rounds: int, together: Barrier) -> float:
    torch.set_num_threads(1)
    pack = training(config, random_images(config))
    together.wait()
    (ms,) = step_ms(pack, rounds=rounds)
    return ms


main = command.of(rows)

if __name__ == "__main__":
    main()
