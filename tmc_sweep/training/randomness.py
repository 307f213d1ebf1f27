"""Everything random comes from (seed, purpose, epoch) and nothing else.

So two objectives with one seed share their random numbers, evaluation never disturbs training, and a curve does not
depend on the pack, the worker or where it was resumed: at an epoch's boundary there is no generator state to save.
"""

import hashlib
from enum import StrEnum

from torch import Generator


class Purpose(StrEnum):
    """What the numbers are for."""

    INITIAL_VALUES = "initial values"
    DATA_ORDER = "data order"
    TRAINING_NOISE = "training noise"
    VALIDATION_NOISE = "validation noise"
    TEST_NOISE = "test noise"
    EVALUATION_NOISE = "evaluation noise"
    ANALYSIS_NOISE = "analysis noise"


def generator(seed: int, purpose: Purpose, epoch: int = 0, device: str = "cpu") -> Generator:
    """A generator of its own for one purpose in one epoch (0: before the first) of the trials with this seed."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    return Generator(device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)
