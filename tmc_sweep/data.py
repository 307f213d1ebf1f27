"""The data sets, whole in memory as uint8: read once, checked, then split and indexed per batch on the device.

`digits` comes with scikit-learn. The others are torchvision's, under $TMC_SWEEP_DATA (default ~/.cache/tmc_sweep), and
downloaded there when missing.
"""

import hashlib
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from numpy.typing import NDArray
from torch import Tensor

from tmc_sweep.config import DATA_SETS, TrialConfig
from tmc_sweep.errors import InputError

Array = NDArray[np.uint8]

# SHA-256 of the four arrays of `Images`, in order. Where we know none, `_PLAUSIBLE_MEAN` stands in.
_CHECKSUMS: Mapping[str, str] = {
    "digits": "0c699ee1b3bc1bc500b40944070efde66a8c5e6e73662466fad20af5d1e65d7e",
    "mnist": "06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16",
}
_PLAUSIBLE_MEAN: Mapping[str, float] = {"fashion_mnist": 0.2860, "cifar10": 0.4734}  # of the training pixels, in [0, 1]

_FOLDERS: Mapping[str, str] = {  # torchvision's
    "mnist": "MNIST/raw",
    "fashion_mnist": "FashionMNIST/raw",
    "cifar10": "cifar-10-batches-py",
}


@dataclass(frozen=True)
class Images:
    """One data set: images [n, features] and labels [n], all uint8, and the SHA-256 of the four arrays."""

    train: Array
    train_labels: Array
    test: Array
    test_labels: Array
    checksum: str


def data_root() -> Path:
    """Where torchvision's data sets are looked for and downloaded to."""
    return Path(os.environ.get("TMC_SWEEP_DATA") or Path.home() / ".cache" / "tmc_sweep").expanduser().resolve()


def is_here(name: str) -> bool:
    """Whether there is anything of the data set to load, whole or not."""
    return name == "digits" or (data_root() / _FOLDERS[name]).is_dir()


def load(name: str, root: Path | None = None, *, download: bool = True) -> Images:
    """The whole data set `name`, checked; InputError if it cannot be had, is broken, or is not what it claims."""
    root = root or data_root()
    arrays = _digits() if name == "digits" else _from_torchvision(name, root, download)
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    images = Images(*arrays, checksum=digest.hexdigest())
    _check(name, images, root)
    return images


def _digits() -> tuple[Array, Array, Array, Array]:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    scaled = np.rint(pixels * (255 / 16)).astype(np.uint8)
    train, test, train_labels, test_labels = train_test_split(
        scaled, labels.astype(np.uint8), test_size=DATA_SETS["digits"].test_images, random_state=0, stratify=labels
    )
    return train, train_labels, test, test_labels


def _from_torchvision(name: str, root: Path, download: bool) -> tuple[Array, Array, Array, Array]:
    from torchvision.datasets import CIFAR10, MNIST, FashionMNIST

    reader: Any = {"mnist": MNIST, "fashion_mnist": FashionMNIST, "cifar10": CIFAR10}[name]
    fix = f"put torchvision's files under {root}, or set TMC_SWEEP_DATA to the folder that has them"
    try:
        splits = [reader(root, train=train, download=download) for train in (True, False)]
    except (OSError, RuntimeError) as error:
        raise InputError(f"{name} must be readable or downloadable, but {_one_line(error)}: {fix}") from None
    except (AssertionError, TypeError, ValueError, KeyError, IndexError, EOFError, pickle.UnpicklingError) as error:
        kind = f"{type(error).__name__} {_one_line(error)}".strip()
        raise InputError(f"{name} under {root} is truncated or not what its name says ({kind}): replace it") from None
    arrays = [np.asarray(part, dtype=np.uint8) for split in splits for part in (split.data, split.targets)]
    train, train_labels, test, test_labels = (
        array.reshape(len(array), -1) if array.ndim > 1 else array for array in arrays
    )
    return train, train_labels, test, test_labels


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _check(name: str, images: Images, root: Path) -> None:
    """Refuse files that load but are not the data set: wrong shapes, other images, labels of another split."""
    known = DATA_SETS[name]
    where = f"{name} under {root}" if name != "digits" else "scikit-learn's digits data set"
    for array, shape in (
        (images.train, (known.train_images, known.n_features)),
        (images.train_labels, (known.train_images,)),
        (images.test, (known.test_images, known.n_features)),
        (images.test_labels, (known.test_images,)),
    ):
        if array.shape != shape:
            raise InputError(f"{where} must hold arrays of shape {shape}, but has {array.shape}: replace its files")
    if name in _CHECKSUMS and images.checksum != _CHECKSUMS[name]:
        raise InputError(
            f"{where} must have the checksum {_CHECKSUMS[name][:16]}…, but has {images.checksum[:16]}…: "
            "replace its files"
        )
    if name in _PLAUSIBLE_MEAN:
        _check_plausible(where, images, _PLAUSIBLE_MEAN[name])


def _check_plausible(where: str, images: Images, expected_mean: float) -> None:
    for labels in (images.train_labels, images.test_labels):
        counts = np.bincount(labels, minlength=10)
        if (counts != len(labels) // 10).any():
            raise InputError(f"{where} must have ten equal classes, but has {counts.tolist()}: replace its files")
    mean = float(images.train.mean()) / 255
    if abs(mean - expected_mean) > 1e-3:
        raise InputError(f"{where} must have a mean pixel of {expected_mean}, but has {mean:.4f}: replace its files")


@dataclass(frozen=True)
class Split:
    """Training, validation and test images of one configuration on one device, uint8 [n, features]."""

    train: UInt8[Tensor, "n features"]
    validation: UInt8[Tensor, "n_validation features"]
    test: UInt8[Tensor, "n_test features"]

    @classmethod
    def of(cls, images: Images, config: TrialConfig, device: torch.device | str = "cpu") -> "Split":
        """The first `train_images`, the last `validation_images` of them held out, and the first `test_images`."""
        train, test = (
            _binarized(torch.tensor(array), config.binarize, seed).to(device)
            for seed, array in enumerate((images.train[: config.train_images], images.test[: config.test_images]))
        )
        kept = config.train_images - config.validation_images
        return cls(train[:kept], train[kept:], test)


def _binarized(images: Tensor, binarize: str, seed: int) -> Tensor:
    """Static binarisation: each pixel drawn once, by a generator of the training or test images, never of a run."""
    if binarize != "static":
        return images
    generator = torch.Generator().manual_seed(seed)
    rows = (torch.rand(row.shape, generator=generator) < row / 255 for row in images)
    return torch.stack(list(rows)).to(torch.uint8) * 255


def batch(
    images: UInt8[Tensor, "n features"], index: Int[Tensor, "member batch"]
) -> Float[Tensor, "member batch features"]:
    """The indexed images, scaled to [0, 1]."""
    return images[index].float() / 255
