"""The protocol, operation by operation, and what its failures say."""

import errno
import fcntl
import os
import stat
from pathlib import Path

import pytest

from tmc_sweep.errors import StorageError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store import files


@pytest.fixture
def operations(monkeypatch):
    """The file-system operations that make a write durable, in the order they happen."""
    seen: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(descriptor):
        fsync(descriptor)
        seen.append("fsync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "fsync file")

    def noted_replace(path, target):
        seen.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    return seen


def test_a_file_is_synced_before_its_rename_and_the_folder_after(tmp_path, operations):
    files.write(tmp_path / "a", b"new", tmp_path)
    assert operations == ["fsync file", "rename", "fsync folder"]
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_page_removes_what_killed_writers_of_it_left_beside_it_and_nothing_else(tmp_path):
    others = ["b.html.0123abcd", "a.html.old", "axhtml.0123abcd", "a.html.0123abcd.bak"]
    for name in ["a.html", "a.html.0123abcd", *others]:
        (tmp_path / name).write_bytes(b"half")
    files.write_beside(tmp_path / "a.html", b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["a.html", *others])
    assert (tmp_path / "a.html").read_bytes() == b"new"


def test_no_other_writer_of_pages_cleans_up_while_one_writes(tmp_path, monkeypatch):
    replace = Path.replace

    def replaced(path, target):
        descriptor = os.open(tmp_path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", replaced)
    files.write_beside(tmp_path / "a.html", b"new")
    assert (tmp_path / "a.html").read_bytes() == b"new"


def test_a_page_is_written_where_no_folder_can_be_locked_and_what_was_left_stays(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(fcntl, "flock", refused)
    (tmp_path / "a.html.0123abcd").write_bytes(b"perhaps of a living writer")
    files.write_beside(tmp_path / "a.html", b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a.html.0123abcd"]


def test_a_folder_appears_with_its_synced_file(tmp_path, operations):
    files.write_folder(tmp_path / "grid", [("part", b"new")], tmp_path)
    assert operations == ["fsync file", "fsync folder", "rename", "fsync folder"]
    assert [path.name for path in tmp_path.iterdir()] == ["grid"]


def test_an_existing_folder_is_synced_too_since_a_killed_run_may_not_have(tmp_path, operations):
    files.make_folder(tmp_path)
    assert operations == ["fsync folder"]


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "make it writable"),
        (errno.ENOENT, "put its folder back"),
        (errno.EIO, "check its disk"),
    ],
)
def test_a_failure_names_path_cause_and_fix_and_leaves_the_old_file(tmp_path, monkeypatch, code, fix):
    def fail(*_):
        raise OSError(code, os.strerror(code))

    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError) as raised:
        files.write(tmp_path / "a", b"new", tmp_path)
    assert str(raised.value).startswith(f"{tmp_path}/a cannot be written ({os.strerror(code)}): {fix}")
    assert raised.value.__cause__.errno == code
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]
    monkeypatch.undo()
    files.write(tmp_path / "a", b"new", tmp_path)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new"]


def test_a_folder_that_is_put_back_is_written_to(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder").rename(tmp_path / "moved")
    with pytest.raises(StorageError, match="put its folder back if it was deleted or moved, and run again"):
        files.write(tmp_path / "folder" / "a", b"new", tmp_path)
    (tmp_path / "moved").rename(tmp_path / "folder")
    files.write(tmp_path / "folder" / "a", b"new", tmp_path)
    assert (tmp_path / "folder" / "a").read_bytes() == b"new"


def test_hidden_files_are_passed_over(tmp_path):
    for name in ("b", "a", ".nfs0001", "_SUCCESS"):
        (tmp_path / name).touch()
    assert files.names(tmp_path) == ["a", "b"]
    assert files.names(tmp_path / "missing") == []


def test_every_folder_that_is_made_is_durable_also_those_above_the_results(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(files, "_sync_folder", synced.append)
    paths = SweepPaths(tmp_path / "new" / "results", "grid")
    files.prepare(paths)
    made = {paths.results.parent, paths.results, paths.private.parent, paths.private, paths.temporary}
    assert {folder.parent for folder in made} <= {*synced}


@pytest.fixture(params=["pipe", "device", "folder", "link"])
def irregular(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """What lies in a file's place, and would make a reader wait, or fill its memory, or leave the folder."""
    path = tmp_path / "file"
    match request.param:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "link":
            (tmp_path / "elsewhere").write_bytes(b"content")
            path.symlink_to(tmp_path / "elsewhere")
    return path


def test_only_a_regular_file_is_read(irregular: Path):
    with pytest.raises(StorageError, match=r"file cannot be read \(.*\): (move it away|remove the symbolic link)"):
        files.read(irregular)
    with pytest.raises(OSError, match=r"it is no regular file|symbolic link"), files.opened(irregular):
        pytest.fail("it was opened")


def test_a_file_larger_than_half_of_the_memory_is_refused_unread(tmp_path: Path):
    with (tmp_path / "file").open("wb") as file:
        file.truncate(files.MOST_BYTES + 1)
    with pytest.raises(StorageError, match="more than half of this machine's memory"):
        files.read(tmp_path / "file")


def test_a_link_in_a_folders_place_is_not_followed(tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "folder").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match=r"folder cannot be listed .*: remove the symbolic link"):
        files.names(tmp_path / "folder")
    (tmp_path / "folder").unlink()
    (tmp_path / "elsewhere").rename(tmp_path / "folder")
    assert files.names(tmp_path / "folder") == []
