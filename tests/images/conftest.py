"""The stand-in for Fashion-MNIST, plain and compressed."""

import gzip
from pathlib import Path

import pytest
from idx import write_stand_in


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stand_in")
    write_stand_in(folder)
    return folder


@pytest.fixture(scope="session")
def compressed(stand_in: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compressed")
    for file in stand_in.iterdir():
        (folder / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes(), 1))
    return folder
