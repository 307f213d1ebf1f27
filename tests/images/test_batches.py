"""CIFAR-10's pickles: only those with the known MD5 are unpickled, from a folder or an archive."""

import gzip
import hashlib
import io
import os
import pickle
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from known import FILES, OF
from torchvision.datasets import CIFAR10

from tmc_sweep.errors import InputError
from tmc_sweep.images import formats
from tmc_sweep.images.folders import Found, look
from tmc_sweep.images.formats import from_batches

N = 4  # images of a batch


def batch(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (N, 3072), np.uint8)
    return pickle.dumps({"data": pixels, "labels": [seed % 10] * N}, 2)


CONTENTS = {file: batch(seed) for seed, file in enumerate(FILES["cifar10"][:-1])}
CONTENTS["batches.meta"] = pickle.dumps({"label_names": ["a"]}, 2)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let these batches be CIFAR-10's."""
    md5s = {file: hashlib.md5(content).hexdigest() for file, content in CONTENTS.items()}
    *train, test = ([file, md5] for file, md5 in md5s.items() if file != "batches.meta")
    monkeypatch.setattr(CIFAR10, "train_list", train)
    monkeypatch.setattr(CIFAR10, "test_list", [test])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5s["batches.meta"]})


def folder(root: Path, **changes: bytes) -> Path:
    made = root / "cifar-10-batches-py"
    made.mkdir(exist_ok=True)
    for file, content in {**CONTENTS, **changes}.items():
        (made / file).write_bytes(content)
    return made


def archive(root: Path, **changes: bytes) -> Path:
    with tarfile.open(root / "cifar-10-python.tar.gz", "w:gz") as tar:
        for file, content in {**CONTENTS, "readme.html": b"<p>", **changes}.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{file}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return root / "cifar-10-python.tar.gz"


def found(root: Path) -> Found:
    there = look(OF["cifar10"], root)
    assert there is not None
    return there


@pytest.mark.parametrize("made", [folder, archive])
def test_its_images_have_their_colours_last(tmp_path: Path, made):
    made(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    train, train_labels, test, test_labels = from_batches(found(tmp_path))
    assert (train.shape, test.shape) == ((5 * N, 3072), (N, 3072))
    assert train_labels.tolist() == [label for label in range(5) for _ in range(N)]
    assert test_labels.tolist() == [5] * N
    pixels = np.random.default_rng(1).integers(0, 256, (N, 3072), np.uint8)
    assert np.array_equal(train[N], pixels[0].reshape(3, 32, 32).transpose(1, 2, 0).ravel())
    assert sorted(tmp_path.rglob("*")) == before


def check_replaced(made: Callable[[Path], Path], root: Path) -> None:
    """What the errors advise: with the whole files in their places, all is read."""
    made(root)
    assert [len(array) for array in from_batches(found(root))] == [5 * N, 5 * N, N, N]


class Hostile:
    """Makes a folder when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("ran",)


@pytest.mark.parametrize("file", ["data_batch_3", "test_batch", "batches.meta"])
@pytest.mark.parametrize("made", [folder, archive])
def test_no_other_pickle_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made, file: str):
    monkeypatch.chdir(tmp_path)
    path = made(tmp_path, **{file: pickle.dumps(Hostile())})
    where = path / file if path.is_dir() else path
    with pytest.raises(InputError, match=f"^{re.escape(str(where))} must have CIFAR-10's {file}, with MD5 "):
        from_batches(found(tmp_path))
    assert not (tmp_path / "ran").exists()
    check_replaced(made, tmp_path)


def test_an_archive_that_lacks_some(tmp_path: Path):
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("cifar-10-batches-py/test_batch"))
    with pytest.raises(InputError, match=r"must hold CIFAR-10's batches, but lacks data_batch_1, .*meta: replace it"):
        from_batches(found(tmp_path))
    check_replaced(archive, tmp_path)


@pytest.mark.parametrize("content", [b"no tar" * 200, b"\0" * 100])
def test_an_archive_that_is_none(tmp_path: Path, content: bytes):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(gzip.compress(content))
    with pytest.raises(InputError, match=r"tar\.gz must (be a whole tar file, but is not|hold CIFAR-10's batches)"):
        from_batches(found(tmp_path))
    check_replaced(archive, tmp_path)


def test_what_an_archive_holds_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    archive(tmp_path, data_batch_1=bytes(10**6))
    monkeypatch.setattr(formats, "_MOST_OF_AN_ARCHIVE", 10**6)
    with pytest.raises(InputError, match="must hold at most 1000000 bytes, but holds more: replace it"):
        from_batches(found(tmp_path))


def test_a_member_that_unfolds_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A sparse file of a few bytes says that it has a terabyte."""
    sparse = tarfile.TarInfo("data_batch_1")
    sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(10**12)}
    sparse.pax_headers["GNU.sparse.name"] = "data_batch_1"
    sparse.size = 512
    with tarfile.open(tmp_path / "it.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(sparse, io.BytesIO(b"1\n0\n0\n".ljust(512, b"\0")))
        for file in FILES["cifar10"][1:]:
            tar.addfile(tarfile.TarInfo(file))
    monkeypatch.setattr(formats, "_MOST", 1000)
    assert formats._archived(tmp_path / "it.tar.gz", FILES["cifar10"])["data_batch_1"] == bytes(1000)
