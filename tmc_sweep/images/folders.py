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
from tmc_sweep.registry import DATA_SETS, Files


class Found(NamedTuple):
    """A folder that has something of a data set."""

    of: Files
    folder: Path
    files: Mapping[str, Path]  # by the names that they have in `of`
    archive: Path | None  # that holds all of them
    others: tuple[str, ...]  # whatever else lies there

    @property
    def is_whole(self) -> bool:
        """Whether the data set's files are all there."""
        return self.archive is not None or len(self.files) == len(self.of.names)


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


def look(of: Files, root: Path) -> Found | None:
    """The first folder that has all of the data set, else some of it, else a name that says so and other files.

    InputError if one of them cannot be looked into.
    """
    try:
        found = [_found(of, folder) for folder in _folders(of, root)]
    except OSError as error:
        raise InputError(
            f"{error.filename or root} must be a folder of data sets, but cannot be looked into ({error.strerror}): "
            "let TMC_SWEEP_DATA name one that can"
        ) from None
    some = [each for each in found if each.files or each.archive]
    whole = [each for each in some if each.is_whole]
    strange = [each for each in found if each.others and _is_of(of, each.folder)]
    return next(iter([*whole, *some, *strange]), None)


def _folders(of: Files, root: Path) -> Iterator[Path]:
    """Where the data set may lie, the likeliest first."""
    if not root.exists():
        return
    above = [folder for folder in _within(root) if _plain(folder.name) in of.called]
    for base in [*above, *([root] if _may_be_of(of, root) else [])]:
        yield from (folder for folder in _within(base) if _plain(folder.name) in {"raw", *of.called})
        yield base


def _within(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir())


def _may_be_of(of: Files, root: Path) -> bool:
    """Of data sets whose files have the same names, the one that the folder is called like, else the first."""
    alike = [known.files for known in DATA_SETS.values() if known.files and known.files.names == of.names]
    called = [files for files in (*alike, of) if _is_of(files, root)]
    return of == (*called, *alike, of)[0]


def _is_of(of: Files, folder: Path) -> bool:
    """Whether the folder is called like the data set, or is the `raw` in one that is."""
    called = folder.parent if _plain(folder.name) == "raw" else folder
    return _plain(called.name) in of.called


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.casefold())


def _found(of: Files, folder: Path) -> Found:
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    entries.sort(key=lambda path: (not path.is_file(), path.suffix.casefold() == ".gz"))  # whom we rather take first
    files: dict[str, Path] = {}
    for path in entries:
        if (known := _known(path.name)) in of.names:
            files.setdefault(known, path)
    archives = [path for path in entries if _plain(path.name) in of.archives]
    inner = {"raw", *of.called}
    others = [path.name for path in entries if not (path.is_dir() and _plain(path.name) in inner)]
    return Found(of, folder, files, archives[0] if archives else None, tuple(others))


def _known(entry: str) -> str:
    """The name that torchvision gives a file."""
    return re.sub(r"\.idx", "-idx", entry.casefold().removesuffix(".gz"))
