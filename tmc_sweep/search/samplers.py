"""Samplers: what chooses the next cell of an adaptive search, made for the name in `search.algorithm`.

`tpe` is built in. Any function or class that makes a sampler of Optuna's when it is called with `seed` can be named by
its import path: one of one's own, or most classes of `optuna.samplers` as they are:

    search: {algorithm: "optuna.samplers:GPSampler", num_samples: 40}
"""

from optuna.samplers import BaseSampler, TPESampler

from tmc_sweep.errors import InputError
from tmc_sweep.registry import SAMPLERS, loaded


def sampler(name: str, seed: int) -> BaseSampler:
    """The sampler of this name, with a seed of 32 bits.

    It is made anew for each suggestion, so what it suggests must follow from the seed and the cells in the study alone.
    InputError if it cannot be imported or made, or is no sampler of Optuna's.
    """
    make = loaded(SAMPLERS.find(name))
    try:
        made = make(seed=seed)
    except Exception as error:  # whatever a file of others does, or a package that it lacks
        raise _none(name, f"raises {' '.join(f'{type(error).__name__}: {error}'.split())}") from error
    if not isinstance(made, BaseSampler):
        raise _none(name, f"gives {made!r}")
    return made


def _none(name: str, got: str) -> InputError:
    return InputError(
        f"search.algorithm must make a sampler of Optuna's, but {name} {got:.200}: correct it, or name another"
    )


def tpe(seed: int) -> BaseSampler:
    """The tree-structured Parzen estimator (Bergstra et al. 2011).

    `constant_liar`: cells that are still training count as bad ones, so that others are not chosen right beside them.
    """
    return TPESampler(seed=seed, constant_liar=True)
