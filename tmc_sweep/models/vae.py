"""The hierarchical variational autoencoder of the article (sections 3.2 and 4.2, Algorithm 1, Figure 4).

The recognition model q runs x → z_1 → … → z_n and draws the samples; the generative model p runs z_n → … → z_1 → x and
only scores them. x is encoded once, not K times. Tensors are [member, batch, sample, dimension] throughout.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.func import functional_call

from tmc_sweep.config import Gradient, TrialConfig
from tmc_sweep.models.layers import MIN_STD, Conditional, PackedLinear, positive_std
from tmc_sweep.objectives import (
    bernoulli_linear_log_prob,
    normal_log_prob,
    normal_log_prob_pairs,
    weighed_sample,
)

_RAW_UNIT_STD = math.log(math.expm1(1 - MIN_STD))  # a learned prior starts as the standard one


class Gaussian(NamedTuple):
    """Parameters of one conditional for each of its parents' samples: [member, batch, k_parent, d] each."""

    mean: Tensor
    std: Tensor


@dataclass(frozen=True)
class Proposal:
    """Samples z_1..z_n, each [member, batch, k, d], and the conditionals of q they were drawn from."""

    zs: list[Tensor]
    conditionals: list[Gaussian]


class HierarchicalVAE(nn.Module):
    """`members` models of one configuration's shapes, whose parameters are uninitialised until `initialise`."""

    def __init__(self, config: TrialConfig, members: int = 1) -> None:
        super().__init__()
        latents = config.architecture.latents
        self.latents = latents
        self.factorised = config.proposal == "factorised"

        def conditional(n_in: int, hidden: int, *heads: int) -> Conditional:
            return Conditional(members, n_in, hidden, heads, config.weight_norm)

        below = (config.n_features, *latents[:-1])
        q = zip(below, config.architecture.q_hidden, latents, strict=True)
        p = zip(latents, config.architecture.p_hidden, below, strict=True)
        self.q = nn.ModuleList(
            conditional(n_in, hidden, width, width, *self._backbone_head(level))
            for level, (n_in, hidden, width) in enumerate(q)
        )
        self.p = nn.ModuleList(
            conditional(n_in, hidden, *([width, width] if level else [width]))
            for level, (n_in, hidden, width) in enumerate(p)
        )
        learned = config.prior == "learned"
        self.prior_mean = nn.Parameter(torch.empty(members, 1, 1, latents[-1])) if learned else None
        self.prior_raw_std = nn.Parameter(torch.empty(members, 1, 1, latents[-1])) if learned else None

    def _backbone_head(self, level: int) -> tuple[int, ...]:
        """A factorised encoder is deterministic: a third head, as wide as the latent, feeds the next level."""
        return (self.latents[level],) if self.factorised and level < len(self.latents) - 1 else ()

    @torch.no_grad()
    def initialise(self, member: int, config: TrialConfig, generator: Generator) -> None:
        """Draw one member's initial values, linear by linear in the order of definition."""
        for module in self.modules():
            if isinstance(module, PackedLinear):
                module.initialise(member, config.init, generator)
        if self.prior_mean is not None and self.prior_raw_std is not None:
            self.prior_mean[member] = 0.0
            self.prior_raw_std[member] = _RAW_UNIT_STD

    def forward(
        self,
        x: Float[Tensor, "member batch features"],
        noise: Sequence[Float[Tensor, "member batch k _"]],
        *,
        pairs: bool = True,
        gradient: Gradient = "std",
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The factors of samples that are drawn with this noise."""
        return self.factors(x, self.propose(x, noise), pairs=pairs, gradient=gradient)

    def sample(
        self, x: Float[Tensor, "member batch features"], noise: Sequence[Float[Tensor, "member batch k _"]]
    ) -> list[Float[Tensor, "member batch k _"]]:
        """Samples of each latent."""
        return self.propose(x, noise).zs

    def decode(self, z: Float[Tensor, "member batch k width"]) -> Float[Tensor, "member batch k features"]:
        """The mean of p(x | z_1)."""
        (logits,) = self.p[0](z)
        mean: Tensor = logits.sigmoid()
        return mean

    def propose(
        self, x: Float[Tensor, "member batch features"], noise: Sequence[Float[Tensor, "member batch k _"]]
    ) -> Proposal:
        """Draw z_l^k = mean(z_{l-1}^k) + std(z_{l-1}^k)·noise_l^k, level by level; gradients flow through."""
        zs: list[Tensor] = []
        conditionals: list[Gaussian] = []
        parent = x.unsqueeze(-2)
        for level, (q, eps) in enumerate(zip(self.q, noise, strict=True)):
            mean, raw_std, *backbone = q(parent)
            conditionals.append(Gaussian(mean, positive_std(raw_std)))
            zs.append(mean + conditionals[level].std * eps)
            parent = backbone[0] if backbone else zs[level]
        return Proposal(zs, conditionals)

    def factors(
        self,
        x: Float[Tensor, "member batch features"],
        proposal: Proposal,
        *,
        pairs: bool = True,
        gradient: Gradient = "std",
    ) -> tuple[list[Tensor], list[Tensor]]:
        """(log_p, log_q) in the layout of `tmc_sweep.objectives.bounds`, in nats.

        Without `pairs` only the diagonals are scored, laid out [member, batch, 1, k]: all that ELBO and IWAE need.
        `gradient` changes no value, only what flows back through them (docs/science.md has which is right where).
        """
        if gradient == "std":
            return self._scored(x, proposal, pairs)
        if gradient == "stl":
            return self._scored(x, self._stopped(proposal, proposal.zs), pairs)
        zs, zeros = zip(*map(weighed_sample, proposal.zs), strict=True)
        log_p, log_q = self._scored(x, self._stopped(proposal, zs), pairs)
        return log_p, [factor + zero for factor, zero in zip(log_q, zeros, strict=True)]

    def _scored(self, x: Tensor, proposal: Proposal, pairs: bool) -> tuple[list[Tensor], list[Tensor]]:
        zs = proposal.zs
        generated = [self._generated(level, zs[level]) for level in range(1, len(zs))]
        score = normal_log_prob_pairs if pairs else _normal_log_prob_diagonal
        log_q = [score(z, *conditional) for z, conditional in zip(zs, proposal.conditionals, strict=True)]
        log_p = [score(z, *conditional) for z, conditional in zip(zs[:-1], generated, strict=True)]
        of_data = self._data_log_prob(x, zs[0]).unsqueeze(-1)
        of_top = normal_log_prob(zs[-1], *self._prior(zs[-1])).unsqueeze(-2)
        return [of_data, *log_p, of_top], log_q

    def _stopped(self, proposal: Proposal, zs: Sequence[Tensor]) -> Proposal:
        """These samples with the conditionals' numbers, which are functions of them but no longer of q's weights."""
        of_x = len(zs) if self.factorised else 1  # how many of the conditionals see no sample
        conditionals = [Gaussian(mean.detach(), std.detach()) for mean, std in proposal.conditionals[:of_x]]
        for q, parent in zip(self.q[of_x:], zs[of_x - 1 : -1], strict=True):
            mean, raw_std = functional_call(q, {name: value.detach() for name, value in q.named_parameters()}, parent)
            conditionals.append(Gaussian(mean, positive_std(raw_std)))
        return Proposal(list(zs), conditionals)

    def _data_log_prob(self, x: Tensor, parent: Tensor) -> Tensor:
        of_pixels = cast(Conditional, self.p[0])
        (logits,) = cast(Sequence[PackedLinear], of_pixels.heads)
        return bernoulli_linear_log_prob(x, of_pixels.hidden(parent), *logits.affine())

    def _generated(self, level: int, parent: Tensor) -> Gaussian:
        mean, raw_std = self.p[level](parent)
        return Gaussian(mean, positive_std(raw_std))

    def _prior(self, like: Tensor) -> Gaussian:
        if self.prior_mean is not None and self.prior_raw_std is not None:
            return Gaussian(self.prior_mean, positive_std(self.prior_raw_std))
        return Gaussian(like.new_zeros(like.shape[-1]), like.new_ones(like.shape[-1]))


def _normal_log_prob_diagonal(z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return normal_log_prob(z, mean, std).unsqueeze(-2)
