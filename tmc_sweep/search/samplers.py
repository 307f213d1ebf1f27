"""Optuna's samplers by name: `tpe`, or any that is made with a seed, by its import path.

One of one's own is a function or class in one file; most classes of `optuna.samplers` are one as they are:

    search: {algorithm: "optuna.samplers:GPSampler", num_samples: 40}
"""

from optuna.samplers import BaseSampler, TPESampler

from tmc_sweep.errors import InputError
from tmc_sweep.registry import SAMPLERS, loaded


def sampler(name: str, seed: int) -> BaseSampler:
    """The sampler of this name with a seed of 32 bits; InputError if it is none of Optuna's.

    A search makes it anew for each suggestion, which must follow from the seed and the cells that the study has.
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
    """Tree-structured Parzen estimator, several cells at a time (Bergstra et al. 2011)."""
    return TPESampler(seed=seed, constant_liar=True)
