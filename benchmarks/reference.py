"""The article's step written plainly, to be measured against: K copies of x, torch.distributions, K×K×d blocks.

As the article's published code does, it runs each encoder layer twice a step, once to sample and once to score
(`encoder_passes` 1 scores with the conditionals it sampled from), scores every sample under every parent, for ELBO and
IWAE too, which then take the diagonal, and contracts with Appendix A's product. That underflows for one image in some
thousands at K = 2 or 3 (tmc_sweep/objectives/logspace.py says why), so nothing is timed that has not stayed finite.
"""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Normal
from torch.nn.functional import leaky_relu, softplus

from benchmarks.workload import BATCH
from tmc_sweep.config import Objective, TrialConfig
from tmc_sweep.models import HierarchicalVAE
from tmc_sweep.models.layers import Conditional, PackedLinear
from tmc_sweep.training.member import ADAM_BETAS

Noise = Sequence[Tensor]


class ReferenceVAE(nn.Module):
    """The non-factorised model with a standard prior, one trial, with the weights of ours."""

    def __init__(self, config: TrialConfig, ours: HierarchicalVAE, encoder_passes: int = 2) -> None:
        super().__init__()
        self.q = nn.ModuleList(Layers(module) for module in ours.q)
        self.p = nn.ModuleList(Layers(module) for module in ours.p)
        self.objective = config.objective
        self.encoder_passes = encoder_passes

    def forward(self, x: Tensor, noise: Noise, objective: Objective | None = None) -> Tensor:
        """The bound per image, the trained one by default; x [batch, d], noise [k, batch, d_l] for each latent."""
        x = x.expand(len(noise[0]), *x.shape)
        zs, conditionals = self._sample(x, noise)
        if self.encoder_passes == 2:
            conditionals = [normal(q, parent) for q, parent in zip(self.q, [x, *zs[:-1]], strict=True)]
        log_q = [_pairs(conditional, z) for conditional, z in zip(conditionals, zs, strict=True)]
        log_p = [_pairs(normal(self.p[level], zs[level]), zs[level - 1]) for level in range(1, len(zs))]
        of_top = Normal(0.0, 1.0, validate_args=False).log_prob(zs[-1]).sum(-1)
        pixels = Bernoulli(logits=self.p[0](zs[0])[0], validate_args=False)
        bound = {"elbo": _elbo, "iwae": _iwae, "tmc": _tmc}[objective or self.objective]
        return bound(pixels.log_prob(x).sum(-1), log_p, of_top, log_q)

    def _sample(self, x: Tensor, noise: Noise) -> tuple[list[Tensor], list[Normal]]:
        zs: list[Tensor] = []
        conditionals: list[Normal] = []
        for q, eps in zip(self.q, noise, strict=True):
            conditionals.append(normal(q, zs[-1] if zs else x))
            zs.append(conditionals[-1].loc + conditionals[-1].scale * eps)
        return zs, conditionals


class ReferenceTraining:
    """The reference with Adam and batches in memory."""

    def __init__(self, config: TrialConfig, model: nn.Module, images: Tensor) -> None:
        self.config = config
        self.model = model
        self.x = images.float() / 255
        self.adam = torch.optim.Adam(model.parameters(), lr=config.lr, betas=ADAM_BETAS, eps=config.adam_eps)

    def train_epoch(self) -> None:
        """One step a batch."""
        for batch in self.x.split(BATCH):
            self.adam.zero_grad()
            self.loss(batch).backward()
            self.adam.step()

    def check_finite(self) -> None:
        """Refuse times of a training that went wrong on the way."""
        if not all(parameter.isfinite().all() for parameter in self.model.parameters()):
            raise SystemExit("the reference's weights must stay finite, but a bound of it underflowed: take a larger K")

    def loss(self, batch: Tensor) -> Tensor:
        """What a step descends."""
        bound: Tensor = self.model(batch, fresh_noise(self.config, len(batch)))
        return -bound.sum()


def fresh_noise(config: TrialConfig, rows: int) -> list[Tensor]:
    """Standard normal, [k, batch, d_l] for each latent."""
    return [torch.randn(config.K, rows, width) for width in config.architecture.latents]


class Layers(nn.Module):
    """One conditional in torch's own layers, with copies of the first member's weights."""

    def __init__(self, ours: nn.Module) -> None:
        super().__init__()
        conditional = cast(Conditional, ours)
        self.first = _copy(conditional.first)
        self.second = _copy(conditional.second)
        self.heads = nn.ModuleList(_copy(cast(PackedLinear, head)) for head in conditional.heads)

    def forward(self, x: Tensor) -> list[Tensor]:
        """What each head gives."""
        hidden = leaky_relu(self.second(leaky_relu(self.first(x), 0.1)), 0.1)
        return [head(hidden) for head in self.heads]


@torch.no_grad()
def _copy(ours: PackedLinear) -> nn.Linear:
    linear = nn.Linear(*ours.weight.shape[1:])
    linear.weight.copy_(ours.weight[0].T)
    linear.bias.copy_(ours.bias[0, 0])
    return linear


def normal(layers: nn.Module, parent: Tensor) -> Normal:
    """The conditional distribution given its parents' samples."""
    mean, raw_std = layers(parent)
    return Normal(mean, 0.01 + softplus(raw_std), validate_args=False)


def _pairs(parents: Normal, z: Tensor) -> Tensor:
    """[k_parent, k_child, batch], through the K×K×d block."""
    every = Normal(parents.loc.unsqueeze(1), parents.scale.unsqueeze(1), validate_args=False)
    log_prob: Tensor = every.log_prob(z.unsqueeze(0))
    return log_prob.sum(-1)


def _log_weights(of_data: Tensor, log_p: list[Tensor], of_top: Tensor, log_q: list[Tensor]) -> Tensor:
    diagonals = [block.diagonal().T for block in (*log_p, *log_q)]
    return of_data + of_top + sum(diagonals[: len(log_p)]) - sum(diagonals[len(log_p) :])


def _elbo(of_data: Tensor, log_p: list[Tensor], of_top: Tensor, log_q: list[Tensor]) -> Tensor:
    return _log_weights(of_data, log_p, of_top, log_q).mean(0)


def _iwae(of_data: Tensor, log_p: list[Tensor], of_top: Tensor, log_q: list[Tensor]) -> Tensor:
    return _log_weights(of_data, log_p, of_top, log_q).logsumexp(0) - math.log(len(of_data))


def _tmc(of_data: Tensor, log_p: list[Tensor], of_top: Tensor, log_q: list[Tensor]) -> Tensor:
    k = len(of_data)
    mixtures = [block.logsumexp(0) - math.log(k) for block in log_q]
    message = (of_top - mixtures[-1]).T.unsqueeze(1)  # [batch, 1, k]
    for level in range(len(log_p) - 1, -1, -1):
        weights = (log_p[level] - mixtures[level]).permute(2, 0, 1)
        message = _log_matmul_exp(message, weights) - math.log(k)
    return (message.squeeze(1) + of_data.T).logsumexp(-1) - math.log(k)


def _log_matmul_exp(a: Tensor, b: Tensor) -> Tensor:
    """Appendix A: each factor's maximum subtracted, then a matrix product."""
    a_max, b_max = a.amax(-1, keepdim=True), b.amax(-2, keepdim=True)
    return ((a - a_max).exp() @ (b - b_max).exp()).log() + a_max + b_max
