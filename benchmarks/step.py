"""One training step, ours against the plain reference: CPU milliseconds and peak bytes of tensors.

    python -m benchmarks.step --architecture small --objective tmc --K 20 --json

Same weights, same batches in memory, float32, one thread; the losses must agree before anything is timed. A step is the
bound, its gradient and Adam. Runs alternate; figures are medians of process CPU time. Peak bytes are live tensor bytes
above parameters and optimiser, from the profiler's allocations.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from benchmarks.reference import ReferenceVAE
from tmc_sweep.config import TrialConfig
from tmc_sweep.data import Split
from tmc_sweep.models import HierarchicalVAE
from tmc_sweep.objectives import iwae, tmc
from tmc_sweep.training import Pack, TrialState
from tmc_sweep.training.pack import ADAM_BETAS

BATCH = 128
BATCHES = 4  # a round
ROUNDS = 5
TOLERANCE = 1e-4  # relative, of the losses


def main() -> None:
    """Measure the asked combinations and print a table, or JSON."""
    arguments = _arguments()
    torch.set_num_threads(1)
    rows = [
        measure(architecture, objective, k)
        for architecture in arguments.architecture
        for objective in arguments.objective
        for k in arguments.K
    ]
    if arguments.json:
        print(json.dumps({"rows": rows}))
        return
    print(" ".join(f"{name:>20}" for name in rows[0]))
    for row in rows:
        print(" ".join(f"{value:>20.4g}" if isinstance(value, float) else f"{value:>20}" for value in row.values()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architecture", nargs="+", choices=["small", "large"], default=["small", "large"])
    parser.add_argument("--objective", nargs="+", choices=["iwae", "tmc"], default=["iwae", "tmc"])
    parser.add_argument("--K", nargs="+", type=int, default=[5, 20, 50])
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def measure(architecture: str, objective: str, k: int) -> dict[str, object]:
    """One row: both forms at one combination."""
    config = TrialConfig.parse({"data": "mnist", "architecture": architecture, "objective": objective, "K": k})
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (BATCH * BATCHES, config.n_features), generator=generator, dtype=torch.uint8)
    state = TrialState.initial(config)
    pack = Pack([state], Split(images, images[:0], images[:1]))
    reference = ReferenceVAE(config, pack.model)
    check_losses(config, pack.model, reference, images[:BATCH] / 255)
    x = images.float() / 255
    adam = torch.optim.Adam(reference.parameters(), lr=config.lr, betas=ADAM_BETAS, eps=config.adam_eps)

    def reference_round() -> None:
        for batch in x.split(BATCH):
            adam.zero_grad()
            (-reference(batch, _noise(config, len(batch))).sum()).backward()
            adam.step()

    ours_ms, reference_ms = _alternate(pack.train_epoch, reference_round)
    ours_bytes, reference_bytes = _peak_bytes(pack.train_epoch), _peak_bytes(reference_round)
    return {
        "architecture": architecture,
        "objective": objective,
        "K": k,
        "ours_ms": ours_ms,
        "reference_ms": reference_ms,
        "ratio": reference_ms / ours_ms,
        "ours_peak_bytes": ours_bytes,
        "reference_peak_bytes": reference_bytes,
        "peak_ratio": ours_bytes / reference_bytes,
    }


def check_losses(config: TrialConfig, ours: HierarchicalVAE, reference: ReferenceVAE, x: Tensor) -> None:
    """Refuse to time two forms that do not compute the same loss."""
    noise = _noise(config, len(x))
    with torch.no_grad():
        proposal = ours.sample(x.unsqueeze(0), [eps.transpose(0, 1).unsqueeze(0) for eps in noise])
        bound = {"iwae": iwae, "tmc": tmc}[config.objective]
        loss = bound(*ours.factors(x.unsqueeze(0), proposal, pairs=config.objective == "tmc")).sum()
        other = reference(x, noise).sum()
    if not torch.isclose(loss, other, rtol=TOLERANCE, atol=0.0):
        raise SystemExit(f"the losses must agree to {TOLERANCE}, but are {loss.item()} and {other.item()}")


def _noise(config: TrialConfig, rows: int) -> list[Tensor]:
    return [torch.randn(config.K, rows, width) for width in config.architecture.latents]


def _alternate(*rounds: Callable[[], object]) -> list[float]:
    """Median CPU milliseconds per step of each, their runs interleaved."""
    for run in rounds:
        run()
    seconds: list[list[float]] = [[] for _ in rounds]
    for _ in range(ROUNDS):
        for run, measured in zip(rounds, seconds, strict=True):
            started = time.process_time()
            run()
            measured.append(time.process_time() - started)
    return [1e3 * statistics.median(measured) / BATCHES for measured in seconds]


def _peak_bytes(run: Callable[[], object]) -> int:
    """Most bytes of tensors alive at once during a round, above what was alive before it."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    results = profiler.profiler.kineto_results
    changes = [(event.start_ns(), event.nbytes()) for event in results.events() if event.name() == "[memory]"]
    live = peak = 0
    for _, change in sorted(changes):
        live += change
        peak = max(peak, live)
    return peak


if __name__ == "__main__":
    main()
