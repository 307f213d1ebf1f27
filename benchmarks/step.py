"""One training step, ours against the plain reference: CPU milliseconds and peak bytes of tensors.

    python -m benchmarks.step --architecture small --objective tmc --K 20 --json

Same weights, same batches in memory, float32, one thread; the losses must agree before anything is timed. A step is the
bound, its gradient and Adam. Runs alternate; figures are medians of process CPU time. Peak bytes are live tensor bytes
above parameters and optimiser, from the profiler's allocations.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Annotated, Any, Literal, TypedDict

import torch
from torch import Tensor

from benchmarks import command
from benchmarks.measure import cpu_ms, peak_bytes
from benchmarks.reference import Noise, ReferenceTraining, ReferenceVAE, fresh_noise
from benchmarks.workload import BATCH, BATCHES, configuration, module_of, random_images, training
from tmc_sweep.config import TrialConfig
from tmc_sweep.models import HierarchicalVAE
from tmc_sweep.registry import BOUNDS, loaded

TOLERANCE = 1e-4  # relative, of the losses


class Row(TypedDict):
    """One case."""

    architecture: str
    objective: str
    K: int
    ours_ms: float  # CPU, a step
    reference_ms: float
    ratio: float  # reference/ours
    ours_peak_bytes: int
    reference_peak_bytes: int
    peak_ratio: float  # ours/reference


def rows(
    architecture: command.Architectures = ("small", "large"),
    objective: command.Objectives = ("iwae", "tmc"),
    K: command.Ks = (5, 20, 50),
    encoder_passes: Annotated[Literal[1, 2], "the reference's, each step"] = 2,
    rounds: command.Rounds = 3,
) -> Iterator[Row]:
    """Each combination."""
    for name, bound, k in product(architecture, objective, K):
        yield measure(configuration(architecture=name, objective=bound, K=k), encoder_passes, rounds)


def measure(config: TrialConfig, encoder_passes: int, rounds: int) -> Row:
    """One case, both forms."""
    images = random_images(config)
    ours = training(config, images)
    weights = module_of(ours)
    model = ReferenceVAE(config, weights, encoder_passes)
    check_losses(config, weights, model, images[:BATCH] / 255)
    plain = ReferenceTraining(config, model, images)
    ours_ms, reference_ms = cpu_ms(ours.train_epoch, plain.train_epoch, rounds=rounds)
    ours_peak, reference_peak = peak_bytes(ours.train_epoch), peak_bytes(plain.train_epoch)
    plain.check_finite()
    return {
        "architecture": config.architecture.name,
        "objective": config.objective,
        "K": config.K,
        "ours_ms": ours_ms / BATCHES,
        "reference_ms": reference_ms / BATCHES,
        "ratio": reference_ms / ours_ms,
        "ours_peak_bytes": ours_peak,
        "reference_peak_bytes": reference_peak,
        "peak_ratio": ours_peak / reference_peak,
    }


def check_losses(config: TrialConfig, ours: HierarchicalVAE, reference: ReferenceVAE, x: Tensor) -> None:
    """Refuse to time two forms that do not compute the same loss."""
    noise = fresh_noise(config, len(x))
    with torch.no_grad():
        check_equal(config.objective, our_bound(config, ours, x, noise).sum(), reference(x, noise).sum())


def our_bound(config: TrialConfig, model: HierarchicalVAE, x: Tensor, noise: Noise) -> Tensor:
    """The trained bound per image, [1, batch], with the reference's layout of x and noise."""
    images = x.unsqueeze(0)
    bound: Tensor = loaded(BOUNDS[config.objective].function)(
        *model(images, [eps.transpose(0, 1).unsqueeze(0) for eps in noise], pairs=config.objective == "tmc")
    )
    return bound


def check_equal(name: str, ours: Tensor, other: Tensor) -> None:
    """SystemExit unless both losses are the same to `TOLERANCE`."""
    if not torch.isclose(ours, other.to(ours.dtype), rtol=TOLERANCE, atol=0.0):
        raise SystemExit(
            f"the losses must agree to {TOLERANCE}, but our {name} is {ours.item()}, theirs {other.item()}"
        )


def tmc_over_iwae(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, object]]:
    """Our step with TMC over our step with IWAE, wherever both were measured."""
    ms = {(row["architecture"], row["K"], row["objective"]): row["ours_ms"] for row in rows}
    return [
        {"architecture": name, "K": k, "tmc_over_iwae": tmc_ms / ms[name, k, "iwae"]}
        for (name, k, objective), tmc_ms in ms.items()
        if objective == "tmc" and (name, k, "iwae") in ms
    ]


main = command.of(rows, tmc_over_iwae)

if __name__ == "__main__":
    main()
