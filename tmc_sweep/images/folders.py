"""Where the files of a data set lie: in torchvision's folders, or however else people have them.

File names may be in any case, with `.idx3-ubyte` for `-idx3-ubyte`, and compressed; folders may be left out. Files of
MNIST and Fashion-MNIST have the same names: those in a folder that does not say whose they are count as MNIST's.
"""

import errno
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tmc_sweep.errors import InputError

_IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")
FILES: Mapping[str, tuple[str, ...]] = {"mnist": _IDX, "fashion_mnist": _IDX, "cifar10": _BATCHES}
FOLDERS: Mapping[str, str] = {  # torchvision's
    "mnist": "MNIST/raw",
    "fashion_mnist": "FashionMNIST/raw",
    "cifar10": "cifar-10-batches-py",
}
_CALLED = {"mnist": {"mnist"}, "fashion_mnist": {"fashionmnist"}, "cifar10": {"cifar10", "cifar10batchespy"}}
_ARCHIVES = {"cifar10": {"cifar10pythontargz", "cifar10batchespytargz", "cifar10pythontgz", "cifar10batchespytgz"}}


class Found(NamedTuple):
    """A folder that has something of a data set."""

    folder: Path
    files: Mapping[str, Path]  # those of FILES
    archive: Path | None  # that holds all of them
    others: tuple[str, ...]  # whatever else lies there

    def is_whole(self, name: str) -> bool:
        """Whether the data set's files are all there."""
        return self.archive is not None or len(self.files) == len(FILES[name])


def data_root() -> Path:
    """The folder of the data sets: TMC_SWEEP_DATA, or one in the user's cache; InputError if there can be none."""
    given = os.environ.get("TMC_SWEEP_DATA")
    try:
        root = (Path(given).expanduser() if given else Path.home() / ".cache" / "tmc_sweep").resolve()
        if root.is_symlink():  # as Python 3.13 leaves a circle
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        return root
    except (RuntimeError, OSError) as error:  # no such user, no home, links in a circle
        raise InputError(f"TMC_SWEEP_DATA must name a folder, but is {given!r} ({error}): set it to one") from None


def look(name: str, root: Path) -> Found | None:
    """The first folder that has all of the data set, else some of it, else a name that says so and other files.

    InputError if one of them cannot be looked into.
    """
    try:
        found = [_found(name, folder) for folder in _folders(name, root)]
    except OSError as error:
        raise InputError(
            f"{error.filename or root} must be a folder of data sets, but cannot be looked into ({error.strerror}): "
            "let TMC_SWEEP_DATA name one that can"
        ) from None
    some = [each for each in found if each.files or each.archive]
    whole = [each for each in some if each.is_whole(name)]
    strange = [each for each in found if each.others and _is_of(name, each.folder)]
    return next(iter([*whole, *some, *strange]), None)


def _folders(name: str, root: Path) -> Iterator[Path]:
    """Where the data set may lie, the likeliest first."""
    if not root.exists():
        return
    above = [folder for folder in _within(root) if _plain(folder.name) in _CALLED[name]]
    for base in [*above, *([root] if _may_be_of(name, root) else [])]:
        yield from (folder for folder in _within(base) if _plain(folder.name) in {"raw", *_CALLED[name]})
        yield base


def _within(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir())


def _may_be_of(name: str, root: Path) -> bool:
    says_fashion = _is_of("fashion_mnist", root)
    return {"mnist": not says_fashion, "fashion_mnist": says_fashion}.get(name, True)


def _is_of(name: str, folder: Path) -> bool:
    """Whether the folder is called like the data set, or is the `raw` in one that is."""
    called = folder.parent if _plain(folder.name) == "raw" else folder
    return _plain(called.name) in _CALLED[name]


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.casefold())


def _found(name: str, folder: Path) -> Found:
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    entries.sort(key=lambda path: (not path.is_file(), path.suffix.casefold() == ".gz"))  # whom we rather take first
    files: dict[str, Path] = {}
    for path in entries:
        if (known := _known(path.name)) in FILES[name]:
            files.setdefault(known, path)
    archives = [path for path in entries if _plain(path.name) in _ARCHIVES.get(name, ())]
    inner = {"raw", *_CALLED[name]}
    others = [path.name for path in entries if not (path.is_dir() and _plain(path.name) in inner)]
    return Found(folder, files, archives[0] if archives else None, tuple(others))


def _known(entry: str) -> str:
    """The name that torchvision gives a file."""
    return re.sub(r"\.idx", "-idx", entry.casefold().removesuffix(".gz"))
