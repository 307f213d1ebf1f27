"""Training without Ray: a pack's state, saved and restored whole, and a generator of epoch records."""

from tmc_sweep.training.checkpoint import decode, encode, history, stated
from tmc_sweep.training.loop import threads, train
from tmc_sweep.training.pack import Pack
from tmc_sweep.training.probe import cost
from tmc_sweep.training.state import TrialState

__all__ = [
    "Pack",
    "TrialState",
    "cost",
    "decode",
    "encode",
    "history",
    "stated",
    "threads",
    "train",
]
