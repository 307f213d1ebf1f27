"""One training step of TMC, ours against Pyro's TraceTMC_ELBO: CPU milliseconds and peak bytes of tensors.

    python -m benchmarks.pyro --K 20 --json

Pyro divides by q(z_l | z_{l-1}) of each combination where we divide by its mixture over the parents, so the two agree
only where a proposal has no parents: the factorised one, q(z_l | x) for every latent. Same weights, batches and Adam;
on Pyro's own samples the losses must agree before anything is timed. Pyro needs K ≥ 2.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any, TypedDict

import pyro
import torch
from pyro.distributions import Bernoulli, Normal
from pyro.infer import TraceTMC_ELBO
from torch import Tensor, nn
from torch.nn.functional import softplus

from benchmarks import command
from benchmarks.measure import cpu_ms, peak_bytes
from benchmarks.reference import Layers, ReferenceTraining
from benchmarks.step import check_equal
from benchmarks.workload import BATCH, BATCHES, configuration, module_of, random_images, training
from tmc_sweep.config import TrialConfig
from tmc_sweep.models import HierarchicalVAE
from tmc_sweep.models.vae import Proposal
from tmc_sweep.objectives import tmc


class Row(TypedDict):
    """One case."""

    architecture: str
    K: int
    ours_ms: float  # CPU, a step
    pyro_ms: float
    ratio: float  # Pyro/ours
    ours_peak_bytes: int
    pyro_peak_bytes: int
    peak_ratio: float  # ours/Pyro


class PyroVAE(nn.Module):
    """The factorised model with a standard prior as Pyro's model and guide, with the weights of ours."""

    def __init__(self, config: TrialConfig, ours: HierarchicalVAE) -> None:
        super().__init__()
        self.q = nn.ModuleList(Layers(module) for module in ours.q)
        self.p = nn.ModuleList(Layers(module) for module in ours.p)
        self.widths = config.architecture.latents
        self.infer: Any = {"enumerate": "parallel", "num_samples": config.K}
        self.bound = TraceTMC_ELBO(max_plate_nesting=1)
        self.zs: list[Tensor] = []  # what the guide last drew

    def forward(self, x: Tensor) -> Tensor:
        """The negative bound, summed over the images x [batch, d]."""
        loss: Tensor = self.bound.differentiable_loss(self.model, self.guide, x)
        return loss

    def guide(self, x: Tensor) -> None:
        """Each z_l given x."""
        self.zs = []
        with pyro.plate("images", len(x)):
            parent = x
            for level, q in enumerate(self.q):
                mean, raw_std, *backbone = q(parent)
                conditional = Normal(mean, 0.01 + softplus(raw_std)).to_event(1)
                self.zs.append(pyro.sample(f"z{level}", conditional, infer=self.infer))
                parent = backbone[0] if backbone else parent

    def model(self, x: Tensor) -> None:
        """From the top down to x."""
        top = len(self.widths) - 1
        with pyro.plate("images", len(x)):
            z = pyro.sample(f"z{top}", Normal(torch.zeros(self.widths[top]), 1.0).to_event(1))
            for level in range(top, 0, -1):
                mean, raw_std = self.p[level](z)
                z = pyro.sample(f"z{level - 1}", Normal(mean, 0.01 + softplus(raw_std)).to_event(1))
            (logits,) = self.p[0](z)
            pyro.sample("x", Bernoulli(logits=logits).to_event(1), obs=x)


class PyroTraining(ReferenceTraining):
    """Pyro's model with the reference's Adam and batches; it draws its own noise."""

    def loss(self, batch: Tensor) -> Tensor:
        """What a step descends."""
        loss: Tensor = self.model(batch)
        return loss


def rows(
    architecture: command.Architectures = ("small",), K: command.Ks = (5, 20), rounds: command.Rounds = 5
) -> Iterator[Row]:
    """Each combination."""
    pyro.enable_validation(False)  # pixels between 0 and 1; and it would slow Pyro
    for name, k in product(architecture, K):
        yield measure(configuration(architecture=name, objective="tmc", K=k, proposal="factorised"), rounds)


def measure(config: TrialConfig, rounds: int) -> Row:
    """One case, both forms."""
    images = random_images(config)
    ours = training(config, images)
    weights = module_of(ours)
    model = PyroVAE(config, weights)
    check_losses(weights, model, images[:BATCH] / 255)
    theirs = PyroTraining(config, model, images)
    ours_ms, pyro_ms = cpu_ms(ours.train_epoch, theirs.train_epoch, rounds=rounds)
    ours_peak, pyro_peak = peak_bytes(ours.train_epoch), peak_bytes(theirs.train_epoch)
    theirs.check_finite()
    return {
        "architecture": config.architecture.name,
        "K": config.K,
        "ours_ms": ours_ms / BATCHES,
        "pyro_ms": pyro_ms / BATCHES,
        "ratio": pyro_ms / ours_ms,
        "ours_peak_bytes": ours_peak,
        "pyro_peak_bytes": pyro_peak,
        "peak_ratio": ours_peak / pyro_peak,
    }


@torch.no_grad()
def check_losses(ours: HierarchicalVAE, theirs: PyroVAE, x: Tensor) -> None:
    """Refuse to time two forms that do not compute the same loss; Pyro's samples are [k, 1…, batch, d_l]."""
    loss = theirs(x)
    zs = [z.flatten(0, -3).transpose(0, 1).unsqueeze(0) for z in theirs.zs]
    drawn = Proposal(zs, ours.propose(x.unsqueeze(0), zs).conditionals)  # which depend on x only
    check_equal("tmc", -tmc(*ours.factors(x.unsqueeze(0), drawn)).sum(), loss)


main = command.of(rows)

if __name__ == "__main__":
    main()
