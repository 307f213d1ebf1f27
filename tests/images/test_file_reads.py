"""Only regular files are read, at once and never more than asked for, compressed or not."""

import gzip
import os
import socket
from pathlib import Path

import pytest

from tmc_sweep.errors import InputError
from tmc_sweep.images.files import inflated, read


def test_a_file_and_a_link_to_one_are_read(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert read(tmp_path / "file", 5) == read(tmp_path / "link", 5) == b"12345"


def fifo(path: Path) -> None:
    os.mkfifo(path)


def link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def link_to_a_fifo(path: Path) -> None:
    os.mkfifo(path.with_name("other"))
    path.symlink_to(path.with_name("other"))


def bound_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (fifo, "a FIFO"),
        (link_to_a_fifo, "a FIFO"),
        (link_to_a_device, "a device"),
        (bound_socket, "a socket"),
        (Path.mkdir, "a folder"),
    ],
)
@pytest.mark.parametrize("reader", [read, inflated])
def test_nothing_else_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make, kind: str, reader):
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    make(Path("it"))
    with pytest.raises(InputError, match=rf"^it must be a regular file, but is {kind}: put the file in its place$"):
        reader(Path("it"), 100)
    Path("it").rename("aside")
    Path("it").write_bytes(packed := gzip.compress(b"whole"))
    assert reader(Path("it"), 100) == (packed if reader is read else b"whole")


def test_a_fifo_that_takes_the_files_place_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    regular = os.stat(__file__)  # noqa: PTH116 - before it is replaced
    os.mkfifo(tmp_path / "it")
    monkeypatch.setattr(Path, "stat", lambda _: regular)
    with pytest.raises(InputError, match=r"it must be a regular file, but is a FIFO"):
        read(tmp_path / "it", 100)


def test_what_is_not_there_or_may_not_be_read(tmp_path: Path):
    with pytest.raises(InputError, match=r"gone must be readable, but is not \(No such file or directory\): put it"):
        read(tmp_path / "gone", 1)
    (tmp_path / "gone").write_bytes(b"1")
    assert read(tmp_path / "gone", 1) == b"1"


def test_a_larger_file_is_refused_without_reading_it_all(tmp_path: Path):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match="sparse must hold at most 1000 bytes, but holds more: replace it"):
        read(tmp_path / "sparse", 1000)
    (tmp_path / "sparse").write_bytes(bytes(1000))
    assert read(tmp_path / "sparse", 1000) == bytes(1000)


def test_a_file_that_inflates_to_more_is_refused_without_inflating_it_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(100_000)))
    asked, whole = [], gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda self, size: asked.append(size) or whole(self, size))
    with pytest.raises(InputError, match=r"bomb\.gz must hold at most 1000 bytes, but holds more: replace it"):
        inflated(tmp_path / "bomb.gz", 1000)
    assert asked == [1001]
    assert inflated(tmp_path / "bomb.gz", 100_000) == bytes(100_000)


@pytest.mark.parametrize(
    "content",
    [b"not gzip", gzip.compress(b"12345")[:-3], gzip.compress(b"1") + b"more"],
    ids=["no gzip", "cut off", "more behind it"],
)
def test_a_broken_gzip_file(tmp_path: Path, content: bytes):
    (tmp_path / "it.gz").write_bytes(content)
    with pytest.raises(InputError, match=r"it\.gz must be a whole gzip file, but is not \(.*\): replace it$"):
        inflated(tmp_path / "it.gz", 100)
    (tmp_path / "it.gz").write_bytes(gzip.compress(b"12345"))
    assert inflated(tmp_path / "it.gz", 100) == b"12345"
