"""Downloads from the addresses that torchvision knows, with its MD5s: aside, and kept once they are whole."""

import gzip
import hashlib
import os
import shutil
import tarfile
import time
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tmc_sweep.errors import InputError
from tmc_sweep.registry import Files

_SECONDS = 1800.0  # for a data set: CIFAR-10's 170 MB at 100 kB/s
_MOST_BYTES = 2**28  # of a file


class _Source(NamedTuple):
    """A file to download, from the first address that gives it."""

    addresses: Sequence[str]
    md5: str


def fetch(files: Files, aside: Path) -> str:
    """Download a data set's files into this folder; why that cannot be done, and nothing if it was."""
    until = time.monotonic() + _SECONDS
    try:
        for source in _sources(files):
            _unpack(_download(source, until), source.addresses[0].rpartition("/")[2], aside / files.folder)
    except (OSError, ValueError) as error:
        return " ".join(str(error).split()) or type(error).__name__
    return ""


def _sources(files: Files) -> Iterator[_Source]:
    """The archive that the class of torchvision knows, or its compressed files."""
    from torchvision import datasets

    known = getattr(datasets, files.torchvision)
    if files.archives:
        yield _Source([known.url], known.tgz_md5)
        return
    for file, md5 in known.resources:
        yield _Source([f"{mirror}{file}" for mirror in known.mirrors], md5)


def _download(source: _Source, until: float) -> bytes:
    """The file; the OSError or ValueError of the last address if none gives it."""
    from tmc_sweep.exchange import exchange

    why: Exception = OSError("no address is known")
    for address in source.addresses:
        try:
            left = max(until - time.monotonic(), 0.1)
            status, content = exchange("GET", address, seconds=left, most=_MOST_BYTES, follow=True)
            if status != 200:
                raise ConnectionError(f"{address} answers {status}")
            if hashlib.md5(content, usedforsecurity=False).hexdigest() != source.md5:
                raise ValueError(f"what {address} gives is another file than is known (its MD5 is not {source.md5})")
            return content
        except (OSError, ValueError) as error:
            why = error
    raise why


def _unpack(content: bytes, file: str, folder: Path) -> None:
    """Put the batches of an archive, or the one file that is compressed, into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if file.endswith(".tar.gz"):
        with tarfile.open(fileobj=BytesIO(content)) as archive:
            archive.extractall(folder.parent, filter="data")
    else:
        (folder / file.removesuffix(".gz")).write_bytes(gzip.decompress(content))


def can_keep(folder: Path) -> bool:
    """Whether files may be put into a folder that is there, or is yet to be made."""
    return os.access(_there(folder), os.W_OK | os.X_OK)


def keep(files: Iterable[Path], folder: Path) -> None:
    """Put these files into the folder, each of them whole; InputError, and nothing stays there, if that fails."""
    try:
        with TemporaryDirectory(dir=_there(folder), prefix=".tmc-sweep-") as aside:
            copies = [Path(shutil.copyfile(file, Path(aside, file.name))) for file in files]
            folder.mkdir(parents=True, exist_ok=True)
            for copy in copies:
                copy.replace(folder / copy.name)
    except OSError as error:
        raise InputError(
            f"{folder} must take what was downloaded, but cannot ({error.strerror}): free some space there, or set "
            "TMC_SWEEP_DATA to a folder that can"
        ) from None


def _there(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.exists())
