"""What STL and DReGs are worth: the variance of the gradient of q's weights over the plain one's, and a step's time.

    python -m benchmarks.estimators --K 20 --epochs 0 10 100 --json

A trial with the plain gradient is trained on the digits; before and after some epochs both estimators take the gradient
of one batch's loss, at the same weights, on the same fresh noise, many times. The variance is summed over the weights.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from typing import Annotated, TypedDict

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


def rows(
    architecture: command.Architectures = ("small",),
    K: command.Ks = (20,),
    epochs: Annotated[Sequence[int], "trained before measuring"] = (0, 10, 100),
    draws: Annotated[int, "of the noise, for each variance"] = 100,
) -> Iterator[Row]:
    """Each case as its training goes on."""
    for name, k, case in product(architecture, K, CASES):
        yield from measure(TrialConfig.parse({"architecture": name, "K": k, **case}), sorted(epochs), draws)


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


main = command.of(rows)

if __name__ == "__main__":
    main()
