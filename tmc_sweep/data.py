"""A data set's images on a device: split into training, validation and test images, and indexed for each batch.

split = Split.of(load("digits"), config, device)
x = batch(split.train, index)                    # [member, batch, features], in [0, 1]
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from tmc_sweep.config import TrialConfig
from tmc_sweep.images import Images, data_root, is_here, load

__all__ = ["Images", "Split", "batch", "data_root", "is_here", "load"]


@dataclass(frozen=True)
class Split:
    """The training, validation and test images of one configuration, on one device: uint8 [n, features] each."""

    train: UInt8[Tensor, "n features"]
    validation: UInt8[Tensor, "n_validation features"]
    test: UInt8[Tensor, "n_test features"]

    @classmethod
    def of(cls, images: Images, config: TrialConfig, device: torch.device | str = "cpu") -> "Split":
        """The split that a configuration asks for, binarised once and for all if it says `binarize: static`.

        Of the first `train_images` the last `validation_images` are held out; the test images are the first
        `test_images`.
        """
        train, test = (
            _binarized(torch.tensor(array), config.binarize, seed).to(device)
            for seed, array in enumerate((images.train[: config.train_images], images.test[: config.test_images]))
        )
        kept = config.train_images - config.validation_images
        return cls(train[:kept], train[kept:], test)


def _binarized(images: Tensor, binarize: str, seed: int) -> Tensor:
    """The images, statically binarised if so asked: each pixel is drawn once, with its value as its chance to be 255.

    The seed is that of the training or the test images, and not a trial's: all trials see the same pixels.
    """
    if binarize != "static":
        return images
    generator = torch.Generator().manual_seed(seed)
    rows = (torch.rand(row.shape, generator=generator) < row / 255 for row in images)
    return torch.stack(list(rows)).to(torch.uint8) * 255


def batch(
    images: UInt8[Tensor, "n features"], index: Int[Tensor, "member batch"]
) -> Float[Tensor, "member batch features"]:
    """The images at these positions, one batch for each member of a pack, scaled to [0, 1]."""
    return images[index].float() / 255
