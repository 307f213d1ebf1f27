"""The gaps on the linear-Gaussian chain against what linear algebra says of it."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, kl_divergence

from tmc_sweep.errors import InputError
from tmc_sweep.objectives import toy


def table(**given: object) -> dict[tuple[str, str, int], toy.Gap]:
    return {(gap.proposal, gap.bound, gap.K): gap for gap in toy.gaps(**given)}


def chain(n: int, shift: float, spread: float) -> MultivariateNormal:
    """z_l = 0.8 z_{l-1} + 0.6 (shift + spread · ε) from x on: q, and with 0 and 1 the posterior."""
    solved = torch.linalg.inv(torch.eye(n) - 0.8 * torch.eye(n).roll(1, 0).tril())
    of_x = 0.8 * toy.X * torch.eye(n)[0]
    return normal(solved @ (of_x + 0.6 * shift), (0.6 * spread) ** 2 * solved @ solved.T)


def normal(mean: Tensor, covariance: Tensor) -> MultivariateNormal:
    return MultivariateNormal(mean.double(), covariance.double())


def independent(n: int, shift: float, spread: float) -> MultivariateNormal:
    posterior = chain(n, 0, 1)
    std = posterior.variance.sqrt()
    return normal(posterior.mean + shift * std, torch.diag((spread * std) ** 2))


@pytest.mark.parametrize("n", [1, 4])
def test_the_gap_of_the_elbo_is_the_kl_divergence(n: int):
    found = table(latents=n, shift=0.4, spread=1.3, ks=(1, 3))
    for name, proposal in (("nonfactorised", chain), ("factorised", independent)):
        expected = kl_divergence(proposal(n, 0.4, 1.3), chain(n, 0, 1)).item()
        for k in (1, 3):
            gap = found[name, "elbo", k]
            assert abs(gap.gap - expected) < 4 * gap.standard_error < 0.2 * expected + 0.1


def test_with_the_exact_posterior_there_is_no_gap():
    found = table(draws=100, shift=0.0, spread=1.0, ks=(3,))
    assert all(abs(found["nonfactorised", name, 3].gap) < 1e-12 for name in ("elbo", "iwae", "tmc"))
    assert found["factorised", "tmc", 3].gap > 0.1


def test_the_gap_does_not_depend_on_x(monkeypatch: pytest.MonkeyPatch):
    before = toy.gaps(draws=50, ks=(4,))
    monkeypatch.setattr(toy, "X", -7.0)
    monkeypatch.setattr(toy, "LOG_EVIDENCE", -0.5 * (49 + math.log(2 * math.pi)))
    assert [gap.gap for gap in toy.gaps(draws=50, ks=(4,))] == pytest.approx([gap.gap for gap in before], abs=1e-10)


def test_with_one_sample_all_bounds_are_one_and_with_more_tmc_is_nearest_if_factorised():
    found = table(ks=(1, 2, 10))
    for proposal in ("nonfactorised", "factorised"):
        elbo, iwae, tmc = (found[proposal, name, 1].gap for name in ("elbo", "iwae", "tmc"))
        assert elbo == pytest.approx(iwae, abs=1e-10) == pytest.approx(tmc, abs=1e-10)
    for k in (2, 10):
        iwae, tmc = (found["factorised", name, k] for name in ("iwae", "tmc"))
        assert tmc.gap + 5 * tmc.standard_error < iwae.gap - 5 * iwae.standard_error


def test_no_draw_is_lost_between_blocks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(toy, "_PAIRS", 3 * 2**2 * 7)
    below = toy._below("factorised", 3, 20, 2, 0.5, 1.2, torch.Generator().manual_seed(0))
    assert [len(values) for values in below.values()] == [20, 20, 20]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"latents": 0}, "latents must be a number from 1 to 100, but got 0"),
        ({"draws": 1}, "draws must be a number from 2 to 1e+07, but got 1"),
        ({"seed": -1}, "seed must be a number from 0 to 9.22337e+18, but got -1"),
        ({"shift": math.nan}, "shift must be a number from -100 to 100, but got nan"),
        ({"spread": 0.0}, "spread must be a number from 0.01 to 100, but got 0.0"),
    ],
    ids=str,
)
def test_a_number_out_of_its_range_is_refused(given: dict[str, float], says: str):
    with pytest.raises(InputError) as error:
        toy.gaps(**given)
    assert str(error.value) == says


@pytest.mark.parametrize(
    "given", [{"shift": 100.0}, {"shift": -100.0, "spread": 0.01}, {"spread": 100.0, "latents": 100}]
)
def test_at_the_ends_of_the_ranges_all_is_finite(given: dict[str, float]):
    assert all(math.isfinite(gap.gap) for gap in toy.gaps(draws=2, ks=(1, 5), **given))
