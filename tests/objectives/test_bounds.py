"""The bounds against enumeration of all paths, against a chain whose evidence is known, and at the edges of floats."""

import pytest
import torch
from factors import Chain, Factors, random_factors
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import enumerated_iwae, enumerated_log_weights, enumerated_tmc
from torch import Tensor

from tmc_sweep.errors import InputError
from tmc_sweep.objectives import chain_log_weights, elbo, iwae, logmeanexp, mixture_log_prob, tmc

TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}
BOUNDS = {"elbo": elbo, "iwae": iwae, "tmc": tmc}


def check_bound(factors: Factors) -> None:
    """TMC, and IWAE and ELBO where every latent has the same K, equal their enumeration in value and gradient."""
    log_p, log_q = factors
    pairs = [(tmc(*factors), enumerated_tmc(*factors))]
    if len({factor.shape[-1] for factor in log_q}) == 1:
        weights = enumerated_log_weights(*factors)
        pairs += [(iwae(*factors), enumerated_iwae(*factors)), (elbo(*factors), weights.mean(-1))]
    for value, expected in pairs:
        torch.testing.assert_close(value, expected, rtol=0, atol=TOLERANCE[torch.float64])
        cotangent = torch.linspace(1, 2, value.numel(), dtype=value.dtype).reshape(value.shape)
        got, wanted = (
            torch.autograd.grad(bound, [*log_p, *log_q], cotangent, allow_unused=True, materialize_grads=True)
            for bound in (value, expected)
        )
        torch.testing.assert_close(got, wanted, rtol=0, atol=TOLERANCE[torch.float64])


@pytest.mark.parametrize("factorised", [False, True])
@pytest.mark.parametrize("K", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_the_bounds_equal_the_enumeration_of_all_paths(n: int, K: int, factorised: bool):
    check_bound(random_factors([K] * n, factorised=factorised, seed=n))


@pytest.mark.parametrize("factorised", [False, True])
@pytest.mark.parametrize("samples", [(2, 3), (3, 1), (1, 3, 2), (3, 2, 1, 2)])
def test_tmc_takes_another_number_of_samples_for_each_latent(samples: tuple[int, ...], factorised: bool):
    check_bound(random_factors(samples, factorised=factorised))


@settings(max_examples=20, derandomize=True)
@given(samples=st.lists(st.integers(1, 3), min_size=1, max_size=3), leading=st.lists(st.integers(1, 3), max_size=2))
def test_leading_dimensions_are_free(samples: list[int], leading: list[int]):
    factors = random_factors(samples, leading=tuple(leading))
    assert tmc(*factors).shape == tuple(leading)
    check_bound(factors)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_with_one_sample_the_three_bounds_are_one(n: int):
    factors = random_factors([1] * n)
    torch.testing.assert_close(tmc(*factors), elbo(*factors), rtol=0, atol=1e-12)
    torch.testing.assert_close(iwae(*factors), elbo(*factors), rtol=0, atol=1e-12)


def test_with_one_latent_tmc_is_iwae():
    factors = random_factors([7])
    torch.testing.assert_close(tmc(*factors), iwae(*factors), rtol=0, atol=1e-12)


def test_iwae_and_elbo_take_diagonals_for_pairs():
    log_p, log_q = random_factors([4, 4, 4])
    diagonals = [
        [f if 1 in f.shape[-2:] else f.diagonal(dim1=-2, dim2=-1).unsqueeze(-2) for f in factors]
        for factors in (log_p, log_q)
    ]
    torch.testing.assert_close(chain_log_weights(*diagonals), enumerated_log_weights(log_p, log_q))


@pytest.mark.parametrize("n", [1, 3, 5])
def test_with_the_exact_posterior_every_draw_gives_the_evidence(n: int):
    chain, x = Chain(n=n), torch.linspace(-3, 3, 50, dtype=torch.float64)
    factors = chain.factors(x, 6, seed=0)
    for bound in (elbo, iwae, tmc):
        torch.testing.assert_close(bound(*factors), chain.log_evidence(x), rtol=0, atol=1e-10)


def evidence_ratio(log_bound: Tensor, x: Tensor) -> tuple[float, float]:
    """Mean of exp(bound)/p(x) and that mean's standard error: 1 for an unbiased estimate of p(x)."""
    ratio = (log_bound - Chain().log_evidence(x)).exp()
    return ratio.mean().item(), ratio.std().item() / len(ratio) ** 0.5


@pytest.mark.parametrize("factorised", [False, True])
@pytest.mark.parametrize("bound", [iwae, tmc])
def test_the_estimates_of_the_evidence_are_unbiased(bound, factorised: bool):
    x = torch.full((100_000,), 0.5, dtype=torch.float64)
    mean, error = evidence_ratio(bound(*Chain().factors(x, 4, seed=1, factorised=factorised, wrong_by=0.2)), x)
    assert error < 0.01
    assert abs(mean - 1) < 5 * error


def test_the_articles_equation_read_literally_is_biased_and_would_be_refused():
    x = torch.full((100_000,), 0.5, dtype=torch.float64)
    factors = Chain().factors(x, 4, seed=1, wrong_by=0.2)
    mean, error = evidence_ratio(enumerated_tmc(*factors, mixture=False), x)
    assert mean < 0.8
    assert error < 0.01


def test_with_a_factorised_proposal_tmc_is_above_iwae_in_expectation():
    x = torch.full((20_000,), 0.5, dtype=torch.float64)
    factors = Chain().factors(x, 4, seed=2, factorised=True, wrong_by=0.2)
    gain = tmc(*factors) - iwae(*factors)
    assert gain.mean() > 0.1 > 10 * gain.std() / len(gain) ** 0.5
    assert gain.min() < 0  # never a claim about one draw


@pytest.mark.parametrize("bound", BOUNDS.values(), ids=BOUNDS)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_a_batch_equals_its_examples_one_by_one_however_far_apart(bound, dtype: torch.dtype):
    log_p, log_q = random_factors([3, 3, 3], leading=(3,), dtype=dtype)
    log_p[0] = log_p[0] + torch.tensor([0, -2000, 2000], dtype=dtype)[:, None, None]
    together = bound(log_p, log_q)
    alone = [bound([f[i : i + 1] for f in log_p], [f[i : i + 1] for f in log_q]) for i in range(3)]
    assert together.isfinite().all()
    assert torch.equal(together, torch.cat(alone))


@pytest.mark.parametrize("bound", [iwae, tmc])
def test_float32_is_finite_at_scales_of_3000_nats_and_agrees_with_float64(bound):
    log_p, log_q = random_factors([20, 20, 20], leading=(8,), dtype=torch.float32, scale=3000)
    single, double = bound(log_p, log_q), bound([f.double() for f in log_p], [f.double() for f in log_q])
    torch.testing.assert_close(single.double(), double, rtol=1e-6, atol=0)
    single.sum().backward()
    assert all(factor.grad.isfinite().all() for factor in (*log_p, *log_q))


def test_impossible_samples_of_a_possible_chain_have_zero_gradient():
    log_p, log_q = random_factors([3, 3, 3], leading=())
    with torch.no_grad():
        log_p[1][1] = -torch.inf  # no z_1 can come from the second sample of z_2
        log_p[2][:, 0] = -torch.inf  # nor the first sample of z_2 from any of z_3
    value = tmc(log_p, log_q)
    gradients = torch.autograd.grad(value, [*log_p, *log_q])
    torch.testing.assert_close(value, enumerated_tmc(log_p, log_q))
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert not gradients[1][1].any()
    assert not gradients[2][:, 0].any()


def test_an_impossible_image_scores_minus_infinity_without_spoiling_the_others():
    log_p, log_q = random_factors([2, 2], leading=(2,))
    with torch.no_grad():
        log_p[0][0] = -torch.inf
    for bound in (iwae, tmc):
        value = bound(log_p, log_q)
        gradient = torch.autograd.grad(value[1], log_p[0])[0]
        assert value[0] == -torch.inf
        assert value[1].isfinite()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("bound", BOUNDS.values(), ids=BOUNDS)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_dtype_is_preserved(bound, dtype: torch.dtype):
    assert bound(*random_factors([2, 2], dtype=dtype)).dtype == dtype


def test_the_gradient_of_tmc_passes_gradcheck():
    log_p, log_q = random_factors([2, 3, 2], leading=(1,))
    assert torch.autograd.gradcheck(lambda *f: tmc(f[:4], f[4:]), (*log_p, *log_q))


def test_the_mixture_averages_over_all_parents():
    log_q = random_factors([3, 2])[1][1]
    torch.testing.assert_close(mixture_log_prob(log_q), log_q.exp().mean(-2).log())
    assert torch.equal(mixture_log_prob(log_q), logmeanexp(log_q, dim=-2))


def refused(bound, log_p: list[Tensor], log_q: list[Tensor]) -> str:
    with pytest.raises(InputError) as error:
        bound(log_p, log_q)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("bound", BOUNDS.values(), ids=BOUNDS)
def test_a_wrong_number_of_factors_is_refused(bound):
    log_p, log_q = random_factors([2, 2])
    assert refused(bound, log_p[:-1], log_q) == (
        "n latents need n factors log_q and n + 1 factors log_p, but got 2 and 2: "
        "log_p starts with log p(x | z_1) and ends with log p(z_n)"
    )
    assert "but got 0 and 1:" in refused(bound, log_p[:1], [])
    assert bound(log_p, log_q).isfinite().all()


@pytest.mark.parametrize("bound", [elbo, iwae])
def test_elbo_and_iwae_refuse_unequal_numbers_of_samples(bound):
    message = "ELBO and IWAE need one K for all latents, but got K = [2, 3]: use TMC for unequal K"
    assert refused(bound, *random_factors([3, 2])) == message


def test_tmc_refuses_diagonals():
    log_p, log_q = random_factors([3, 3])
    log_p[1] = log_p[1].diagonal(dim1=-2, dim2=-1).unsqueeze(-2)
    assert refused(tmc, log_p, log_q) == "log_p[1] must be [..., 3, 3] (K_parent, K_child), but got [2, 1, 3]"


@pytest.mark.parametrize("bound", BOUNDS.values(), ids=BOUNDS)
def test_different_leading_dimensions_are_refused(bound):
    log_p, log_q = random_factors([2, 2], leading=(3,))
    message = "all factors must have the same leading dimensions, but got [(1,), (3,)]: expand them"
    assert refused(bound, [log_p[0][:1], *log_p[1:]], log_q) == message
    assert bound([log_p[0][:1].expand_as(log_p[0]), *log_p[1:]], log_q).shape == (3,)


@pytest.mark.parametrize("bound", BOUNDS.values(), ids=BOUNDS)
@pytest.mark.parametrize(("which", "level"), [("p", 0), ("p", 1), ("p", 2), ("q", 0), ("q", 1)])
def test_a_factor_of_a_wrong_shape_is_refused_by_name(bound, which: str, level: int):
    log_p, log_q = random_factors([3, 3])
    factors = {"p": log_p, "q": log_q}[which]
    factors[level] = torch.zeros(2, 2, 3, dtype=torch.float64)
    assert refused(bound, log_p, log_q).startswith(f"log_{which}[{level}] must be [..., ")
