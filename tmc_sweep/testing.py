"""Tests that every family of models should pass, for whoever has one of their own.

Derive a class from `FactorModelTestCase` and name a configuration; pytest then runs all tests on it:

    # test_mine.py
    class TestPlain(FactorModelTestCase):
        config = TrialConfig.parse({"model": "mine:Plain", "architecture": [3]})

They take a second for a small configuration. Each test's docstring says what is wrong if the
test fails. This module needs no pytest: the methods may be called as they are.
"""

import math
from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

from tmc_sweep.config import TrialConfig
from tmc_sweep.models import Parameters, build, initial
from tmc_sweep.objectives import tmc

_IMAGES, _SAMPLES = 2, 2


class FactorModelTestCase:
    """The tests of one family of models, on the model of `config`, which a subclass names.

    Of the configuration only shapes are used: images are random, and there are few samples.
    """

    config: TrialConfig

    def inputs(self, members: int = 1, dtype: torch.dtype = torch.float32) -> tuple[Parameters, Tensor, list[Tensor]]:
        """What `Model.factors` is called with, for as many members, each with random numbers of its own.

        Parameters, which require gradients; images [member, 2, features] in [0, 1]; and noise [member, 2, 2, width] for
        each latent.
        """
        generators = [torch.Generator().manual_seed(member) for member in range(members)]
        alone = [initial(self.config, generator) for generator in generators]
        parameters = {name: torch.stack([each[name] for each in alone]).to(dtype) for name in alone[0]}
        x = torch.stack([torch.rand(_IMAGES, self.config.n_features, generator=g) for g in generators])
        noise = [
            torch.stack([torch.randn(_IMAGES, _SAMPLES, width, generator=g) for g in generators])
            for width in build(self.config).latents
        ]
        return (
            {name: value.requires_grad_() for name, value in parameters.items()},
            x.to(dtype),
            [eps.to(dtype) for eps in noise],
        )

    def test_the_contraction_is_the_mean_over_all_combinations_of_samples(self) -> None:
        """Else factors do not have the layout of objectives/bounds.py: one per latent and the data, [parent, child]."""
        log_p, log_q = build(self.config).factors(*self.inputs(dtype=torch.float64))
        torch.testing.assert_close(tmc(log_p, log_q), enumerated_tmc(log_p, log_q))

    def test_a_sample_of_the_last_latent_moves_its_own_entries_alone(self) -> None:
        """Else parents and children are exchanged, or a sample reaches another's density."""
        model, (parameters, x, noise) = build(self.config), self.inputs()
        log_p, log_q = model.factors(parameters, x, noise)
        moved = [*noise[:-1], noise[-1].index_add(2, torch.tensor([1]), torch.ones_like(noise[-1][:, :, :1]))]
        log_p_after, log_q_after = model.factors(parameters, x, moved)
        before, after = [*log_p, *log_q], [*log_p_after, *log_q_after]
        others = {
            len(log_p) - 1: (slice(None), slice(0, 1)),  # log p(z_n): another child
            len(log_p) - 2: (slice(0, 1), slice(None)),  # log p(z_{n-1} | z_n), or of the data: another parent
            len(before) - 1: (slice(None), slice(0, 1)),  # log q(z_n | ·): another child
        }
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            rows, columns = others.get(number, (slice(None), slice(None)))
            torch.testing.assert_close(new[..., rows, columns], old[..., rows, columns], rtol=1e-5, atol=1e-5)
        if torch.equal(log_p_after[-1][..., 1], log_p[-1][..., 1]):
            raise AssertionError("log p(z_n) must depend on the sample of z_n that was moved, but does not")

    def test_diagonals_are_those_of_the_pairs(self) -> None:
        """Else ELBO and IWAE, which need no pairs, are of other samples than TMC."""
        model, given = build(self.config), self.inputs()
        for with_pairs, without in zip(model.factors(*given), model.factors(*given, pairs=False), strict=True):
            for pairs, diagonal in zip(with_pairs, without, strict=True):
                torch.testing.assert_close(_diagonal(diagonal), _diagonal(pairs), rtol=1e-4, atol=1e-4)

    def test_a_member_is_what_it_is_alone(self) -> None:
        """Else what a trial gives depends on who trains beside it."""
        parameters, x, noise = self.inputs(2)
        together = build(self.config, 2).factors(parameters, x, noise)
        for i in range(2):
            mine = {name: value[i : i + 1] for name, value in parameters.items()}
            alone = build(self.config).factors(mine, x[i : i + 1], [eps[i : i + 1] for eps in noise])
            for parts, own in zip(together, alone, strict=True):
                torch.testing.assert_close([part[i : i + 1] for part in parts], list(own), rtol=1e-5, atol=1e-5)

    def test_the_same_inputs_give_the_same_bits(self) -> None:
        """Else the model draws random numbers, or keeps something, between calls: no trial would be reproduced."""
        model, given = build(self.config), self.inputs()
        for first, again in zip(model.factors(*given), model.factors(*given), strict=True):
            torch.testing.assert_close(list(again), list(first), rtol=0, atol=0)

    def test_the_gradient_is_that_of_small_differences(self) -> None:
        """Else a backward pass of its own is wrong, or something that training must reach is detached."""
        model, (parameters, x, noise) = build(self.config), self.inputs(dtype=torch.float64)

        def value(at: Parameters) -> Tensor:
            return model.score(at, x, noise, ("iwae",))["iwae"].sum()

        gradients = torch.autograd.grad(value(parameters), [*parameters.values()], materialize_grads=True)
        generator = torch.Generator().manual_seed(0)
        direction = [torch.randn(v.shape, generator=generator, dtype=v.dtype) for v in parameters.values()]
        ends = [
            value({n: v.detach() + step * d for (n, v), d in zip(parameters.items(), direction, strict=True)}).detach()
            for step in (1e-6, -1e-6)
        ]
        along = sum(((g * d).sum() for g, d in zip(gradients, direction, strict=True)), torch.zeros(()))
        torch.testing.assert_close(along, (ends[0] - ends[1]) / 2e-6, rtol=1e-4, atol=1e-4, check_dtype=False)


def _diagonal(factor: Tensor) -> Tensor:
    if factor.shape[-2] == 1:
        return factor.squeeze(-2)
    return factor.squeeze(-1) if factor.shape[-1] == 1 else factor.diagonal(dim1=-2, dim2=-1)


def enumerated_tmc(log_p: Sequence[Tensor], log_q: Sequence[Tensor], *, mixture: bool = True) -> Tensor:
    """TMC as the article's Eq. (3) has it: the log of the mean weight over all Kⁿ paths, one after the other, in nats.

    What `tmc`, which contracts the chain, must equal. With `mixture`, each denominator is the mixture over all parents;
    without, it is the literal q(z_l | its own parent), whose estimate of p(x) is biased.
    """
    n, weights = len(log_q), []
    for path in product(*(range(factor.shape[-1]) for factor in log_q)):
        weight = log_p[0][..., path[0], 0] + log_p[n][..., 0, path[-1]]
        for level in range(1, n):
            weight = weight + log_p[level][..., path[level], path[level - 1]]
        for level, factor in enumerate(log_q):
            of_sample = factor[..., path[level]]  # by parent
            parent = 0 if of_sample.shape[-1] == 1 else path[level - 1]
            mixed = of_sample.logsumexp(-1) - math.log(of_sample.shape[-1])
            weight = weight - (mixed if mixture else of_sample[..., parent])
        weights.append(weight)
    return torch.stack(weights).logsumexp(0) - math.log(len(weights))
