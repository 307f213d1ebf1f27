"""The article's step written plainly, to be measured against: K copies of x, torch.distributions, K×K×d blocks.

Like Algorithm 1 it scores every sample under every parent, for IWAE too (which then takes the diagonal), and contracts
with Appendix A's product. Unlike both published codes it runs each encoder layer once a step, not twice.
"""

import math

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Normal
from torch.nn.functional import leaky_relu, softplus

from tmc_sweep.config import TrialConfig
from tmc_sweep.models import HierarchicalVAE


class ReferenceVAE(nn.Module):
    """The non-factorised model with a standard prior, one trial, with the weights of ours."""

    def __init__(self, config: TrialConfig, ours: HierarchicalVAE) -> None:
        super().__init__()
        self.q = nn.ModuleList(_stack(module) for module in ours.q)
        self.p = nn.ModuleList(_stack(module) for module in ours.p)
        self.objective = config.objective

    def forward(self, x: Tensor, noise: list[Tensor]) -> Tensor:
        """The bound per image; x [batch, d], noise [k, batch, d_l] for each latent."""
        k = noise[0].shape[0]
        parent = x.expand(k, *x.shape)
        zs, log_q, log_p = [], [], []
        for q, eps in zip(self.q, noise, strict=True):
            conditional = _normal(q, parent)
            zs.append(conditional.loc + conditional.scale * eps)
            log_q.append(_pairs(conditional, zs[-1]))
            parent = zs[-1]
        for level in range(1, len(zs)):
            log_p.append(_pairs(_normal(self.p[level], zs[level]), zs[level - 1]))
        of_top = Normal(0.0, 1.0).log_prob(zs[-1]).sum(-1)
        pixels = Bernoulli(logits=_outputs(self.p[0], zs[0])[0], validate_args=False)
        of_data = pixels.log_prob(x.expand(k, *x.shape)).sum(-1)
        return (_tmc if self.objective == "tmc" else _iwae)(of_data, log_p, of_top, log_q)


def _stack(module: nn.Module) -> nn.ModuleList:
    linears = [module.first, module.second, *module.heads]
    copies = nn.ModuleList(nn.Linear(ours.weight.shape[1], ours.weight.shape[2]) for ours in linears)
    with torch.no_grad():
        for copy, ours in zip(copies, linears, strict=True):
            copy.weight.copy_(ours.weight[0].T)
            copy.bias.copy_(ours.bias[0, 0])
    return copies


def _outputs(linears: nn.ModuleList, x: Tensor) -> list[Tensor]:
    first, second, *heads = linears
    hidden = leaky_relu(second(leaky_relu(first(x), 0.1)), 0.1)
    return [head(hidden) for head in heads]


def _normal(linears: nn.ModuleList, x: Tensor) -> Normal:
    mean, raw_std = _outputs(linears, x)
    return Normal(mean, 0.01 + softplus(raw_std), validate_args=False)


def _pairs(parents: Normal, z: Tensor) -> Tensor:
    """[k_parent, k_child, batch], through the K×K×d block."""
    every = Normal(parents.loc.unsqueeze(1), parents.scale.unsqueeze(1), validate_args=False)
    return every.log_prob(z.unsqueeze(0)).sum(-1)


def _iwae(of_data: Tensor, log_p: list[Tensor], of_top: Tensor, log_q: list[Tensor]) -> Tensor:
    diagonals = [block.diagonal().T for block in (*log_p, *log_q)]
    log_w = of_data + of_top + sum(diagonals[: len(log_p)]) - sum(diagonals[len(log_p) :])
    return log_w.logsumexp(0) - math.log(len(log_w))


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
