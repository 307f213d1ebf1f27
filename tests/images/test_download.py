"""Downloads: only where there is nothing, kept when they are whole, and else without a trace."""

import errno
import hashlib
import os
import shutil
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
from known import FILES, FOLDERS, OF
from torchvision.datasets import CIFAR10, MNIST, FashionMNIST

from tmc_sweep import exchange as exchanges
from tmc_sweep.errors import InputError
from tmc_sweep.exchange import Answer
from tmc_sweep.images import download, load

OFFLINE = ConnectionError("network is unreachable")


@pytest.fixture
def server(compressed: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Gives the stand-in's files; what was asked of it."""
    asked: list[str] = []

    def give(method: str, url: str, **_: object) -> Answer:
        asked.append(url)
        return Answer(200, (compressed / Path(url).name).read_bytes())

    monkeypatch.setattr(exchanges, "exchange", give)
    for known in (MNIST, FashionMNIST):
        files = [Path(file) for file, _ in known.resources]
        md5s = [hashlib.md5(give("", file.name).content).hexdigest() for file in files]
        monkeypatch.setattr(known, "resources", [(file.name, md5) for file, md5 in zip(files, md5s, strict=True)])
    asked.clear()
    return asked


def paths(root: Path) -> list[Path]:
    return sorted(root.rglob("*"))


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
@pytest.mark.parametrize("made", [[], ["notes.txt"], ["MNIST/raw", "FashionMNIST/raw", "cifar-10-batches-py"]])
def test_offline_what_is_there_is_told_and_nothing_stays(
    name: str, made: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def offline(*_: object, **__: object) -> None:
        raise OFFLINE

    monkeypatch.setattr(exchanges, "exchange", offline)
    for folder in made:
        (tmp_path / folder).mkdir(parents=True)
    before = paths(tmp_path)
    with pytest.raises(InputError) as error:
        load(name, tmp_path)
    there = ", ".join(sorted({folder.partition("/")[0] for folder in made})) or "nothing"
    assert str(error.value).startswith(f"{name} must be under {tmp_path} or downloadable, but there is {there}, and ")
    assert "network is unreachable" in str(error.value)
    assert str(error.value).endswith(", or set TMC_SWEEP_DATA to the folder that has them")
    assert "\n" not in str(error.value)
    assert paths(tmp_path) == before


def test_a_folder_that_is_not_there_is_not_made_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exchanges, "exchange", lambda *_, **__: Answer(404, b""))
    with pytest.raises(InputError, match=r"must be under .* but there is nothing, and "):
        load("mnist", tmp_path / "typo")
    assert paths(tmp_path) == []


def test_what_was_downloaded_is_kept_as_torchvision_would(server: list[str], tmp_path: Path):
    images = load("fashion_mnist", tmp_path / "new" / "data")
    raw = tmp_path / "new" / "data" / "FashionMNIST" / "raw"
    assert sorted(path.name for path in raw.iterdir()) == sorted(FILES["fashion_mnist"])
    assert [path for path in paths(tmp_path) if path.is_file()] == sorted(raw.iterdir())
    assert len(server) == 4
    assert load("fashion_mnist", tmp_path / "new" / "data").checksum == images.checksum
    assert len(server) == 4


@pytest.mark.parametrize("there", ["FashionMNIST/raw/t10k-images-idx3-ubyte", "FashionMNIST/about.txt"])
def test_nothing_is_downloaded_where_something_is(server: list[str], tmp_path: Path, there: str):
    (tmp_path / there).parent.mkdir(parents=True)
    (tmp_path / there).write_text("something")
    before = paths(tmp_path)
    with pytest.raises(InputError, match=r"fashion_mnist in .* must have all of its files, but lacks train-images"):
        load("fashion_mnist", tmp_path)
    assert (server, paths(tmp_path)) == ([], before)


def test_nothing_is_downloaded_if_it_is_not_wanted_or_could_not_be_kept(
    server: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(InputError, match="and it is not downloaded now: put train-images-idx3-ubyte and what belongs"):
        load("fashion_mnist", tmp_path, download=False)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match=f"and {tmp_path} cannot be written to: put train-images-idx3-ubyte and what"):
        load("fashion_mnist", tmp_path)
    assert (server, paths(tmp_path)) == ([], [])


def test_what_is_not_the_data_set_is_not_kept(server: list[str], tmp_path: Path):
    with pytest.raises(InputError, match=r"mnist in .* must have the checksum 06b0d1f124c4e5fa…, but has"):
        load("mnist", tmp_path)  # it is given the stand-in for Fashion-MNIST
    assert paths(tmp_path) == []


@pytest.mark.parametrize("copied", range(4))
def test_a_disk_that_is_full_leaves_nothing_behind(
    server: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copied: int
):
    copy, calls = shutil.copyfile, []

    def full(source: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) > copied:
            target.write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return copy(source, target)

    monkeypatch.setattr(download.shutil, "copyfile", full)
    with pytest.raises(InputError, match=r"FashionMNIST/raw must take what was downloaded, but cannot \(No space left"):
        load("fashion_mnist", tmp_path)
    assert paths(tmp_path) == []


def test_what_a_full_disk_did_not_take_comes_once_there_is_space(
    server: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(download.shutil, "copyfile", full)
        with pytest.raises(InputError, match="free some space there, or set TMC_SWEEP_DATA to a folder that can"):
            load("fashion_mnist", tmp_path)
    assert len(load("fashion_mnist", tmp_path).test) == 10_000


@pytest.mark.parametrize(
    ("gives", "why"),
    [
        (Answer(404, b""), r"https://.*/cifar-10-python.tar.gz answers 404"),
        (Answer(200, b"<html>"), "gives is another file than is known"),
        (TimeoutError("it did not end its answer"), "it did not end its answer"),
    ],
)
def test_what_a_server_gives_instead_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gives, why: str):
    def give(*_: object, **__: object) -> Answer:
        if isinstance(gives, Exception):
            raise gives
        return gives

    monkeypatch.setattr(exchanges, "exchange", give)
    with pytest.raises(InputError, match=f"but there is nothing, and .*{why}.*: put data_batch_1 and what belongs"):
        load("cifar10", tmp_path)
    assert paths(tmp_path) == []


def test_an_archive_is_kept_as_its_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for file in FILES["cifar10"]:
            member = tarfile.TarInfo(f"cifar-10-batches-py/{file}")
            archive.addfile(member)
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(packed.getvalue()).hexdigest())
    monkeypatch.setattr(exchanges, "exchange", lambda *_, **__: Answer(200, packed.getvalue()))
    assert download.fetch(OF["cifar10"], tmp_path) == ""
    assert {path.name for path in (tmp_path / FOLDERS["cifar10"]).iterdir()} == {*FILES["cifar10"]}


def test_one_mirror_is_enough(server: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    give = exchanges.exchange

    def half(method: str, url: str, **options: object) -> Answer:
        if "gone" in url:
            raise OFFLINE
        return give(method, url, **options)

    monkeypatch.setattr(exchanges, "exchange", half)
    monkeypatch.setattr(FashionMNIST, "mirrors", ["https://gone/", "https://there/"])
    load("fashion_mnist", tmp_path)
    assert {url.partition("//")[2].partition("/")[0] for url in server} == {"there"}
