"""A data set is found however people have it, is told from others, and nothing is written where it lies."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from idx import placed
from known import FILES, FOLDERS, OF
from torchvision.datasets import CIFAR10, MNIST, FashionMNIST

from tmc_sweep.images import load
from tmc_sweep.images.folders import look


def dotted(name: str) -> str:
    return name.replace("-idx", ".idx")


def dotted_for_images(name: str) -> str:
    return dotted(name) if "images" in name else name


LAYOUTS: dict[
    str, tuple[str, str, Callable[[str], str]]
] = {  # where TMC_SWEEP_DATA is, the files below it, their names
    "torchvision's": ("data", "FashionMNIST/raw", str),
    "without raw": ("data", "FashionMNIST", str),
    "other case": ("data", "fashionmnist/RAW", str.upper),
    "with dashes": ("data", "fashion-mnist", dotted),
    "with lines": ("data", "Fashion_MNIST/raw", dotted_for_images),
    "the variable at its folder": ("FashionMNIST", "raw", str),
    "the variable at its folder, flat": ("fashion-mnist", ".", dotted),
    "the variable at raw": ("FashionMNIST/raw", ".", str),
}


def contents(root: Path) -> dict[str, tuple[int, int]]:
    """All paths with what changes when they are written to."""
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in [root, *root.rglob("*")]}


@pytest.mark.parametrize("kind", ["stand_in", "compressed"])
@pytest.mark.parametrize(("variable", "folder", "called"), LAYOUTS.values(), ids=LAYOUTS)
def test_fashion_mnist_is_found(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, variable: str, folder: str, called: Callable[[str], str]
):
    placed(request.getfixturevalue(kind), tmp_path / variable / folder, called)
    found = look(OF["fashion_mnist"], tmp_path / variable)
    assert found is not None
    assert set(found.files) == set(FILES["fashion_mnist"])
    assert look(OF["mnist"], tmp_path / variable) is None


def test_some_plain_and_some_compressed_files_load_and_nothing_is_written(
    stand_in: Path, compressed: Path, tmp_path: Path
):
    folder = tmp_path / "fashion-mnist"
    placed(stand_in, folder, dotted_for_images)
    for file in folder.glob("train*"):
        file.unlink()
    placed(compressed, folder)
    (folder / "t10k-labels-idx1-ubyte").unlink()
    before = contents(tmp_path)
    mixed = load("fashion_mnist", tmp_path)
    placed(stand_in, tmp_path / "other" / "FashionMNIST" / "raw")
    assert mixed.checksum == load("fashion_mnist", tmp_path / "other").checksum
    assert {path: before[path] for path in before if path != str(tmp_path)} == {
        path: found for path, found in contents(tmp_path).items() if path in before and path != str(tmp_path)
    }


def test_the_real_mnist_is_found_in_any_layout(mnist_root: Path, tmp_path: Path):
    files = mnist_root / "MNIST" / "raw"
    for number, (variable, folder) in enumerate(
        [("data", "."), ("data", "mnist"), ("data", "raw"), ("MNIST", "raw"), ("MNIST", "."), ("MNIST/raw", ".")]
    ):
        root = tmp_path / str(number) / variable
        placed(files, root / folder, dotted)
        assert look(OF["mnist"], root).is_whole
        assert look(OF["fashion_mnist"], root) is None
    before = contents(root)
    assert load("mnist", root).checksum.startswith("06b0d1f1")
    assert contents(root) == before


def touched(folder: Path, names: tuple[str, ...], suffix: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}{suffix}").touch()
    return folder


def test_sets_side_by_side_are_told_apart(tmp_path: Path):
    for name, folder in FOLDERS.items():
        touched(tmp_path / folder, FILES[name])
    assert {name: look(OF[name], tmp_path).folder for name in FOLDERS} == {
        name: tmp_path / folder for name, folder in FOLDERS.items()
    }


def test_files_without_a_name_above_them_are_mnists(tmp_path: Path):
    touched(tmp_path, FILES["mnist"])
    touched(tmp_path / "FashionMNIST", FILES["mnist"])
    assert look(OF["mnist"], tmp_path).folder == tmp_path
    assert look(OF["fashion_mnist"], tmp_path).folder == tmp_path / "FashionMNIST"


def test_a_whole_set_is_preferred_to_a_part_of_one(tmp_path: Path):
    touched(tmp_path / "MNIST" / "raw", FILES["mnist"][:3])
    touched(tmp_path / "mnist", FILES["mnist"], ".gz")
    assert look(OF["mnist"], tmp_path).folder == tmp_path / "mnist"


def test_a_file_is_preferred_to_a_folder_of_its_name_and_a_plain_one_to_a_compressed_one(tmp_path: Path):
    """As a well-known archive has them."""
    first = FILES["mnist"][0]
    (tmp_path / first).mkdir()
    touched(tmp_path, tuple(dotted(name) for name in FILES["mnist"]))
    touched(tmp_path, (first,), ".gz")
    assert look(OF["mnist"], tmp_path).files[first].name == dotted(first)


def test_empty_and_hidden_things_are_nothing(tmp_path: Path):
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    (tmp_path / "MNIST" / ".DS_Store").touch()
    assert look(OF["mnist"], tmp_path) is None
    assert look(OF["mnist"], tmp_path / "not there") is None


@pytest.mark.parametrize("folder", [".", "cifar-10-batches-py", "CIFAR10/cifar-10-batches-py", "cifar10"])
def test_cifar10s_batches_are_found(tmp_path: Path, folder: str):
    touched(tmp_path / folder, FILES["cifar10"])
    found = look(OF["cifar10"], tmp_path)
    assert (found.folder, found.archive) == ((tmp_path / folder), None)
    assert set(found.files) == set(FILES["cifar10"])


@pytest.mark.parametrize("name", ["cifar-10-python.tar.gz", "cifar-10-batches-py.tar.gz", "CIFAR-10-python.tgz"])
@pytest.mark.parametrize("folder", [".", "cifar10"])
def test_cifar10s_archive_is_found_where_its_batches_are_not(tmp_path: Path, folder: str, name: str):
    touched(tmp_path / folder, (name,))
    assert look(OF["cifar10"], tmp_path).archive == tmp_path / folder / name
    touched(tmp_path / "cifar-10-batches-py", FILES["cifar10"])
    assert look(OF["cifar10"], tmp_path).archive is None


def test_the_names_are_torchvisions():
    for name, dataset in (("mnist", MNIST), ("fashion_mnist", FashionMNIST)):
        assert [f"{file}.gz" for file in FILES[name]] == [file for file, _ in dataset.resources]
        assert FOLDERS[name] == f"{dataset.__name__}/raw"
    known = [*(file for file, _ in [*CIFAR10.train_list, *CIFAR10.test_list]), CIFAR10.meta["filename"]]
    assert (list(FILES["cifar10"]), FOLDERS["cifar10"]) == (known, CIFAR10.base_folder)


def test_a_folder_that_may_not_be_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refused(folder: Path) -> None:
        raise PermissionError(13, os.strerror(13), str(folder))

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(
        Exception, match=re.escape(f"{tmp_path} must be a folder of data sets, but cannot be looked into")
    ):
        look(OF["mnist"], tmp_path)
