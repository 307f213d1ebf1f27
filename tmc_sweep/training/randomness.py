"""Everything random comes from (seed, purpose, epoch) and nothing else.

So two objectives with one seed share their random numbers, evaluation never disturbs training, and a curve does not
depend on the pack, the worker or where it was resumed: at an epoch's boundary there is no generator state to save.
"""

import hashlib
from collections.abc import Sequence
from enum import StrEnum

import torch
from torch import Generator, Tensor


class Purpose(StrEnum):
    """What the numbers are for. Pixels are those of `binarize: dynamic`, so that no sample's noise moves them."""

    INITIAL_VALUES = "initial values"
    DATA_ORDER = "data order"
    TRAINING_NOISE = "training noise"
    VALIDATION_NOISE = "validation noise"
    TEST_NOISE = "test noise"
    EVALUATION_NOISE = "evaluation noise"
    ANALYSIS_NOISE = "analysis noise"
    TRAINING_PIXELS = "training pixels"
    VALIDATION_PIXELS = "validation pixels"
    TEST_PIXELS = "test pixels"
    EVALUATION_PIXELS = "evaluation pixels"
    ANALYSIS_PIXELS = "analysis pixels"


def generator(seed: int, purpose: Purpose, epoch: int = 0, device: str = "cpu") -> Generator:
    """A generator of its own for one purpose in one epoch (0: before the first) of the trials with this seed."""
    return Generator(device).manual_seed(seed_of(seed, purpose, epoch))


def seed_of(seed: int, purpose: Purpose, epoch: int) -> int:
    """The seed of such a generator."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def binarized(x: Tensor, binarize: str, generators: Sequence[Generator]) -> Tensor:
    """Images [member, image, feature] as a model is shown them: with `dynamic`, each member draws its pixels."""
    if binarize != "dynamic":
        return x
    uniform = torch.stack([torch.rand(x.shape[1:], generator=g, device=x.device) for g in generators])
    return (uniform < x).to(x.dtype)


def sample_noise(n: int, k: int, widths: Sequence[int], generators: Sequence[Generator]) -> list[Tensor]:
    """Standard normal noise for k samples of each latent of n images: [member, n, k, width] by latent."""
    return [
        torch.stack([torch.randn(n, k, width, generator=g, device=g.device) for g in generators]) for width in widths
    ]
