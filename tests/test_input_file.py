"""Files that users name: a FIFO, a device, a folder or a huge file in their place is named, and never waited for."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from command import command

from tmc_sweep import costs, input_file
from tmc_sweep.cluster.cluster_file import documents
from tmc_sweep.cluster.doctor import _token
from tmc_sweep.errors import InputError
from tmc_sweep.space import load


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


IRREGULAR: dict[str, Callable[[Path], None]] = {
    "FIFO": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": Path.mkdir,
    "huge": huge,
}


@pytest.fixture(params=IRREGULAR)
def it(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    IRREGULAR[request.param](tmp_path / "it")
    return tmp_path / "it"


def test_a_search_space(it: Path):
    with pytest.raises(InputError, match=r"must be a readable file, but got 'a \w+': check|must be at most \d+ bytes"):
        load(it)


@pytest.mark.parametrize("option", ["--cluster", "--on"])
def test_a_cluster_file(it: Path, option: str):
    with pytest.raises(InputError, match=rf"{option} must be a file of `ray up`, but .*/it is not \((a|it has) .*\)"):
        documents(it, option)


def test_a_token(it: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(it))
    assert not _token().ok


def test_a_cost_on_file(it: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(costs, "_file", lambda *_: it)
    assert costs.remembered(None, 1, None) is None


def test_a_link_to_a_regular_file_will_do(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"12")
    (tmp_path / "link").symlink_to("file")
    assert input_file.read(tmp_path / "link", 2) == b"12"


def test_what_is_written_waits_for_no_reader_and_replaces_no_device(tmp_path: Path):
    from invented import flat, write

    write(tmp_path, "{name: made, base: {epochs: 60}}", flat(lambda _: -1.0))
    os.mkfifo(tmp_path / "it")
    for words in (("best", "made", "--force"), ("report", "made")):
        ended = command(*words, "-o", tmp_path / "it", "--results", tmp_path)
        assert (ended.code, (tmp_path / "it").is_fifo(), len(ended.err.splitlines())) == (4, True, 1)
