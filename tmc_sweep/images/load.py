"""A whole data set: looked for, else downloaded; refused if it is not what its name says.

`digits` comes with scikit-learn. The others lie under TMC_SWEEP_DATA (default ~/.cache/tmc_sweep).
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tmc_sweep.config import DATA_SETS
from tmc_sweep.errors import InputError
from tmc_sweep.images.download import can_keep, fetch, keep
from tmc_sweep.images.folders import FILES, FOLDERS, Found, data_root, look
from tmc_sweep.images.formats import Array, Arrays, from_batches, from_idx

# SHA-256 of the four arrays of `Images`, in order. Where we know none, `_PLAUSIBLE_MEAN` stands in.
_CHECKSUMS: Mapping[str, str] = {
    "digits": "0c699ee1b3bc1bc500b40944070efde66a8c5e6e73662466fad20af5d1e65d7e",
    "mnist": "06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16",
}
_PLAUSIBLE_MEAN: Mapping[str, float] = {"fashion_mnist": 0.2860, "cifar10": 0.4734}  # of the training pixels, in [0, 1]
_READERS: Mapping[str, Callable[[Found], Arrays]] = {
    "mnist": from_idx,
    "fashion_mnist": from_idx,
    "cifar10": from_batches,
}
_SHOWN = 5  # names of a folder


@dataclass(frozen=True)
class Images:
    """One data set: images [n, features] and labels [n], all uint8, and the SHA-256 of the four arrays."""

    train: Array
    train_labels: Array
    test: Array
    test_labels: Array
    checksum: str


def is_here(name: str) -> bool:
    """Whether there is anything of the data set to load, whole or not; InputError if that cannot be seen."""
    return name == "digits" or look(name, data_root()) is not None


def load(name: str, root: Path | None = None, *, download: bool = True) -> Images:
    """The whole data set `name`, checked; InputError if it cannot be had, is broken, or is not what it claims.

    Nothing is written but what was downloaded, whole, and that only where there is nothing of the data set.
    """
    if name == "digits":
        return _checked(name, _digits(), "scikit-learn's digits data set")
    root = root or data_root()
    if found := look(name, root):
        return _read(name, found)
    folder = root / FOLDERS[name]
    if not download or not can_keep(folder):
        raise _missing(name, root, f"{root} cannot be written to" if download else "it is not downloaded now")
    with TemporaryDirectory() as aside:
        why = fetch(name, Path(aside))
        fetched = look(name, Path(aside))
        if why or not fetched:
            raise _missing(name, root, why or "the download gave nothing")
        images = _read(name, fetched)
        keep(fetched.files.values(), folder)
    return images


def _missing(name: str, root: Path, why: str) -> InputError:
    return InputError(
        f"{name} must be under {root} or downloadable, but there is {_listed(root)}, and {why}: put {FILES[name][0]} "
        f"and what belongs to it into {root / FOLDERS[name]}, or set TMC_SWEEP_DATA to the folder that has them"
    )


def _listed(root: Path) -> str:
    """What is in a folder, the first few names of it."""
    names = sorted(path.name for path in root.iterdir() if not path.name.startswith(".")) if root.is_dir() else []
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) + more) or "nothing"


def _read(name: str, found: Found) -> Images:
    if not found.is_whole(name):
        lacking = ", ".join(file for file in FILES[name] if file not in found.files)
        raise InputError(
            f"{name} in {found.folder} must have all of its files, but lacks {lacking} beside {_listed(found.folder)}: "
            "put them there, or move what is there away, and it is downloaded"
        )
    return _checked(name, _READERS[name](found), f"{name} in {found.folder}")


def _digits() -> Arrays:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    scaled = np.rint(pixels * (255 / 16)).astype(np.uint8)
    train, test, train_labels, test_labels = train_test_split(
        scaled, labels.astype(np.uint8), test_size=DATA_SETS["digits"].test_images, random_state=0, stratify=labels
    )
    return train, train_labels, test, test_labels


def _checked(name: str, arrays: Arrays, where: str) -> Images:
    """The arrays of files that are the data set: of its shapes, with its images, and the labels of each split."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    images = Images(*arrays, checksum=digest.hexdigest())
    known = DATA_SETS[name]
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
    return images


def _check_plausible(where: str, images: Images, expected_mean: float) -> None:
    for labels in (images.train_labels, images.test_labels):
        counts = np.bincount(labels, minlength=10)
        if (counts != len(labels) // 10).any():
            raise InputError(f"{where} must have ten equal classes, but has {counts.tolist()}: replace its files")
    mean = float(images.train.mean()) / 255
    if abs(mean - expected_mean) > 1e-3:
        raise InputError(f"{where} must have a mean pixel of {expected_mean}, but has {mean:.4f}: replace its files")
