"""The models against a naive reference, their sizes, and what must not leak between members and images."""

import pytest
import reference
import torch
from torch import Tensor

from tmc_sweep.config import TrialConfig
from tmc_sweep.models import HierarchicalVAE
from tmc_sweep.shapes import count_parameters

SHAPES = {
    "nonfactorised": {},
    "factorised": {"proposal": "factorised"},
    "learned prior": {"prior": "learned"},
    "weight norm": {"weight_norm": True},
    "one latent": {"architecture": {"latents": [6]}},
    "everything": {"proposal": "factorised", "prior": "learned", "weight_norm": True},
}


def configured(**fields: object) -> TrialConfig:
    return TrialConfig.parse({"architecture": {"latents": [6, 4, 2], "q_hidden": [9, 8, 5]}, "K": 3, **fields})


def model_of(config: TrialConfig, members: int = 1, seed: int = 0) -> HierarchicalVAE:
    """A model whose parameters are all random, biases, scales and prior included."""
    model, generator = HierarchicalVAE(config, members), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            fan_in = parameter.shape[-2] if name.endswith("weight") else 1
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / fan_in**0.5)
    return model


def inputs(config: TrialConfig, members: int = 1, batch: int = 5) -> tuple[Tensor, list[Tensor]]:
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(members, batch, config.n_features, generator=generator)
    latents = config.architecture.latents
    return x, [torch.randn(members, batch, config.K, width, generator=generator) for width in latents]


def parameters_of(model: HierarchicalVAE, member: int) -> dict[str, Tensor]:
    return {name: parameter[member] for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("preset, count", [("small", 295_672), ("large", 1_007_368)])
def test_the_articles_models_have_their_parameter_counts(preset: str, count: int):
    assert count_parameters(TrialConfig.parse({"data": "mnist", "architecture": preset})) == count


def conditional_size(n_in: int, hidden: int, *heads: int) -> int:
    return (n_in + 1) * hidden + (hidden + 1) * hidden + sum((hidden + 1) * head for head in heads)


def test_parameter_counts_by_hand():
    def count(**fields: object) -> int:
        return count_parameters(TrialConfig.parse({"data": "mnist", **fields}))

    ablation = conditional_size(784, 200, 4, 4) + conditional_size(4, 200, 784)
    q = conditional_size(784, 100, 50, 50) + conditional_size(50, 100, 2, 2)
    p = conditional_size(50, 100, 784) + conditional_size(2, 100, 50, 50)
    assert count(architecture="ablation") == ablation
    assert count(architecture="clustering") == p + q
    assert count(architecture="clustering", prior="learned") == p + q + 2 * 2
    assert count(architecture="clustering", proposal="factorised") == p + q + 101 * 50
    outputs = 4 * (100 + 100) + 50 + 50 + 2 + 2 + 784 + 50 + 50
    assert count(architecture="clustering", weight_norm=True) == p + q + outputs


@pytest.mark.parametrize("fields", SHAPES.values(), ids=SHAPES)
def test_samples_and_factors_equal_the_naive_reference(fields: dict[str, object]):
    config = configured(**fields)
    model, (x, noise) = model_of(config, 2).double(), inputs(config, 2)
    x, noise = x.double(), [eps.double() for eps in noise]
    proposal = model.propose(x, noise)
    log_p, log_q = model.factors(x, proposal)
    for member in range(2):
        expected = reference.factors(config, parameters_of(model, member), x[member], [eps[member] for eps in noise])
        got = [[part[member] for part in parts] for parts in (proposal.zs, log_p, log_q)]
        torch.testing.assert_close(got, list(expected), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("fields", SHAPES.values(), ids=SHAPES)
def test_without_pairs_the_factors_are_the_diagonals(fields: dict[str, object]):
    config = configured(**fields)
    model, (x, noise) = model_of(config), inputs(config)
    proposal = model.propose(x, noise)
    for with_pairs, without in zip(model.factors(x, proposal), model.factors(x, proposal, pairs=False), strict=True):
        for table, diagonal in zip(with_pairs, without, strict=True):
            if 1 not in table.shape[-2:]:
                table = table.diagonal(dim1=-2, dim2=-1).unsqueeze(-2)
            torch.testing.assert_close(table, diagonal, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("proposal", ["nonfactorised", "factorised"])
def test_sample_k_depends_on_its_own_ancestors_only(proposal: str):
    config = configured(proposal=proposal)
    model, (x, noise) = model_of(config), inputs(config)
    before = model.sample(x, noise)
    noise[0][0, 1, 2, 0] += 1.0  # image 1, sample 2 of z_1
    changed = [(new != old).any(-1) for new, old in zip(model.sample(x, noise), before, strict=True)]
    for level, moved in enumerate(changed):
        assert moved.nonzero().tolist() == ([[0, 1, 2]] if level == 0 or proposal == "nonfactorised" else [])


def scores(model: HierarchicalVAE, x: Tensor, noise: list[Tensor]) -> Tensor:
    log_p, log_q = model(x, noise)
    return sum(factor.sum((-1, -2)) for factor in (*log_p, *log_q))  # [member, batch]


def test_no_gradient_leaks_between_members_or_images():
    config = configured(proposal="factorised", prior="learned", weight_norm=True)
    model, (x, noise) = model_of(config, 3), inputs(config, 3)
    x.requires_grad_()
    scores(model, x, noise)[1, 2].backward()
    assert x.grad.any(-1).nonzero().tolist() == [[1, 2]]
    for name, parameter in model.named_parameters():
        assert parameter.grad.flatten(1).any(-1).tolist() == [False, True, False], name


def test_gradients_flow_through_the_samples_into_the_encoder():
    config = configured()
    model, (x, noise) = model_of(config), inputs(config)
    model(x, noise)[0][0].sum().backward()  # log p(x | z_1) alone
    assert model.q[0].first.weight.grad.any()


def initialised(config: TrialConfig, members: int, member: int, seed: int) -> HierarchicalVAE:
    model = HierarchicalVAE(config, members)
    model.initialise(member, config, torch.Generator().manual_seed(seed))
    return model


@pytest.mark.parametrize("init", ["glorot_uniform", "torch"])
def test_a_member_starts_with_the_values_it_has_alone(init: str):
    config = configured(init=init, prior="learned", weight_norm=True, proposal="factorised")
    alone = parameters_of(initialised(config, 1, 0, seed=7), 0)
    packed = parameters_of(initialised(config, 3, 2, seed=7), 2)
    other = parameters_of(initialised(config, 1, 0, seed=8), 0)
    assert all(torch.equal(alone[name], packed[name]) for name in alone)
    assert not any(torch.equal(alone[name], other[name]) for name in alone if name.endswith("weight"))


def test_a_learned_prior_starts_as_the_standard_one():
    model = initialised(configured(prior="learned"), 1, 0, seed=0)
    mean, std = model._prior(torch.empty(0))
    torch.testing.assert_close((mean, std), (torch.zeros_like(mean), torch.ones_like(std)), rtol=0, atol=1e-6)
