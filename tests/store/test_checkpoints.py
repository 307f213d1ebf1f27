import errno
import hashlib
import os

import pytest

from tmc_sweep.errors import InputError, StorageError
from tmc_sweep.store import files
from tmc_sweep.store.checkpoints import CheckpointFiles
from tmc_sweep.store.files import prepare

TRIAL = "0123456789ab"


@pytest.fixture
def checkpoints(paths):
    prepare(paths)
    return CheckpointFiles(paths)


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_the_latest_comes_back_under_a_name_that_carries_epoch_and_digest(checkpoints, paths):
    path = checkpoints.save(TRIAL, 50, b"state")
    assert path == paths.checkpoints / TRIAL / f"epoch-000050-{hashlib.sha256(b'state').hexdigest()[:16]}.safetensors"
    assert checkpoints.latest(TRIAL) == (50, b"state")


def test_a_trial_without_checkpoints(checkpoints):
    assert checkpoints.latest(TRIAL) is None


def test_the_last_two_are_kept(checkpoints, paths):
    for epoch in (1, 2, 999_999, 1_000_000):
        checkpoints.save(TRIAL, epoch, str(epoch).encode())
    assert {path.name.split("-")[1] for path in (paths.checkpoints / TRIAL).iterdir()} == {"999999", "1000000"}
    assert checkpoints.latest(TRIAL) == (1_000_000, b"1000000")


@pytest.mark.parametrize("position", [0, 3, -1])
def test_a_flipped_bit_falls_back_to_the_one_before_with_a_warning(checkpoints, caplog, position):
    checkpoints.save(TRIAL, 1, b"first")
    newest = checkpoints.save(TRIAL, 2, b"second")
    flip(newest, position)
    assert checkpoints.latest(TRIAL) == (1, b"first")
    assert f"{newest} is passed over for an earlier checkpoint, if there is one: it is damaged" in caplog.text


def test_one_that_the_disk_cannot_read_falls_back_too_but_one_we_may_not_read_is_an_error(
    checkpoints, monkeypatch, caplog
):
    checkpoints.save(TRIAL, 1, b"first")
    newest, regular = checkpoints.save(TRIAL, 2, b"second"), files._regular
    for code in (errno.EIO, errno.EACCES):
        error = OSError(code, os.strerror(code))
        monkeypatch.setattr(files, "_regular", lambda path, e=error: raises(e) if path == newest else regular(path))
        if code == errno.EIO:
            assert checkpoints.latest(TRIAL) == (1, b"first")
            assert f"{newest} is passed over" in caplog.text
    with pytest.raises(StorageError, match="Permission denied"):
        checkpoints.latest(TRIAL)


def raises(error):
    raise error


def test_both_broken_is_none(checkpoints, caplog):
    for epoch in (1, 2):
        checkpoints.save(TRIAL, epoch, b"state").write_bytes(b"")
    assert checkpoints.latest(TRIAL) is None
    assert len(caplog.records) == 2


def test_going_back_removes_what_lay_ahead(checkpoints, caplog):
    checkpoints.save(TRIAL, 10, b"ten")
    flip(checkpoints.save(TRIAL, 20, b"twenty"), 0)
    checkpoints.save(TRIAL, 15, b"fifteen")
    assert checkpoints.latest(TRIAL) == (15, b"fifteen")
    checkpoints.save(TRIAL, 15, b"fifteen, on a GPU")
    assert checkpoints.latest(TRIAL) == (15, b"fifteen, on a GPU")
    assert caplog.text == ""


def test_the_older_ones_go_only_after_the_newer_is_durable(checkpoints, paths, monkeypatch):
    import tmc_sweep.store.files as files

    for epoch in (1, 2):
        checkpoints.save(TRIAL, epoch, b"state")
    present = []
    synced = files._sync_folder

    def note(folder):
        synced(folder)
        present.append(len(files.names(paths.checkpoints / TRIAL)))

    monkeypatch.setattr(files, "_sync_folder", note)
    checkpoints.save(TRIAL, 3, b"state")
    assert present[-1] == 3
    assert len(files.names(paths.checkpoints / TRIAL)) == 2


@pytest.mark.parametrize("trial_id", ["../../x", "/etc", "", "0123456789AB"])
def test_a_trial_id_cannot_lead_elsewhere(checkpoints, trial_id):
    with pytest.raises(InputError, match="12 hex digits"):
        checkpoints.save(trial_id, 1, b"")
    checkpoints.save(TRIAL, 1, b"state")
    assert checkpoints.latest(TRIAL) == (1, b"state")
