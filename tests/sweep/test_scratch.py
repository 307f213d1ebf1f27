"""The folder of a run that was killed goes with the next run, and no other does."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tmc_sweep.errors import CannotRunError
from tmc_sweep.sweep.scratch import scratch_folder, temporary_root

HOLD = """
import sys
from tmc_sweep.sweep.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "session").mkdir()
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def holder() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    command = [sys.executable, "-c", HOLD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_it_is_gone_at_the_end_also_after_an_error(root: Path):
    with pytest.raises(ZeroDivisionError), scratch_folder() as folder:
        (folder / "session").mkdir()
        _ = 1 / 0
    assert list(root.iterdir()) == []


def test_that_of_a_living_process_stays(root: Path, holder: tuple[subprocess.Popen[str], Path]):
    with scratch_folder() as ours, scratch_folder():
        assert ours.exists()
    assert [path / "session" for path in root.iterdir()] == [holder[1] / "session"]
    assert (holder[1] / "session").is_dir()


def test_that_of_a_killed_process_goes_with_the_next_run(root: Path, holder: tuple[subprocess.Popen[str], Path]):
    process, folder = holder
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert folder.exists()
    with scratch_folder() as ours:
        assert list(root.iterdir()) == [ours]


def test_folders_that_nobody_marked_and_links_stay(root: Path, tmp_path_factory: pytest.TempPathFactory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "owner").touch()
    (root / "tmc-link").symlink_to(elsewhere)
    (root / "tmc-unmarked").mkdir()
    with scratch_folder():
        pass
    assert sorted(path.name for path in root.iterdir()) == ["tmc-link", "tmc-unmarked"]
    assert (elsewhere / "owner").exists()


def test_the_folder_that_is_named_is_made(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAY_TMPDIR", str(root / "not" / "yet"))
    with scratch_folder() as ours:
        assert ours.parent == root / "not" / "yet"


def test_a_name_that_is_empty_names_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAY_TMPDIR", "")
    assert temporary_root() == Path("/tmp")


def test_what_can_be_no_folder_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch):
    (root / "file").touch()
    monkeypatch.setenv("RAY_TMPDIR", str(root / "file"))
    with pytest.raises(CannotRunError, match=f"{root}/file cannot be one .*: let RAY_TMPDIR name"), scratch_folder():
        pytest.fail("it was a folder")
    monkeypatch.setenv("RAY_TMPDIR", str(root / "mine"))
    with scratch_folder() as ours:
        assert ours.parent == root / "mine"
