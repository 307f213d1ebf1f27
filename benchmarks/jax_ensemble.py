"""An ensemble in JAX, `jit(scan(vmap(step)))`, against a pack of ours: CPU milliseconds of a member's step.

    python -m benchmarks.jax_ensemble --objective tmc --K 20 --members 1 3 8 --json

The article's small model, the same weights, batches and Adam, norms of gradients, one thread; runs alternate. TMC's
pairs are products in float64 on both sides: in float32 they are wrong where a standard deviation is small. The losses
of a batch must agree on the same noise before anything is timed. JAX draws its own noise afterwards, as ours does.
Needs the `jax` extra. How long JAX compiled is said on stderr: it is in no figure.
"""

import math
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Annotated, Any, TypedDict

import numpy as np
import torch
from torch import Tensor

from benchmarks import command
from benchmarks.measure import cpu_ms
from benchmarks.reference import fresh_noise
from benchmarks.workload import BATCH, BATCHES, configuration, module_of, random_images, training
from tmc_sweep.config import TrialConfig
from tmc_sweep.registry import BOUNDS, loaded
from tmc_sweep.training import Pack
from tmc_sweep.training.member import ADAM_BETAS

os.environ["XLA_FLAGS"] = (  # read once, when JAX starts
    f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)
import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)  # float64 where it is asked for, nowhere else
TOLERANCE = 1e-5  # relative, of the losses
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
Weights = Mapping[str, jax.Array]  # of one member, by our names


class Row(TypedDict):
    """One case."""

    objective: str
    K: int
    members: int
    ours_ms: float  # CPU, a step of one member
    jax_ms: float
    ratio: float  # ours/JAX


def rows(
    objective: command.Objectives = ("iwae", "tmc"),
    K: command.Ks = (20,),
    members: Annotated[Sequence[int], "trials trained together"] = (1, 3, 8),
    rounds: command.Rounds = 30,
) -> Iterator[Row]:
    """Each combination."""
    for bound, k, count in product(objective, K, members):
        yield measure(configuration(architecture="small", objective=bound, K=k), count, rounds)


def measure(config: TrialConfig, members: int, rounds: int) -> Row:
    """One case, both forms."""
    images = random_images(config)
    ours = training(config, images, members)
    theirs = Ensemble(config, ours, images)
    check_losses(config, ours, theirs, images[:BATCH] / 255)
    started = time.perf_counter()
    theirs.train_epoch()
    seconds = time.perf_counter() - started
    print(f"{config.objective}, K = {config.K}, {members} members: {seconds:.1f} s to compile", file=sys.stderr)
    ours_ms, jax_ms = (ms / BATCHES / members for ms in cpu_ms(ours.train_epoch, theirs.train_epoch, rounds=rounds))
    theirs.check_finite()
    return {
        "objective": config.objective,
        "K": config.K,
        "members": members,
        "ours_ms": ours_ms,
        "jax_ms": jax_ms,
        "ratio": ours_ms / jax_ms,
    }


class Ensemble:
    """Members with the weights of a pack's, trained by JAX on the same batches."""

    def __init__(self, config: TrialConfig, pack: Pack, images: Tensor) -> None:
        self._config = config
        self.weights = {name: jnp.array(value.detach().numpy()) for name, value in pack.parameters.items()}
        zeros = jax.tree.map(jnp.zeros_like, self.weights)
        again = jax.tree.map(jnp.zeros_like, self.weights)  # buffers that are given away are given once
        self._state: Any = (jax.tree.map(jnp.copy, self.weights), zeros, again, jnp.float32(0), jax.random.key(0))
        self._batches = jnp.array(images.numpy()).reshape(BATCHES, BATCH, -1)
        self._epoch = jax.jit(lambda state, batches: jax.lax.scan(self._step, state, batches), donate_argnums=0)

    def train_epoch(self) -> None:
        """One step a batch."""
        self._state, told = self._epoch(self._state, self._batches)
        jax.block_until_ready(told)

    def check_finite(self) -> None:
        """Refuse times of a training that went wrong on the way."""
        if not all(bool(jnp.isfinite(value).all()) for value in self._state[0].values()):
            raise SystemExit("JAX's weights must stay finite, but do not: report this")

    def bounds(self, weights: Weights, x: jax.Array, noise: Sequence[jax.Array]) -> jax.Array:
        """The trained bound of each member, summed over images x [batch, d]; noise [member, batch, k, d_l] each."""
        of_member: jax.Array = jax.vmap(self._bound, in_axes=(0, None, 0))(weights, x, noise)
        return of_member

    def _step(self, state: Any, batch: jax.Array) -> Any:
        weights, first, second, count, key = state
        key, *keys = jax.random.split(key, 1 + len(self._config.architecture.latents))
        members = next(iter(weights.values())).shape[0]
        noise = [
            jax.random.normal(each, (members, BATCH, self._config.K, width), jnp.float32)
            for each, width in zip(keys, self._config.architecture.latents, strict=True)
        ]
        x = batch.astype(jnp.float32) / 255
        loss, gradient = jax.vmap(jax.value_and_grad(self._loss), in_axes=(0, None, 0))(weights, x, noise)
        beta1, beta2 = ADAM_BETAS
        count = count + 1
        first = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, first, gradient)
        second = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, second, gradient)
        size, scale = self._config.lr / (1 - beta1**count), 1 / (1 - beta2**count)
        eps = self._config.adam_eps
        weights = jax.tree.map(lambda w, m, v: w - size * m / (jnp.sqrt(v * scale) + eps), weights, first, second)
        squares = [(g.reshape(members, -1) ** 2).sum(-1) for g in gradient.values()]
        return (weights, first, second, count, key), (loss, jnp.sqrt(sum(squares)))

    def _loss(self, weights: Weights, x: jax.Array, noise: Sequence[jax.Array]) -> jax.Array:
        return -self._bound(weights, x, noise)

    def _bound(self, weights: Weights, x: jax.Array, noise: Sequence[jax.Array]) -> jax.Array:
        """Of one member, summed over the images; arrays are [batch, sample, dimension]."""
        zs: list[jax.Array] = []
        q: list[tuple[jax.Array, jax.Array]] = []
        for level, eps in enumerate(noise):
            q.append(_gaussian(weights, f"q.{level}", zs[-1] if zs else x[:, None, :]))
            zs.append(q[-1][0] + q[-1][1] * eps)
        p = [_gaussian(weights, f"p.{level}", z) for level, z in enumerate(zs) if level]
        (logits,) = _conditional(weights, "p.0", zs[0], 1)
        of_data = (x[:, None, :] * logits - jax.nn.softplus(logits)).sum(-1)
        of_top = _log_prob(zs[-1], jnp.zeros_like(zs[-1]), jnp.ones_like(zs[-1]))
        if self._config.objective == "iwae":
            generated = [_log_prob(z, *of) for z, of in zip(zs, p, strict=False)]
            proposed = [_log_prob(z, *of) for z, of in zip(zs, q, strict=True)]
            return _log_mean_exp(of_data + of_top + sum(generated) - sum(proposed), -1).sum()
        mixtures = [_log_mean_exp(_log_prob_pairs(z, *of), -2) for z, of in zip(zs, q, strict=True)]
        message = of_top - mixtures[-1]
        for level in reversed(range(len(p))):
            message = _log_mean_exp(message[..., None] + _log_prob_pairs(zs[level], *p[level]), -2) - mixtures[level]
        return _log_mean_exp(message + of_data, -1).sum()


def check_losses(config: TrialConfig, ours: Pack, theirs: Ensemble, x: Tensor) -> None:
    """Refuse to time two forms that do not compute the same loss of each member."""
    members = len(ours.states)
    noise = [eps.transpose(0, 1).expand(members, -1, -1, -1) for eps in fresh_noise(config, len(x))]
    with torch.no_grad():
        factors = module_of(ours)(x.expand(members, -1, -1), noise, pairs=config.objective == "tmc")
        expected = loaded(BOUNDS[config.objective].function)(*factors).sum(-1).numpy()
    got = theirs.bounds(theirs.weights, jnp.array(x.numpy()), [jnp.array(eps.numpy()) for eps in noise])
    if not np.allclose(got, expected, rtol=TOLERANCE, atol=0.0):
        raise SystemExit(
            f"the losses must agree to {TOLERANCE}, but our {config.objective} is {expected}, JAX's {np.asarray(got)}"
        )


def _conditional(weights: Weights, name: str, x: jax.Array, heads: int) -> list[jax.Array]:
    hidden = jax.nn.leaky_relu(_linear(weights, f"{name}.first", x), 0.1)
    hidden = jax.nn.leaky_relu(_linear(weights, f"{name}.second", hidden), 0.1)
    return [_linear(weights, f"{name}.heads.{head}", hidden) for head in range(heads)]


def _linear(weights: Weights, name: str, x: jax.Array) -> jax.Array:
    return x @ weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _gaussian(weights: Weights, name: str, parent: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and standard deviation given the parents' samples."""
    mean, raw_std = _conditional(weights, name, parent, 2)
    return mean, 0.01 + jax.nn.softplus(raw_std)


def _log_prob(z: jax.Array, mean: jax.Array, std: jax.Array) -> jax.Array:
    scaled: jax.Array = (-0.5 * ((z - mean) / std) ** 2 - jnp.log(std)).sum(-1) - _HALF_LOG_2PI * z.shape[-1]
    return scaled


def _log_prob_pairs(z: jax.Array, mean: jax.Array, std: jax.Array) -> jax.Array:
    """[batch, k_parent, k_child]: the expanded square as one product, in float64."""
    if mean.shape[-2] == 1:
        return _log_prob(z, mean, std)[..., None, :]
    z, mean, std = (each.astype(jnp.float64) for each in (z, mean, std))
    precision = std**-2
    of_parent = jnp.concatenate([-0.5 * precision, mean * precision], -1)
    of_child = jnp.concatenate([z**2, z], -1)
    constant = (0.5 * mean**2 * precision + jnp.log(std)).sum(-1) + _HALF_LOG_2PI * z.shape[-1]
    pairs: jax.Array = of_parent @ jnp.swapaxes(of_child, -1, -2) - constant[..., None]
    return pairs.astype(jnp.float32)


def _log_mean_exp(x: jax.Array, axis: int) -> jax.Array:
    total: jax.Array = jax.nn.logsumexp(x, axis=axis)
    return total - math.log(x.shape[axis])


main = command.of(rows)

if __name__ == "__main__":
    main()
