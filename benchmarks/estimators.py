"""What STL and DReGs are worth: the variance of the gradient of q's weights over the plain one's, and a step's time.

    python -m benchmarks.estimators --K 20 --epochs 0 10 100 --json

A trial with the plain gradient is trained on the digits; before and after some epochs both estimators take the gradient
of one batch's loss, at the same weights, on the same fresh noise, many times. The variance is summed over the weights.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import TypedDict

import torch
from torch import Tensor

from benchmarks import command
from benchmarks.measure import cpu_ms
from benchmarks.workload import BATCH, module_of
from tmc_sweep.config import Gradient, TrialConfig
from tmc_sweep.data import Split, load
from tmc_sweep.models import HierarchicalVAE
from tmc_sweep.registry import BOUNDS, loaded
from tmc_sweep.training import Pack, TrialState

CASES: tuple[dict[str, str], ...] = (
    {"objective": "elbo", "gradient": "stl"},
    {"objective": "iwae", "gradient": "dregs"},
    {"objective": "iwae", "gradient": "dregs", "proposal": "factorised"},
    {"objective": "tmc", "gradient": "dregs", "proposal": "factorised"},
)


class Row(TypedDict):
    """One case after so many epochs."""

    objective: str
    proposal: str
    K: int
    gradient: str
    epochs: int
    variance_ratio: float  # the estimator's/the plain one's
    plain_ms: float  # CPU, a gradient
    ms: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all cases and print a table, or JSON."""
    parser = command.parser(__doc__, rounds=None)
    command.add_cases(parser, architecture=("small",), K=(20,))
    parser.add_argument("--epochs", nargs="+", type=int, default=[0, 10, 100], help="trained before measuring")
    parser.add_argument("--draws", type=int, default=100, help="of the noise, for each variance")
    options = command.parse(parser, arguments)
    configs = [
        TrialConfig.parse({"architecture": name, "K": k, **case})
        for name in options.architecture
        for k in options.K
        for case in CASES
    ]
    rows = [row for config in configs for row in measure(config, sorted(options.epochs), options.draws)]
    command.show(rows, as_json=options.json)


def measure(config: TrialConfig, epochs: Sequence[int], draws: int) -> list[Row]:
    """One case, as its training goes on."""
    plain = config.model_copy(update={"gradient": "std"})
    images = Split.of(load(config.data), plain).train
    pack, rows = Pack([TrialState.initial(plain)], Split(images, images[:0], images[:0])), []
    x = images[None, :BATCH].float() / 255
    for before, after in pairwise([0, *epochs]):
        for _ in range(after - before):
            pack.train_epoch()
        runs = [Draws(module_of(pack), config, x, gradient) for gradient in (plain.gradient, config.gradient)]
        plain_ms, ms = cpu_ms(*(run.draw for run in runs), rounds=draws - 1)  # and one before it measures
        plain_variance, variance = (run.variance() for run in runs)
        rows.append(
            Row(
                objective=config.objective,
                proposal=config.proposal,
                K=config.K,
                gradient=config.gradient,
                epochs=after,
                variance_ratio=variance / plain_variance,
                plain_ms=plain_ms,
                ms=ms,
            )
        )
    return rows


class Draws:
    """Gradients of one batch's loss by q's weights, on fresh noise each."""

    def __init__(self, model: HierarchicalVAE, config: TrialConfig, x: Tensor, gradient: Gradient) -> None:
        self.model, self.config, self.x, self.gradient = model, config, x, gradient
        self.random = torch.Generator().manual_seed(0)
        self.drawn: list[Tensor] = []

    def draw(self) -> None:
        """One more."""
        shape = (1, self.x.shape[1], self.config.K)
        noise = [torch.randn(*shape, width, generator=self.random) for width in self.model.latents]
        pairs = self.config.objective == "tmc"
        factors = self.model(self.x, noise, pairs=pairs, gradient=self.gradient)
        self.model.zero_grad()
        (-loaded(BOUNDS[self.config.objective].function)(*factors).sum()).backward()
        weights = self.model.q.parameters()
        self.drawn.append(torch.cat([weight.grad.flatten() for weight in weights if weight.grad is not None]))

    def variance(self) -> float:
        """Summed over the weights."""
        return torch.stack(self.drawn).var(0).sum().item()


if __name__ == "__main__":
    main()
