"""How much of one thread's matmul peak our training step reaches.

    python -m benchmarks.roofline --architecture small --objective tmc --K 20 --json

The peak is the best of several large square float32 products on this machine. A step's FLOPs are those of its matrix
products alone, so what the rest costs (densities, exponentials, Adam, noise) shows as a lower percentage.
"""

import time
from collections.abc import Iterator
from itertools import product
from typing import Annotated, TypedDict

import torch

from benchmarks import command
from benchmarks.workload import BATCH, configuration, random_images, step_ms, training
from tmc_sweep.config import TrialConfig
from tmc_sweep.products import affine


class Row(TypedDict):
    """One case."""

    architecture: str
    objective: str
    K: int
    gflop: float  # of the matrix products of a step
    ms: float  # CPU, a step
    gflop_per_second: float
    peak_gflop_per_second: float
    percent_of_peak: float


def rows(
    architecture: command.Architectures = ("small", "large"),
    objective: command.Objectives = ("iwae", "tmc"),
    K: command.Ks = (20,),
    size: Annotated[int, "rows and columns of the products that measure the peak"] = 2048,
    rounds: command.Rounds = 5,
) -> Iterator[Row]:
    """Each combination."""
    peak = matmul_peak(size, rounds)
    for name, bound, k in product(architecture, objective, K):
        yield measure(configuration(architecture=name, objective=bound, K=k), peak, rounds)


def measure(config: TrialConfig, peak: float, rounds: int) -> Row:
    """One case, given the peak in GFLOP/s."""
    (ms,) = step_ms(training(config, random_images(config)), rounds=rounds)
    gflop = step_flops(config) / 1e9
    return {
        "architecture": config.architecture.name,
        "objective": config.objective,
        "K": config.K,
        "gflop": gflop,
        "ms": ms,
        "gflop_per_second": 1e3 * gflop / ms,
        "peak_gflop_per_second": peak,
        "percent_of_peak": 1e5 * gflop / ms / peak,
    }


def matmul_peak(size: int, rounds: int) -> float:
    """GFLOP/s of the fastest of several products, by torch and by whoever makes ours."""
    a, b = torch.rand(2, 1, size, size)
    none, seconds = torch.zeros(1, 1, size), []
    for _ in range(rounds):
        for multiply in (torch.baddbmm, lambda none, a, b: affine(a, b, none)):
            started = time.process_time()
            multiply(none, a, b)
            seconds.append(time.process_time() - started)
    return 2 * size**3 / min(seconds) / 1e9


def step_flops(config: TrialConfig, images: int = BATCH) -> int:
    """FLOPs of the matrix products of one step: forward, and backward for the gradients of both factors.

    x is encoded once, not K times, and needs no gradient.
    """
    shape = config.architecture
    n, k = config.n_features, config.K
    below = (n, *shape.latents[:-1])
    total = -_product(images, n, shape.q_hidden[0])  # x's gradient
    for level, (width, child) in enumerate(zip(shape.latents, below, strict=True)):
        encoded = images * (k if level else 1)
        total += 3 * _conditional(encoded, child, shape.q_hidden[level], 2 * width)
        total += 3 * _conditional(images * k, width, shape.p_hidden[level], 2 * child if level else child)
        if level and config.objective == "tmc":  # pairs of q and of p, whose products hold z² and z
            total += 3 * images * (_product(k, 2 * width, k) + _product(k, 2 * child, k))
    return total


def _conditional(rows: int, n_in: int, hidden: int, n_out: int) -> int:
    return _product(rows, n_in, hidden) + _product(rows, hidden, hidden) + _product(rows, hidden, n_out)


def _product(rows: int, shared: int, columns: int) -> int:
    return 2 * rows * shared * columns


main = command.of(rows)

if __name__ == "__main__":
    main()
