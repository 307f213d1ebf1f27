"""TMC with a factorised proposal: ours, Pyro's TraceTMC_ELBO and the sum over all combinations, value and gradient."""

import pytest
import reference
import torch
from torch import Tensor

from benchmarks.pyro import PyroVAE, pyro
from tmc_sweep.config import TrialConfig
from tmc_sweep.models import HierarchicalVAE
from tmc_sweep.objectives import tmc

ValueAndGradients = tuple[Tensor, dict[str, Tensor]]


def with_gradients(value: Tensor, weights: dict[str, Tensor]) -> ValueAndGradients:
    return value.detach(), dict(zip(weights, torch.autograd.grad(value, [*weights.values()]), strict=True))


def pyros(config: TrialConfig, model: HierarchicalVAE, x: Tensor) -> tuple[ValueAndGradients, list[Tensor]]:
    """In the layout of our weights, and the noise behind the samples that Pyro drew."""
    pyro.set_rng_seed(0)
    theirs = PyroVAE(config, model).double()
    with pyro.validation_enabled(False):  # pixels between 0 and 1
        value, gradients = with_gradients(-theirs(x), dict(theirs.named_parameters()))
    zs = [z.detach().flatten(0, -3).transpose(0, 1) for z in theirs.zs]
    conditionals = model.propose(x.unsqueeze(0), [z.unsqueeze(0) for z in zs]).conditionals  # which depend on x only
    noise = [((z - mean) / std).detach()[0] for z, (mean, std) in zip(zs, conditionals, strict=True)]
    ours = {name: value.T if name.endswith("weight") else value.unsqueeze(0) for name, value in gradients.items()}
    return (value, ours), noise


@pytest.mark.parametrize("latents", [[3], [4, 2], [4, 3, 2]], ids=len)
@pytest.mark.parametrize("K", [2, 4])
def test_value_and_gradient_are_pyros_and_the_enumerations(latents: list[int], K: int):
    config = TrialConfig.parse({"architecture": {"latents": latents}, "proposal": "factorised", "K": K})
    model = HierarchicalVAE(config)
    model.initialise(0, config, torch.Generator().manual_seed(0))
    model.double()  # only now: the copies for Pyro are made in float32
    x = torch.rand(5, config.n_features, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected, noise = pyros(config, model, x)

    weights = {name: weight[0].detach().requires_grad_() for name, weight in model.named_parameters()}
    enumerated = reference.enumerated_tmc(*reference.factors(config, weights, x, noise)[1:]).sum()
    factors = model(x.unsqueeze(0), [eps.unsqueeze(0) for eps in noise])
    value, gradients = with_gradients(tmc(*factors).sum(), dict(model.named_parameters()))
    ours = value, {name: gradient[0] for name, gradient in gradients.items()}
    for other in (expected, with_gradients(enumerated, weights)):
        torch.testing.assert_close(ours, other, rtol=1e-9, atol=1e-9)
