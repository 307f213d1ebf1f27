"""Evaluating ELBO, IWAE and TMC: our one pass, all on the same samples, against the reference's pass for each bound.

    python -m benchmarks.evaluation --architecture small --K 20 --json

Without gradients, batches of 128 in memory. The values must agree on the same noise before anything is timed.
"""

from collections.abc import Iterator
from itertools import product
from typing import TypedDict

import torch
from torch import Generator, Tensor

from benchmarks import command
from benchmarks.measure import cpu_ms
from benchmarks.reference import ReferenceVAE
from benchmarks.step import check_equal
from benchmarks.workload import BATCH, BATCHES, configuration, module_of, random_images, training
from tmc_sweep.config import TrialConfig
from tmc_sweep.data import Split
from tmc_sweep.registry import BOUNDS
from tmc_sweep.training import Pack
from tmc_sweep.training.randomness import Purpose, generator


class Row(TypedDict):
    """One case."""

    architecture: str
    K: int
    ours_ms: float  # CPU, a batch, all three bounds
    reference_ms: float
    ratio: float  # reference/ours


def rows(
    architecture: command.Architectures = ("small",), K: command.Ks = (20,), rounds: command.Rounds = 5
) -> Iterator[Row]:
    """Each combination."""
    return (measure(configuration(architecture=name, K=k), rounds) for name, k in product(architecture, K))


def measure(config: TrialConfig, rounds: int) -> Row:
    """One case, both forms."""
    images = random_images(config)
    pack = Pack(training(config, images).states, Split(images, images[:0], images))
    reference, x = ReferenceVAE(config, module_of(pack)), images.float() / 255

    def ours() -> dict[str, Tensor]:
        return pack._evaluate(pack._evaluations["test"])  # what train_epoch does after training

    def theirs() -> dict[str, Tensor]:
        return separate_passes(config, reference, x)

    plain = theirs()
    for name, value in ours().items():
        check_equal(name, value[0], plain[name])
    ours_ms, reference_ms = cpu_ms(ours, theirs, rounds=rounds)
    return {
        "architecture": config.architecture.name,
        "K": config.K,
        "ours_ms": ours_ms / BATCHES,
        "reference_ms": reference_ms / BATCHES,
        "ratio": reference_ms / ours_ms,
    }


@torch.no_grad()
def separate_passes(config: TrialConfig, model: ReferenceVAE, x: Tensor) -> dict[str, Tensor]:
    """Mean of each bound over the images, each in a pass of its own over them, with the noise that ours draws."""
    totals = {name: torch.zeros((), dtype=torch.float64) for name in BOUNDS}
    for name, total in totals.items():
        source = generator(config.seed, Purpose.TEST_NOISE, epoch=1)
        for batch in x.split(BATCH):
            total += model(batch, _noise(config, len(batch), source), name).double().sum()
    return {name: total / len(x) for name, total in totals.items()}


def _noise(config: TrialConfig, rows: int, source: Generator) -> list[Tensor]:
    return [
        torch.randn(rows, config.K, width, generator=source).transpose(0, 1) for width in config.architecture.latents
    ]


main = command.of(rows)

if __name__ == "__main__":
    main()
