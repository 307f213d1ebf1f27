"""Whole data sets: what loads, and the sentence of what is not what its name says."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from idx import idx, placed

from tmc_sweep.errors import InputError
from tmc_sweep.images import data_root, formats, is_here, load

IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def test_digits_are_stratified_and_use_the_whole_range():
    digits = load("digits")
    assert (digits.train.shape, digits.test.shape) == ((1437, 64), (360, 64))
    assert digits.train.dtype == digits.test_labels.dtype == np.uint8
    assert (digits.train.min(), digits.train.max()) == (0, 255)
    assert np.ptp(np.bincount(digits.train_labels) / 1437 - np.bincount(digits.test_labels) / 360) < 0.005
    assert digits.checksum.startswith("0c699ee1b3bc1bc5")


def test_digits_are_scikit_learns_as_it_splits_them():
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    train, test, train_labels, test_labels = train_test_split(
        np.rint(pixels * (255 / 16)), labels, test_size=360, random_state=0, stratify=labels
    )
    digits = load("digits")
    for ours, theirs in zip(
        (digits.train, digits.train_labels, digits.test, digits.test_labels),
        (train, train_labels, test, test_labels),
        strict=True,
    ):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda rows: rows[::-1], r"^scikit-learn's digits data set must have the checksum 0c699ee1b3bc1bc5…, but"),
        (lambda rows: rows[1:], r"digits.csv.gz must hold scikit-learn's digits, but does not: install scikit-learn"),
        (lambda rows: ["no digits"], "must hold scikit-learn's digits, but does not: install scikit-learn anew$"),
    ],
)
def test_other_digits_than_scikit_learns_are_refused_until_it_is_there_again(
    content: Callable[[list[str]], list[str]], message: str, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:
        read = formats.inflated
        patch.setattr(
            formats, "inflated", lambda *given: "\n".join(content(read(*given).decode().splitlines())).encode()
        )
        with pytest.raises(InputError, match=message):
            load("digits")
    assert len(load("digits").train) == 1437


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
    placed(stand_in, tmp_path / "FashionMNIST" / "raw")
    images = load("fashion_mnist", tmp_path)
    assert images.test.shape == (10_000, 784)
    assert images.train.dtype == images.train_labels.dtype == np.uint8
    assert images.test_labels[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


BROKEN = {
    "empty": (IMAGES, b"", "must be an idx file of bytes, but begins with b''"),
    "no body": (IMAGES, idx(np.zeros((10_000, 28, 28), np.uint8))[:16], "7840000 values after its header, but has 0"),
    "no header": (IMAGES, b"\0\0\x08\x03\0\0", "(10000, 784), but has (0, 0)"),
    "half": (
        IMAGES,
        idx(np.zeros((10_000, 28, 28), np.uint8))[:99_999],
        "7840000 values after its header, but has 99983",
    ),
    "too much": (LABELS, idx(np.zeros(10_000, np.uint8)) + b"!", "10000 values after its header, but has 10001"),
    "other magic": (IMAGES, b"\x89PNG" * 9999, "must be an idx file of bytes, but begins with b'\\x89PNG'"),
    "a web page": (LABELS, b"<html>not found</html>", "must be an idx file of bytes, but begins with b'<htm'"),
    "other dtype": (LABELS, idx(np.zeros(10_000, np.int8), kind=9), "must be an idx file of bytes, but begins with"),
    "no dimensions": (LABELS, b"\0\0\x08\0", "must be an idx file of bytes, but begins with"),
    "255 dimensions": (LABELS, b"\0\0\x08" + b"\xff" * 2000, "must be an idx file of bytes, but begins with"),
    "labels as images": (IMAGES, idx(np.zeros(10_000, np.uint8)), "(10000, 784), but has (10000,)"),
    "other count": (IMAGES, idx(np.zeros((9_999, 28, 28), np.uint8)), "(10000, 784), but has (9999, 784)"),
    "none": (IMAGES, idx(np.zeros((0, 28, 28), np.uint8)), "(10000, 784), but has (0, 784)"),
    "other size": (IMAGES, idx(np.zeros((10_000, 14, 14), np.uint8)), "(10000, 784), but has (10000, 196)"),
    "training labels": (LABELS, idx(np.zeros(60_000, np.uint8)), "(10000,), but has (60000,)"),
    "one class": (LABELS, idx(np.zeros(10_000, np.uint8)), "must have ten equal classes, but has [10000, 0, 0"),
    "eleven classes": (LABELS, idx((np.arange(10_000) % 11).astype(np.uint8)), "must have ten equal classes"),
}


@pytest.mark.parametrize(("file", "content", "why"), BROKEN.values(), ids=BROKEN)
def test_broken_files_are_refused(stand_in: Path, tmp_path: Path, file: str, content: bytes, why: str):
    replaced(placed(stand_in, tmp_path / "FashionMNIST" / "raw") / file, content)
    assert why in refusal("fashion_mnist", tmp_path)


def test_broken_files_that_are_replaced_as_each_error_says_load(stand_in: Path, tmp_path: Path):
    raw = placed(stand_in, tmp_path / "FashionMNIST" / "raw")
    wrong = [BROKEN[name] for name in ("half", "a web page", "other size", "one class")]
    for file, content, why in wrong:
        replaced(raw / file, content)
        assert why in refusal("fashion_mnist", tmp_path)
        replaced(raw / file, (stand_in / file).read_bytes())
    assert len(load("fashion_mnist", tmp_path).test) == 10_000


def test_black_images_are_refused(stand_in: Path, tmp_path: Path):
    raw = placed(stand_in, tmp_path / "FashionMNIST" / "raw")
    replaced(raw / "train-images-idx3-ubyte", idx(np.zeros((60_000, 28, 28), np.uint8)))
    assert "must have a mean pixel of 0.286, but has 0.0000" in refusal("fashion_mnist", tmp_path)
    replaced(raw / "train-images-idx3-ubyte", (stand_in / "train-images-idx3-ubyte").read_bytes())
    assert load("fashion_mnist", tmp_path)


def test_other_images_are_not_mnist(stand_in: Path, tmp_path: Path):
    placed(stand_in, tmp_path / "MNIST" / "raw")
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
    shutil.copy(mnist_root / "MNIST" / "raw" / LABELS, raw)
    assert load("mnist", tmp_path).checksum == load("mnist", mnist_root).checksum


def test_some_of_the_files_are_not_all(stand_in: Path, tmp_path: Path):
    raw = placed(stand_in, tmp_path / "FashionMNIST" / "raw")
    (raw / LABELS).unlink()
    (raw / IMAGES).unlink()
    message = refusal("fashion_mnist", tmp_path)
    assert message.startswith(
        f"fashion_mnist in {raw} must have all of its files, but lacks {IMAGES}, {LABELS} beside "
    )
    assert message.endswith("put them there, or move what is there away, and it is downloaded")
    placed(stand_in, raw)
    assert load("fashion_mnist", tmp_path)


@pytest.mark.parametrize("folder", ["MNIST", "MNIST/raw", "mnist"])
def test_a_folder_of_that_name_with_something_else_says_what_is_there(
    tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / folder).mkdir(parents=True)
    for number in range(7):
        (tmp_path / folder / f"mnist_{number}.csv").touch()
    there = "mnist_0.csv, mnist_1.csv, mnist_2.csv, mnist_3.csv, mnist_4.csv and 2 more: "
    assert there in refusal("mnist", tmp_path)
    monkeypatch.setenv("TMC_SWEEP_DATA", str(tmp_path))
    assert is_here("mnist")
    assert not is_here("fashion_mnist")


@pytest.mark.parametrize("given", ["~nobody-of-that-name/data", "circle"])
def test_a_variable_that_names_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str):
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMC_SWEEP_DATA", given)
    with pytest.raises(InputError, match=rf"^TMC_SWEEP_DATA must name a folder, but is '{given}' \("):
        is_here("mnist")
    monkeypatch.setenv("TMC_SWEEP_DATA", str(tmp_path))
    assert not is_here("mnist")


def test_a_variable_that_names_a_file(stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TMC_SWEEP_DATA", str(tmp_path / "file"))
    with pytest.raises(
        InputError, match=r"file must be a folder of data sets, but cannot be looked into .*TMC_SWEEP_DATA"
    ):
        load("fashion_mnist")
    placed(stand_in, tmp_path / "folder" / "FashionMNIST" / "raw")
    monkeypatch.setenv("TMC_SWEEP_DATA", str(tmp_path / "folder"))
    assert len(load("fashion_mnist").test) == 10_000
