"""The eager and the compiled engine: seconds to compile, and milliseconds per training step.

    python -m benchmarks.engine --objective tmc --K 20 --json

Wall time of one process; with `--device cuda` on a GPU, where the compiled step is replayed as CUDA graphs.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Annotated, Literal, TypedDict

from benchmarks import command
from benchmarks.workload import BATCHES, configuration, random_images, training
from tmc_sweep.config import TrialConfig
from tmc_sweep.costs import Engine
from tmc_sweep.training import Pack

ENGINES: tuple[Engine, Engine] = ("eager", "compiled")


class Row(TypedDict):
    """One case."""

    architecture: str
    objective: str
    K: int
    members: int
    device: str
    eager_ms: float  # a step
    compiled_ms: float
    ratio: float  # eager/compiled
    first_epoch_seconds: float  # compiled: until the first steps were done


def rows(
    objective: command.Objectives = ("iwae", "tmc"),
    K: command.Ks = (20,),
    latents: Annotated[Sequence[int], "widths from the data up"] = (64, 32, 16, 8, 4),
    members: Annotated[Sequence[int], "sizes of the packs"] = (1,),
    device: Annotated[Literal["cpu", "cuda"], "where the packs are trained"] = "cpu",
    rounds: command.Rounds = 5,
) -> Iterator[Row]:
    """Each combination."""
    for bound, k, size in product(objective, K, members):
        config = configuration(architecture={"latents": latents}, objective=bound, K=k)
        yield measure(config, size, device, rounds)


def measure(config: TrialConfig, members: int, device: str, rounds: int) -> Row:
    """One case, both engines by turns."""
    images = random_images(config)
    packs = [training(config, images, members, device, engine) for engine in ENGINES]
    _, first_epoch_seconds = map(_seconds, packs)
    times = [[*map(_seconds, packs)] for _ in range(rounds)]
    eager, compiled = (1e3 * min(seconds) / BATCHES for seconds in zip(*times, strict=True))
    return {
        "architecture": config.architecture.name,
        "objective": config.objective,
        "K": config.K,
        "members": members,
        "device": device,
        "eager_ms": eager,
        "compiled_ms": compiled,
        "ratio": eager / compiled,
        "first_epoch_seconds": first_epoch_seconds,
    }


def _seconds(pack: Pack) -> float:
    started = time.perf_counter()
    pack.train_epoch()  # ends with numbers on the host, so the device has done its work
    return time.perf_counter() - started


main = command.of(rows)

if __name__ == "__main__":
    main()
