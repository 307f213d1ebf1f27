"""The eager and the compiled engine: seconds to compile, and milliseconds per training step.

    python -m benchmarks.engine --objective tmc --K 20 --json

Wall time of one process; with `--device cuda` on a GPU, where the compiled step is replayed as CUDA graphs.
"""

import time
from collections.abc import Sequence
from typing import Any, TypedDict

from benchmarks import command
from benchmarks.workload import BATCHES, configuration, random_images, training
from tmc_sweep.config import TrialConfig
from tmc_sweep.training import Engine, Pack

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


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the asked combinations and print a table, or JSON."""
    parser = command.parser(__doc__)
    command.add_cases(parser, objective=("iwae", "tmc"), K=(20,))
    parser.add_argument("--latents", nargs="+", type=int, default=[64, 32, 16, 8, 4], help="widths from the data up")
    parser.add_argument("--members", nargs="+", type=int, default=[1], help="sizes of the packs")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options = command.parse(parser, arguments)
    rows = [
        measure(configuration(architecture={"latents": options.latents}, objective=objective, K=k), members, options)
        for objective in options.objective
        for k in options.K
        for members in options.members
    ]
    command.show(rows, as_json=options.json)


def measure(config: TrialConfig, members: int, options: Any) -> Row:
    """One case, both engines by turns."""
    images = random_images(config)
    packs = [training(config, images, members, options.device, engine) for engine in ENGINES]
    _, first_epoch_seconds = map(_seconds, packs)
    rounds = [[*map(_seconds, packs)] for _ in range(options.rounds)]
    eager, compiled = (1e3 * min(seconds) / BATCHES for seconds in zip(*rounds, strict=True))
    return {
        "architecture": config.architecture.name,
        "objective": config.objective,
        "K": config.K,
        "members": members,
        "device": options.device,
        "eager_ms": eager,
        "compiled_ms": compiled,
        "ratio": eager / compiled,
        "first_epoch_seconds": first_epoch_seconds,
    }


def _seconds(pack: Pack) -> float:
    started = time.perf_counter()
    pack.train_epoch()  # ends with numbers on the host, so the device has done its work
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
