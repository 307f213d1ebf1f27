"""Hyperparameter sweeps of Tensor Monte-Carlo and importance-weighted autoencoders on Ray.

The functions here are the package's interface for Python; `tmc-sweep --help` lists the same for the shell.

    import tmc_sweep

    tmc_sweep.run("search_spaces/quickstart.yaml", executor="inline")  # trains what is missing, writes the tables
    epochs = tmc_sweep.read_epochs("results/quickstart")               # a data frame: a row per trial and epoch
    summary = tmc_sweep.summarize("results/quickstart")                # a row per cell: mean and spread
    pairs = tmc_sweep.paired_differences("results/quickstart", by="objective")

`read_trials` gives a row per trial, and `train` trains one configuration, without Ray and without tables. Each name is
imported when it is first used, so a script that only reads tables loads neither Ray nor torch.
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
