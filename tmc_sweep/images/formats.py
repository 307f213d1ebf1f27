"""The readers of the data sets: idx files, a header and bytes; CIFAR-10's pickles, by torchvision; scikit-learn's.

A pickle can run code, so only those with CIFAR-10's own MD5 are. torchvision compares it too, but before it opens the
file once more: it is given a folder of ours, which nobody changes in between.
"""

import hashlib
import math
import tarfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from tmc_sweep.errors import InputError
from tmc_sweep.images.files import inflated, read
from tmc_sweep.images.folders import Found
from tmc_sweep.registry import DATA_SETS

Array = NDArray[np.uint8]
Arrays = tuple[Array, Array, Array, Array]  # training images and labels, test images and labels

_MOST = 2**26  # bytes of a file: the largest has 47 million
_MOST_OF_AN_ARCHIVE = 2**28  # CIFAR-10's has 186 million
_UINT8 = 8
_DIMENSIONS = (1, 2, 3)  # labels have one, images three, or two where their rows are joined
_FIX = "replace it"


def from_scikit_learn() -> Arrays:
    """The digits that come with scikit-learn, a fifth of each class as test images; scikit-learn is not imported.

    Which, and in which order, is what its `train_test_split(test_size=360, random_state=0, stratify=labels)` gave:
    digits.split has the rows of its file, two bytes each.
    """
    folders = getattr(find_spec("sklearn"), "submodule_search_locations", None) or ["sklearn"]
    file = Path(folders[0], "datasets", "data", "digits.csv.gz")
    order = np.fromfile(Path(__file__).with_name("digits.split"), "<u2")
    try:
        rows = np.loadtxt(inflated(file, _MOST).decode().splitlines(), delimiter=",")[order]
    except (ValueError, IndexError):
        raise InputError(f"{file} must hold scikit-learn's digits, but does not: install scikit-learn anew") from None
    images, labels = np.rint(rows[:, :-1] * (255 / 16)).astype(np.uint8), rows[:, -1].astype(np.uint8)
    n = DATA_SETS["digits"].train_images
    return images[:n], labels[:n], images[n:], labels[n:]


def from_idx(found: Found) -> Arrays:
    """The four files of MNIST or Fashion-MNIST, images as [n, pixels]; InputError if one is none such."""
    train, train_labels, test, test_labels = (_idx(found.files[file]) for file in found.of.names)
    return train, train_labels, test, test_labels


def _idx(path: Path) -> Array:
    """Two zero bytes, the values' type, the number of dimensions; each of them in four bytes, big end first; values."""
    content = inflated(path, _MOST) if path.suffix.casefold() == ".gz" else read(path, _MOST)
    kind, n_dimensions = content[2:4] if len(content) >= 4 else (0, 0)
    if content[:2] != b"\0\0" or kind != _UINT8 or n_dimensions not in _DIMENSIONS:
        raise InputError(f"{path} must be an idx file of bytes, but begins with {content[:4]!r}: {_FIX}")
    values = content[4 + 4 * n_dimensions :]
    n, *of_each = (int.from_bytes(content[at : at + 4], "big") for at in range(4, 4 + 4 * n_dimensions, 4))
    size = n * math.prod(of_each)
    if len(values) != size:
        raise InputError(f"{path} must have {size} values after its header, but has {len(values)}: {_FIX}")
    return np.frombuffer(values, np.uint8).reshape((n, math.prod(of_each)) if of_each else n)


def from_batches(found: Found) -> Arrays:
    """The six batches of CIFAR-10, images as [n, pixels] with their colours last; InputError if one is not known."""
    from torchvision.datasets import CIFAR10

    contents = (
        _archived(found.archive, found.of.names)
        if found.archive
        else {n: read(path, _MOST) for n, path in found.files.items()}
    )
    md5s = {**dict([*CIFAR10.train_list, *CIFAR10.test_list]), CIFAR10.meta["filename"]: CIFAR10.meta["md5"]}
    for file, known in md5s.items():
        if (md5 := hashlib.md5(contents[file], usedforsecurity=False).hexdigest()) != known:
            where = found.archive or found.files[file]
            raise InputError(f"{where} must have CIFAR-10's {file}, with MD5 {known}, but its MD5 is {md5}: {_FIX}")
    with TemporaryDirectory() as root:
        folder = Path(root, found.of.folder)
        folder.mkdir()
        for file, content in contents.items():
            (folder / file).write_bytes(content)
        train, test = (CIFAR10(root, train=train) for train in (True, False))
    arrays = (np.asarray(part, np.uint8) for split in (train, test) for part in (split.data, split.targets))
    images, labels, test_images, test_labels = arrays
    return images.reshape(len(images), -1), labels, test_images.reshape(len(test_images), -1), test_labels


def _plain(files: Mapping[str, Path]) -> dict[str, bytes]:
    return {name: read(path, _MOST) for name, path in files.items()}


def _archived(path: Path, names: Sequence[str]) -> dict[str, bytes]:
    """The files of these names in a tar file; what else it holds does not matter."""
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=BytesIO(inflated(path, _MOST_OF_AN_ARCHIVE)), mode="r:") as archive:
            for member in archive:
                file = PurePosixPath(member.name).name
                if file in names and (source := archive.extractfile(member)):
                    contents[file] = source.read(_MOST)
    except (tarfile.TarError, ValueError, KeyError, RecursionError) as error:
        raise InputError(f"{path} must be a whole tar file, but is not ({error}): {_FIX}") from None
    if missing := [file for file in names if file not in contents]:
        raise InputError(f"{path} must hold CIFAR-10's batches, but lacks {', '.join(missing)}: {_FIX}")
    return contents
