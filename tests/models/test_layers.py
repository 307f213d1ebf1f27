"""Initial values, weight normalisation, and the stds' floor."""

import pytest
import torch
from torch import Generator, nn

from tmc_sweep.models.layers import MIN_STD, PackedLinear, positive_std


def initialised(init: str, *, members: int = 1, weight_norm: bool = False) -> PackedLinear:
    layer = PackedLinear(members, 400, 200, weight_norm)
    for member in range(members):
        layer.initialise(member, init, Generator().manual_seed(member))
    return layer


@pytest.mark.parametrize(("init", "bound"), [("glorot_uniform", 0.1), ("torch", 0.05)])
def test_initial_weights_are_uniform_within_their_bound(init: str, bound: float):
    weight = initialised(init).weight  # sqrt(6 / (400 + 200)), and 1 / sqrt(400)
    assert 0.999 * bound < weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.01)
    assert abs(weight.mean().item()) < 0.01 * bound


def test_initial_biases_are_zero_or_torchs():
    assert not initialised("glorot_uniform").bias.any()
    assert 0.045 < initialised("torch").bias.abs().max() <= 0.05


def test_the_bounds_are_those_of_torchs_own_initialisers():
    linear = nn.Linear(400, 200)
    assert linear.weight.abs().max().item() == pytest.approx(0.05, rel=1e-3)
    nn.init.xavier_uniform_(linear.weight)
    assert linear.weight.abs().max().item() == pytest.approx(0.1, rel=1e-3)


def test_weight_norm_leaves_the_initial_layer_as_it_was():
    x = torch.randn(2, 3, 4, 400, generator=Generator().manual_seed(0))
    plain, normed = (initialised("torch", members=2, weight_norm=given) for given in (False, True))
    assert torch.equal(plain.weight, normed.weight)
    torch.testing.assert_close(normed(x), plain(x), rtol=1e-6, atol=1e-6)


def test_weight_norm_makes_the_output_depend_on_directions_and_scales_only():
    x = torch.randn(1, 3, 4, 400, generator=Generator().manual_seed(0))
    layer = initialised("glorot_uniform", weight_norm=True)
    before = layer(x)
    with torch.no_grad():
        layer.weight *= torch.linspace(0.5, 2, 200)
    torch.testing.assert_close(layer(x), before, rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        layer.scale *= 2
    torch.testing.assert_close(layer(x), 2 * before, rtol=1e-5, atol=1e-5)


def test_stds_have_a_floor_of_a_hundredth():
    raw = torch.tensor([-1000.0, -20.0, -1.0, 0.0, 1.0, 50.0], dtype=torch.float64, requires_grad=True)
    expected = 0.01 + nn.functional.softplus(raw)
    torch.testing.assert_close(positive_std(raw), expected, rtol=1e-12, atol=0)
    got, wanted = (torch.autograd.grad(value.sum(), raw) for value in (positive_std(raw), expected))
    torch.testing.assert_close(got, wanted, rtol=1e-12, atol=0)
    assert positive_std(raw)[0] == 0.01
    assert torch.autograd.gradcheck(positive_std, raw)


def test_a_std_near_its_floor_is_as_exact_as_float32_is():
    raw = torch.linspace(-14, -8, 1001)
    exact = MIN_STD + raw.double().exp().log1p()
    torch.testing.assert_close(positive_std(raw).double(), exact, rtol=3e-7, atol=0)
