"""Files of a data set that nobody has, of Fashion-MNIST's shapes, class counts and mean pixel."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

FILES = {"train": 60_000, "t10k": 10_000}


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    """The array as an idx file; kind 8 is uint8."""
    return struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape) + array.tobytes()


def write_stand_in(folder: Path) -> None:
    for name, count in FILES.items():
        (folder / f"{name}-images-idx3-ubyte").write_bytes(idx(np.full((count, 28, 28), 73, np.uint8)))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(idx((np.arange(count) % 10).astype(np.uint8)))


def placed(files: Path, folder: Path, called: Callable[[str], str] = str) -> Path:
    """The files that are not yet in the folder, as links there, under other names."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files.iterdir():
        if not (folder / called(file.name)).exists():
            (folder / called(file.name)).symlink_to(file)
    return folder
