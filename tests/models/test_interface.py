"""What training asks of any family: pure functions, members that are as they are alone, and a sentence for mistakes."""

import random

import numpy as np
import pytest
import torch
from own import PLAIN, RENYI, WHOLE, Write
from torch import Tensor

from tmc_sweep.analysis.evaluation import block_shape
from tmc_sweep.config import TrialConfig
from tmc_sweep.errors import InputError
from tmc_sweep.models import HierarchicalVAE, Model, Parameters, build, initial, outline, try_out
from tmc_sweep.objectives import elbo, iwae, tmc
from tmc_sweep.shapes import pack_key

FAMILIES = {"vae": ("", [8, 4]), "Plain": (PLAIN, [8])}
BOUNDS = {"elbo": elbo, "iwae": iwae, "tmc": tmc}


@pytest.fixture(params=FAMILIES)
def config(request: pytest.FixtureRequest, write_module: Write) -> TrialConfig:
    source, latents = FAMILIES[request.param]
    name = f"{write_module(source)}:{request.param}" if source else request.param
    return TrialConfig.parse({"model": name, "architecture": latents, "K": 3})


def inputs(config: TrialConfig, members: int) -> tuple[Parameters, Tensor, list[Tensor]]:
    """Initial values of seeds 0, 1, …, and each seed's own images and noise."""
    generators = [torch.Generator().manual_seed(seed) for seed in range(members)]
    alone = [initial(config, generator) for generator in generators]
    parameters = {name: torch.stack([each[name] for each in alone]).requires_grad_() for name in alone[0]}
    x = torch.stack([torch.rand(5, config.n_features, generator=generator) for generator in generators])
    noise = [
        torch.stack([torch.randn(5, 3, width, generator=g) for g in generators]) for width in build(config).latents
    ]
    return parameters, x, noise


def test_the_score_is_a_function_of_what_it_is_handed_and_changes_none_of_it(config: TrialConfig):
    model, (parameters, x, noise) = build(config, 2), inputs(config, 2)
    before = [value.clone() for value in (*parameters.values(), x, *noise)]
    first, second = (model.score(parameters, x, noise, ("iwae", "tmc"), "std") for _ in range(2))
    assert [*first] == ["iwae", "tmc"]
    assert first["iwae"].shape == (2, 5)
    torch.testing.assert_close(second, first, rtol=0, atol=0)
    torch.testing.assert_close([*parameters.values(), x, *noise], before, rtol=0, atol=0)
    other = {name: value + 1.0 for name, value in parameters.items()}
    assert not torch.equal(model.score(other, x, noise, ("iwae",))["iwae"], first["iwae"])
    torch.testing.assert_close(model.score(parameters, x, noise, ("iwae",))["iwae"], first["iwae"])


def test_the_score_is_the_bounds_of_the_factors(config: TrialConfig):
    model, given = build(config, 2), inputs(config, 2)
    factors = model.factors(*given)
    scored = model.score(*given, tuple(BOUNDS))
    torch.testing.assert_close(scored, {name: bound(*factors) for name, bound in BOUNDS.items()}, rtol=0, atol=0)


def gradients(model: Model, parameters: Parameters, x: Tensor, noise: list[Tensor]) -> list[Tensor]:
    loss = -model.score(parameters, x, noise, ("iwae",))["iwae"].sum()
    return [*torch.autograd.grad(loss, [*parameters.values()])]


def test_a_member_is_what_it_is_alone_value_and_gradient(config: TrialConfig):
    parameters, x, noise = inputs(config, 3)
    packed = gradients(build(config, 3), parameters, x, noise)
    for i in range(3):
        mine = {name: value[i : i + 1] for name, value in parameters.items()}
        alone = gradients(build(config), mine, x[i : i + 1], [eps[i : i + 1] for eps in noise])
        torch.testing.assert_close([value[i : i + 1] for value in packed], alone, rtol=0, atol=0)


def test_shapes_are_those_of_one_members_parameters(config: TrialConfig):
    alone = initial(config, torch.Generator().manual_seed(0))
    assert build(config, 3).shapes == outline(config).shapes == {name: value.shape for name, value in alone.items()}


def test_initial_values_follow_from_the_seed_alone_and_no_other_numbers_are_drawn(config: TrialConfig):
    def drawn() -> list[float]:
        return [torch.rand(()).item(), random.random(), np.random.rand()]

    def seeded() -> None:
        torch.manual_seed(7), random.seed(7), np.random.seed(7)

    seeded()
    expected = drawn()
    seeded()
    first, again, other = (initial(config, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert drawn() == expected
    torch.testing.assert_close(again, first, rtol=0, atol=0)
    assert all(not torch.equal(other[name], first[name]) for name in first if name.endswith("weight"))


def test_the_built_in_family_samples_and_decodes_as_its_module_does():
    config = TrialConfig.parse({"architecture": {"latents": [8, 4]}})
    module, (parameters, x, noise) = HierarchicalVAE(config, 2), inputs(config, 2)
    module.load_state_dict(dict(parameters))
    model = build(config, 2)
    assert model.lacking == ()
    assert model.gives_diagonals
    zs = model.sample(parameters, x, noise)
    torch.testing.assert_close(zs, module.sample(x, noise), rtol=0, atol=0)
    torch.testing.assert_close(model.decode(parameters, zs[0]), module.decode(zs[0]), rtol=0, atol=0)


def test_a_family_that_is_written_for_one_trains_alone_and_its_pairs_bound_the_samples_at_once(write_module: Write):
    config = TrialConfig.parse({"model": f"{write_module(PLAIN)}:Plain", "architecture": [8]})
    ours = TrialConfig.parse({"architecture": [8]})
    assert [pack_key(each) == each.trial_id for each in (config, ours)] == [True, False]
    assert [block_shape(each, "iwae", 5000)[1] for each in (config, ours)] == [50, 256]


def test_what_a_family_of_ones_own_has_beyond_factors_is_known(write_module: Write):
    name = write_module(WHOLE)
    plain, whole = (TrialConfig.parse({"model": f"{name}:{of}", "architecture": [8]}) for of in ("Plain", "Whole"))
    assert build(plain).lacking == ("sample", "decode")
    model, (parameters, x, noise) = build(whole, 2), inputs(whole, 2)
    assert model.lacking == ()
    assert not model.gives_diagonals
    (z,) = model.sample(parameters, x, noise)
    assert model.decode(parameters, z).shape == (2, 5, 3, 64)


def test_a_bound_of_ones_own_is_scored_beside_the_others(write_module: Write):
    config = TrialConfig.parse({"objective": f"{write_module(RENYI)}:renyi", "architecture": [8], "K": 3})
    scored = build(config).score(*inputs(config, 1), ("elbo", config.objective, "iwae"))
    assert (scored["elbo"] < scored[config.objective]).all()
    assert (scored[config.objective] < scored["iwae"]).all()


LAYOUTS = {
    "log_p[0] must be [..., 2, 1] (K_parent, K_child), but got [1, 2, 1, 2]": (
        PLAIN.replace("[log_px.unsqueeze(-1),", "[log_px.unsqueeze(-2),"),
        PLAIN,
        {"model": "{}:Plain"},
    ),
    "mat1 and mat2 shapes cannot be multiplied": (
        PLAIN.replace("self.encoder(x)", "self.encoder(x[:, 1:])"),
        PLAIN,
        {"model": "{}:Plain"},
    ),
    "[]": (RENYI.replace("/ 2, -1)", "/ 2, -1).mean()"), RENYI, {"objective": "{}:renyi"}),
}


@pytest.mark.parametrize("why", LAYOUTS)
def test_what_does_not_go_together_is_found_without_training_and_once_corrected_passes(write_module: Write, why: str):
    wrong, right, fields = LAYOUTS[why]
    name = write_module(wrong)
    fields = {field: value.format(name) for field, value in fields.items()}
    config = TrialConfig.parse({"architecture": [8], "K": 3, **fields})
    with pytest.raises(InputError) as refused:
        try_out([config])
    said = str(refused.value)
    assert said.startswith("a model must give factors that bounds can take, but ")
    assert (f" with objective {config.objective} does not (" in said, why in said) == (True, True)
    write_module(right)
    try_out([config, config.model_copy(update={"lr": 0.1, "K": 1})])


MISTAKES = {
    "a model must be made of its configuration, but {} is not (ValueError: too many values to unpack (expected 1)): "
    "correct it, or the fields that it reads": (
        PLAIN.replace("self.latents = config.architecture.latents", "self.latents = [8, 4]").replace("Plain", "Made"),
        PLAIN.replace("Plain", "Made"),
    ),
    "a model must be one of torch's modules, but {} makes 'a word': derive it from them": (
        "def Made(config): return 'a word'",
        PLAIN.replace("Plain", "Made"),
    ),
    "a model must say how wide its noise is, but {} does not: set self.latents = [8], say": (
        PLAIN.replace("self.latents", "latents").replace("Plain", "Made"),
        PLAIN.replace("Plain", "Made"),
    ),
    "a model must keep nothing but parameters, but {} has the buffer 0.running_mean: make it a parameter": (
        "from torch import nn\ndef Made(config):\n    made = nn.Sequential(nn.BatchNorm1d(3))\n    made.latents = [8]\n"
        "    return made",
        "from torch import nn\ndef Made(config):\n    made = nn.Sequential(nn.Linear(3, 3))\n    made.latents = [8]\n"
        "    return made",
    ),
}


@pytest.mark.parametrize("sentence", MISTAKES)
def test_a_module_that_cannot_be_called_so_is_refused_until_it_can_be(write_module: Write, sentence: str):
    wrong, right = MISTAKES[sentence]
    config = TrialConfig.parse({"model": f"{write_module(wrong)}:Made", "architecture": [8]})
    with pytest.raises(InputError) as refused:
        build(config)
    assert str(refused.value) == sentence.format(config.model)
    write_module(right)
    assert build(config).latents == (8,)
