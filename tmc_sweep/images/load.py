"""A whole data set: looked for, else downloaded; refused if it is not what its entry in the registry says.

One without files comes with a package. The others lie under TMC_SWEEP_DATA (default ~/.cache/tmc_sweep).
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tmc_sweep.errors import InputError
from tmc_sweep.images.download import can_keep, fetch, keep
from tmc_sweep.images.folders import Found, data_root, look
from tmc_sweep.images.formats import Array, Arrays
from tmc_sweep.registry import DATA_SETS, DataSet, Files, is_own, loaded

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
    files = DATA_SETS.find(name).files
    return files is None or look(files, data_root()) is not None


def load(name: str, root: Path | None = None, *, download: bool = True) -> Images:
    """The whole data set `name`, checked; InputError if it cannot be had, is broken, or is not what it claims.

    Nothing is written but what was downloaded, whole, and that only where there is nothing of the data set.
    """
    known = DATA_SETS.find(name)
    if not (files := known.files):
        return _checked(known, _read(name, known), known.source or name)
    root = root or data_root()
    if found := look(files, root):
        return _found(name, known, found)
    folder = root / files.folder
    if not download or not can_keep(folder):
        raise _missing(name, files, root, f"{root} cannot be written to" if download else "it is not downloaded now")
    with TemporaryDirectory() as aside:
        why = fetch(files, Path(aside))
        fetched = look(files, Path(aside))
        if why or not fetched:
            raise _missing(name, files, root, why or "the download gave nothing")
        images = _found(name, known, fetched)
        keep(fetched.files.values(), folder)
    return images


def _missing(name: str, files: Files, root: Path, why: str) -> InputError:
    return InputError(
        f"{name} must be under {root} or downloadable, but there is {_listed(root)}, and {why}: put {files.names[0]} "
        f"and what belongs to it into {root / files.folder}, or set TMC_SWEEP_DATA to the folder that has them"
    )


def _listed(root: Path) -> str:
    """What is in a folder, the first few names of it."""
    names = sorted(path.name for path in root.iterdir() if not path.name.startswith(".")) if root.is_dir() else []
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) + more) or "nothing"


def _found(name: str, known: DataSet, found: Found) -> Images:
    if not found.is_whole:
        lacking = ", ".join(file for file in found.of.names if file not in found.files)
        raise InputError(
            f"{name} in {found.folder} must have all of its files, but lacks {lacking} beside {_listed(found.folder)}: "
            "put them there, or move what is there away, and it is downloaded"
        )
    return _checked(known, _read(name, known, found), f"{name} in {found.folder}")


def _read(name: str, known: DataSet, *found: Found) -> Arrays:
    """What its reader gives, with labels, images as [n, features]; InputError if that is nothing of the kind."""
    read = loaded(known.read)
    try:
        arrays = [np.asarray(array) for array in read(*found)]
    except Exception as error:
        if isinstance(error, InputError) or not is_own(name):
            raise
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{name} must be readable here, but is not ({said:.200}): correct its reader") from error
    if len(arrays) == 2:
        train, test = arrays
        arrays = [train, np.zeros(len(train), np.uint8), test, np.zeros(len(test), np.uint8)]
    if len(arrays) != 4 or any(array.dtype != np.uint8 for array in arrays):
        got = ", ".join(f"{array.dtype}{list(array.shape)}" for array in arrays)
        raise InputError(
            f"{name} must be read as four arrays of uint8, training images, their labels, test images and theirs, or "
            f"as the images alone, but is {got}: correct its reader"
        )
    train, train_labels, test, test_labels = arrays
    return _flat(train, known), train_labels, _flat(test, known), test_labels


def _flat(images: Array, known: DataSet) -> Array:
    return images.reshape(len(images), known.n_features) if images.shape[1:] == known.shape else images


def _checked(known: DataSet, arrays: Arrays, where: str) -> Images:
    """The arrays that are the data set: of its shapes, with its images, and the labels of each split."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    images = Images(*arrays, checksum=digest.hexdigest())
    fix = "replace its files" if known.files or known.source else "let its entry say what its reader gives"
    for array, shape in (
        (images.train, (known.train_images, known.n_features)),
        (images.train_labels, (known.train_images,)),
        (images.test, (known.test_images, known.n_features)),
        (images.test_labels, (known.test_images,)),
    ):
        if array.shape != shape:
            raise InputError(f"{where} must hold arrays of shape {shape}, but has {array.shape}: {fix}")
    if known.checksum not in (None, images.checksum):
        raise InputError(f"{where} must have the checksum {known.checksum:.16}…, but has {images.checksum:.16}…: {fix}")
    if known.mean is not None:
        _check_plausible(where, images, known.mean)
    return images


def _check_plausible(where: str, images: Images, expected_mean: float) -> None:
    for labels in (images.train_labels, images.test_labels):
        counts = np.bincount(labels, minlength=10)
        if (counts != len(labels) // 10).any():
            raise InputError(f"{where} must have ten equal classes, but has {counts.tolist()}: replace its files")
    mean = float(images.train.mean()) / 255
    if abs(mean - expected_mean) > 1e-3:
        raise InputError(f"{where} must have a mean pixel of {expected_mean}, but has {mean:.4f}: replace its files")
