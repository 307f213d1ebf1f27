"""Hyperparameter sweeps of Tensor Monte-Carlo and importance-weighted autoencoders on Ray.

`run` trains what a search space lacks, `train` one trial without Ray; `read_epochs`, `read_trials`, `summarize` and
`paired_differences` read the tables. Each is loaded when it is first used, so that reading tables imports neither Ray
nor torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tmc_sweep.statistics.paired import paired_differences
    from tmc_sweep.statistics.summary import summarize
    from tmc_sweep.store.read import read_epochs, read_trials
    from tmc_sweep.sweep.runner import run
    from tmc_sweep.training.loop import train

__all__ = ["paired_differences", "read_epochs", "read_trials", "run", "summarize", "train"]

_HOMES = {
    "paired_differences": "tmc_sweep.statistics.paired",
    "read_epochs": "tmc_sweep.store.read",
    "read_trials": "tmc_sweep.store.read",
    "run": "tmc_sweep.sweep.runner",
    "summarize": "tmc_sweep.statistics.summary",
    "train": "tmc_sweep.training.loop",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
