"""Training without Ray: a pack's state, saved and restored whole, and a generator of epoch records."""

from tmc_sweep.training.checkpoint import decode, encode, history, stated
from tmc_sweep.training.loop import threads, train
from tmc_sweep.training.pack import Engine, Pack, pack_key
from tmc_sweep.training.probe import Cost, cost, remembered, shape
from tmc_sweep.training.state import TrialState

__all__ = [
    "Cost",
    "Engine",
    "Pack",
    "TrialState",
    "cost",
    "decode",
    "encode",
    "history",
    "pack_key",
    "remembered",
    "shape",
    "stated",
    "threads",
    "train",
]
