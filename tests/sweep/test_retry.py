"""Waiting for storage: what is tried again, for how long, and what is said."""

import errno
import os
import time
from collections.abc import Callable

import pytest

from tmc_sweep.errors import StorageError
from tmc_sweep.store import files
from tmc_sweep.sweep import retry
from tmc_sweep.sweep.retry import Retry


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(retry, "_LONGEST_PAUSE", 0.02)


def failing(tmp_path, code: int, times: int) -> Callable[[], str]:
    """An action that the storage lets fail so many times."""
    tries = []

    def act() -> str:
        tries.append(1)
        with files.explained("written", tmp_path / "part"):
            if len(tries) <= times:
                raise OSError(code, os.strerror(code))
        return "stored"

    return act


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_and_a_failed_fsync_are_tried_again_with_one_message_until_they_pass(tmp_path, caplog, code: int):
    assert Retry(lambda: False).until_done(failing(tmp_path, code, 5)) == "stored"
    waits, goes_on = (record.getMessage() for record in caplog.records)
    assert waits.startswith(f"{tmp_path}/part cannot be written ({os.strerror(code)}): ")
    assert waits.endswith("; the sweep waits, and gives up after 300 s")
    assert goes_on.startswith("the sweep goes on after ")


def test_it_gives_up_after_its_limit(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retry, "LIMIT_SECONDS", 0.1)
    began = time.monotonic()
    with pytest.raises(StorageError, match="free some space"):
        Retry(lambda: False).until_done(failing(tmp_path, errno.ENOSPC, 10**9))
    assert time.monotonic() - began >= 0.1


@pytest.mark.parametrize("code", [errno.ENOENT, errno.EROFS, errno.EACCES])
def test_what_will_not_pass_is_raised_at_once(tmp_path, caplog, code: int):
    with pytest.raises(StorageError):
        Retry(lambda: False).until_done(failing(tmp_path, code, 1))
    assert caplog.records == []


def test_a_sweep_that_is_stopped_waits_no_longer(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retry, "_FIRST_PAUSE", 1e9)
    answers = iter([False, True, True])
    with pytest.raises(StorageError):
        Retry(lambda: next(answers)).until_done(failing(tmp_path, errno.ENOSPC, 10**9))


def test_slow_storage_is_spoken_of_once(caplog, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retry, "_SLOW_SECONDS", 0.01)
    patient = Retry(lambda: False)
    for _ in range(3):
        patient.until_done(lambda: time.sleep(0.02))
    (said,) = caplog.records
    assert "training waits for it, a few epochs ahead at most" in said.getMessage()
