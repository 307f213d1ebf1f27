"""The data sets: what is loaded, what is refused, and how it is split."""

import shutil
import struct
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision

from tmc_sweep.config import TrialConfig
from tmc_sweep.data import Images, Split, batch, data_root, load
from tmc_sweep.errors import InputError

FILES = {"train": 60_000, "t10k": 10_000}


@pytest.fixture(scope="module")
def digits() -> Images:
    return load("digits")


def split_of(images: Images, **fields: object) -> Split:
    return Split.of(images, TrialConfig.parse(fields))


def test_digits_are_stratified_and_use_the_whole_range(digits: Images):
    assert (digits.train.shape, digits.test.shape) == ((1437, 64), (360, 64))
    assert digits.train.dtype == digits.test_labels.dtype == np.uint8
    assert (digits.train.min(), digits.train.max()) == (0, 255)
    assert np.ptp(np.bincount(digits.train_labels) / 1437 - np.bincount(digits.test_labels) / 360) < 0.005
    assert digits.checksum.startswith("0c699ee1b3bc1bc5")


def test_digits_whose_checksum_differs_are_refused(monkeypatch: pytest.MonkeyPatch):
    from sklearn import datasets

    pixels, labels = datasets.load_digits(return_X_y=True)
    monkeypatch.setattr(datasets, "load_digits", lambda **_: (pixels[::-1], labels[::-1]))
    with pytest.raises(InputError, match=r"^scikit-learn's digits data set must have the checksum 0c699ee1b3bc1bc5…"):
        load("digits")


def test_the_first_images_are_used_and_the_last_of_them_held_out(digits: Images):
    split = split_of(digits, train_images=100, validation_images=30, test_images=10)
    assert np.array_equal(split.train, digits.train[:70])
    assert np.array_equal(split.validation, digits.train[70:100])
    assert np.array_equal(split.test, digits.test[:10])
    assert len(split_of(digits).validation) == 0


def test_static_binarisation_belongs_to_the_data_not_the_run(digits: Images):
    first, other = (split_of(digits, binarize="static", seed=seed) for seed in (0, 1))
    fewer = split_of(digits, binarize="static", train_images=50)
    assert torch.equal(first.train, other.train)
    assert torch.equal(first.train[:50], fewer.train)
    assert first.train.unique().tolist() == [0, 255]
    mean = first.train.double().mean() - torch.tensor(digits.train).double().mean()
    assert abs(mean.item()) < 2


def test_static_binarisation_draws_training_and_test_images_apart(digits: Images):
    grey = replace(digits, train=np.full_like(digits.train, 128), test=np.full_like(digits.test, 128))
    split = split_of(grey, binarize="static")
    assert 0.4 < (split.train[:360] == split.test).double().mean() < 0.6
    assert not torch.equal(split.train[0], split.train[1])


def test_a_batch_is_indexed_per_member_and_scaled(digits: Images):
    images = split_of(digits).train
    x = batch(images, torch.tensor([[3, 1], [0, 2]]))
    assert x.shape == (2, 2, 64)
    assert x.dtype == torch.float32
    torch.testing.assert_close(x[1, 1], images[2] / 255)


def test_the_folder_is_the_environments_or_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("TMC_SWEEP_DATA", str(tmp_path))
    assert data_root() == tmp_path.resolve()
    monkeypatch.delenv("TMC_SWEEP_DATA")
    assert data_root() == Path.home().resolve() / ".cache" / "tmc_sweep"


def test_the_real_mnist_loads(mnist_root: Path):
    images = load("mnist", mnist_root)
    assert (images.train.shape, images.test.shape) == ((60_000, 784), (10_000, 784))
    assert images.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert images.train.mean() / 255 == pytest.approx(0.1307, abs=1e-4)


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    """The array as an idx file; kind 8 is uint8."""
    return struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four files of Fashion-MNIST's shapes, class counts and mean pixel."""
    folder = tmp_path_factory.mktemp("stand_in")
    for name, count in FILES.items():
        (folder / f"{name}-images-idx3-ubyte").write_bytes(idx(np.full((count, 28, 28), 73, np.uint8)))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(idx((np.arange(count) % 10).astype(np.uint8)))
    return folder


def placed(stand_in: Path, root: Path, name: str = "FashionMNIST") -> Path:
    """The stand-in's files, as links, where torchvision looks for them."""
    raw = root / name / "raw"
    raw.mkdir(parents=True)
    for file in stand_in.iterdir():
        (raw / file.name).symlink_to(file)
    return raw


def replaced(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def refusal(name: str, root: Path) -> str:
    with pytest.raises(InputError) as error:
        load(name, root)
    message = str(error.value)
    assert "\n" not in message
    assert "::" not in message
    assert str(root) in message
    return message


def test_files_of_the_right_kind_load(stand_in: Path, tmp_path: Path):
    placed(stand_in, tmp_path)
    assert load("fashion_mnist", tmp_path).test.shape == (10_000, 784)


IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
BROKEN = {
    "empty": (IMAGES, b"", "truncated or not what its name says"),
    "no body": (IMAGES, idx(np.zeros((10_000, 28, 28), np.uint8))[:16], "truncated or not what its name says"),
    "half": (IMAGES, idx(np.zeros((10_000, 28, 28), np.uint8))[:99_999], "is invalid for input of size 99983"),
    "other magic": (IMAGES, b"\x89PNG" * 9999, "truncated or not what its name says"),
    "a web page": (LABELS, b"<html>not found</html>", "truncated or not what its name says"),
    "other dtype": (LABELS, idx(np.zeros(10_000, np.int8), kind=9), "truncated or not what its name says"),
    "labels as images": (IMAGES, idx(np.zeros(10_000, np.uint8)), "truncated or not what its name says"),
    "other count": (IMAGES, idx(np.zeros((9_999, 28, 28), np.uint8)), "(10000, 784), but has (9999, 784)"),
    "other size": (IMAGES, idx(np.zeros((10_000, 14, 14), np.uint8)), "(10000, 784), but has (10000, 196)"),
    "training labels": (LABELS, idx(np.zeros(60_000, np.uint8)), "(10000,), but has (60000,)"),
    "one class": (LABELS, idx(np.zeros(10_000, np.uint8)), "must have ten equal classes, but has [10000, 0, 0"),
    "eleven classes": (LABELS, idx((np.arange(10_000) % 11).astype(np.uint8)), "must have ten equal classes"),
}


@pytest.mark.parametrize(("file", "content", "why"), BROKEN.values(), ids=BROKEN)
def test_broken_files_are_refused(stand_in: Path, tmp_path: Path, file: str, content: bytes, why: str):
    replaced(placed(stand_in, tmp_path) / file, content)
    assert why in refusal("fashion_mnist", tmp_path)


def test_black_images_are_refused(stand_in: Path, tmp_path: Path):
    replaced(placed(stand_in, tmp_path) / "train-images-idx3-ubyte", idx(np.zeros((60_000, 28, 28), np.uint8)))
    assert "must have a mean pixel of 0.286, but has 0.0000" in refusal("fashion_mnist", tmp_path)


def test_other_images_are_not_mnist(stand_in: Path, tmp_path: Path):
    placed(stand_in, tmp_path, "MNIST")
    assert "must have the checksum 06b0d1f124c4e5fa…, but has" in refusal("mnist", tmp_path)


def test_mnist_with_two_labels_swapped_is_refused(mnist_root: Path, tmp_path: Path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in (mnist_root / "MNIST" / "raw").glob("*ubyte"):
        shutil.copy(file, raw)
    content = bytearray((raw / LABELS).read_bytes())
    content[8], content[9] = content[9], content[8]
    (raw / LABELS).write_bytes(content)
    assert "must have the checksum" in refusal("mnist", tmp_path)


@pytest.mark.parametrize(("name", "module"), [("mnist", "mnist"), ("fashion_mnist", "mnist"), ("cifar10", "cifar")])
def test_missing_and_offline_is_refused(name: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def offline(*_: object, **__: object) -> None:
        raise URLError("network is unreachable")

    monkeypatch.setattr(getattr(torchvision.datasets, module), "download_and_extract_archive", offline)
    message = refusal(name, tmp_path)
    assert message.startswith(f"{name} must be readable or downloadable, but ")
    assert message.endswith(
        f"put torchvision's files under {tmp_path}, or set TMC_SWEEP_DATA to the folder that has them"
    )
    assert "network is unreachable" in message
