"""The bounds ELBO, IWAE (article, Eq. 2) and TMC (Eq. 3 and 4), from log-probability factors.

Notation: latents z_1..z_n from the data up, K_l samples of z_l; every factor is one tensor [..., K_parent, K_child].

    log_q[l-1][i, j] = log q(z_l^j | z_{l-1}^i)      l = 1..n; K_parent is 1 for l = 1 and for factorised proposals
    log_p[0][i, 0]   = log p(x | z_1^i)
    log_p[l][i, j]   = log p(z_l^j | z_{l+1}^i)      l = 1..n-1
    log_p[n][0, j]   = log p(z_n^j)

Departures from the article: Eq. (3) read literally divides by q(z_l | z_{l-1}) of each combination, which is biased;
we divide by the mixture over all parents, as its code and the original's do. Eq. (4) lacks its logarithm.
ELBO and IWAE need no pairs: they also accept a factor's diagonal, laid out [..., 1, K].
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from tmc_sweep.errors import InputError
from tmc_sweep.objectives.logspace import logmeanexp


def mixture_log_prob(log_q: Float[Tensor, "*batch k_parent k_child"]) -> Float[Tensor, "*batch k_child"]:
    """log mean_i q(z^j | parent i): the density of a sample under the mixture over all its possible parents."""
    return logmeanexp(log_q, dim=-2)


def chain_log_weights(log_p: Sequence[Tensor], log_q: Sequence[Tensor]) -> Float[Tensor, "*batch k"]:
    """log w_k = log p(x, z^k) − log q(z^k | x), sample k of each latent paired with sample k of its parent.

    Raises InputError when the latents have different numbers of samples, for then nothing can be paired.
    """
    _check_layout(log_p, log_q, diagonals=True)
    samples = {factor.shape[-1] for factor in log_q}
    if len(samples) > 1:
        raise InputError(
            f"ELBO and IWAE need one K for all latents, but got K = {sorted(samples)}: use TMC for unequal K"
        )
    return sum((_diagonal(factor) for factor in log_p[1:]), _diagonal(log_p[0])) - sum(
        (_diagonal(factor) for factor in log_q[1:]), _diagonal(log_q[0])
    )


def elbo(log_p: Sequence[Tensor], log_q: Sequence[Tensor]) -> Float[Tensor, "*batch"]:
    """mean_k log w_k, in nats."""
    return chain_log_weights(log_p, log_q).mean(-1)


def iwae(log_p: Sequence[Tensor], log_q: Sequence[Tensor]) -> Float[Tensor, "*batch"]:
    """log mean_k w_k, in nats (article, Eq. 2)."""
    return logmeanexp(chain_log_weights(log_p, log_q), dim=-1)


def tmc(log_p: Sequence[Tensor], log_q: Sequence[Tensor]) -> Float[Tensor, "*batch"]:
    """log of the mean weight of all ΠK_l combinations of samples, in nats (article, Eq. 3 with mixture denominators).

    The chain is contracted from the top as a row vector times matrices, so the cost is n·K², not Kⁿ.
    """
    _check_layout(log_p, log_q, diagonals=False)
    message = log_p[-1].squeeze(-2) - mixture_log_prob(log_q[-1])
    for factor, proposal in zip(log_p[-2:0:-1], log_q[-2::-1], strict=True):
        message = logmeanexp(message.unsqueeze(-1) + factor, dim=-2) - mixture_log_prob(proposal)
    return logmeanexp(message + log_p[0].squeeze(-1), dim=-1)


def _diagonal(factor: Tensor) -> Tensor:
    if factor.shape[-2] == 1:
        return factor.squeeze(-2)
    return factor.squeeze(-1) if factor.shape[-1] == 1 else factor.diagonal(dim1=-2, dim2=-1)


def _check_layout(log_p: Sequence[Tensor], log_q: Sequence[Tensor], diagonals: bool) -> None:
    """Refuse what would otherwise broadcast into a wrong number."""
    if not log_q or len(log_p) != len(log_q) + 1:
        raise InputError(
            f"n latents need n factors log_q and n + 1 factors log_p, but got {len(log_q)} and {len(log_p)}: "
            "log_p starts with log p(x | z_1) and ends with log p(z_n)"
        )
    K = [factor.shape[-1] for factor in log_q]
    _check_factor("log_p[0]", log_p[0], {K[0]}, 1)
    for level in range(1, len(log_p)):
        parents = {K[level] if level < len(K) else 1, *([1] if diagonals else [])}
        _check_factor(f"log_p[{level}]", log_p[level], parents, K[level - 1])
    for level, factor in enumerate(log_q):
        _check_factor(f"log_q[{level}]", factor, {1, K[level - 1]} if level else {1}, K[level])
    leading = {tuple(factor.shape[:-2]) for factor in (*log_p, *log_q)}
    if len(leading) > 1:
        raise InputError(f"all factors must have the same leading dimensions, but got {sorted(leading)}: expand them")


def _check_factor(name: str, factor: Tensor, parents: set[int], children: int) -> None:
    if factor.shape[-2] not in parents or factor.shape[-1] != children:
        rule = f"[..., {' or '.join(map(str, sorted(parents)))}, {children}]"
        raise InputError(f"{name} must be {rule} (K_parent, K_child), but got {list(factor.shape)}")
