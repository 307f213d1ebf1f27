"""Downloads by torchvision, which knows the addresses and the MD5s: aside, and kept once they are whole."""

import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tmc_sweep.errors import InputError

_PATIENCE_SECONDS = 60.0  # for a server that says nothing


def fetch(name: str, aside: Path) -> str:
    """Download the data set into this folder; why that cannot be done, and nothing if it was."""
    from torchvision.datasets import CIFAR10, MNIST, FashionMNIST

    dataset: Any = {"mnist": MNIST, "fashion_mnist": FashionMNIST, "cifar10": CIFAR10}[name]
    try:
        with _bounded_waits():
            dataset(aside, download=True)
    except (OSError, HTTPException, RuntimeError, EOFError, ValueError) as error:
        return " ".join(str(error).split()) or type(error).__name__
    return ""


@contextmanager
def _bounded_waits() -> Iterator[None]:
    """torchvision sets no limit of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


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
