"""Checkpoints that are damaged, gone or hostile: the trial goes on from the one before, or from scratch, or fails."""

import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from twin import expected, outcomes, small, started, sweep, table

from tmc_sweep.data import Images
from tmc_sweep.integrity.repair import repair
from tmc_sweep.integrity.verify import verify
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store.read import read_trials
from tmc_sweep.store.recorder import Recorder

LONG = small(epochs=5)


@pytest.fixture
def paths(tmp_path: Path) -> SweepPaths:
    """An empty place."""
    return SweepPaths(tmp_path / "results", "tiny")


@pytest.fixture
def checkpoints(digits: Images, paths: SweepPaths) -> list[Path]:
    """Those of a trial that was killed after its third epoch, the newest first; the trial table knows of them."""
    started(paths, [LONG], digits, epochs=3, every_seconds=0.0)
    Recorder.open(paths, [LONG])
    found = sorted(paths.checkpoints.rglob("*.safetensors"), reverse=True)
    assert [path.name[:12] for path in found] == ["epoch-000003", "epoch-000002"]
    return found


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("damage", [truncate, flip, Path.unlink])
def test_a_broken_checkpoint_costs_epochs_but_no_bit(
    digits: Images,
    paths: SweepPaths,
    checkpoints: list[Path],
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
    both: bool,
):
    before = table(paths.epochs)
    broken = checkpoints[: 1 + both]
    for path in broken:
        damage(path)
    sweep(paths, [LONG], digits)
    frame = table(paths.epochs)
    pd.testing.assert_frame_equal(outcomes(frame), expected([LONG], digits), check_exact=True)
    pd.testing.assert_frame_equal(frame[:3], before, check_exact=True)  # what was stored stays, time and all
    said = [record.getMessage() for record in caplog.records]
    known = broken[:1] if damage is Path.unlink else broken  # the trial table names the newest
    assert [message.split()[0] for message in said] == [str(path) for path in known]
    assert all(("is missing" if damage is Path.unlink else "is damaged") in message for message in said)


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self._mark),)


def test_a_pickle_in_a_checkpoints_place_is_never_unpickled_though_its_name_has_the_right_digest(
    digits: Images, paths: SweepPaths, checkpoints: list[Path], tmp_path: Path
):
    mark = tmp_path / "mark"
    payload = pickle.dumps(Bomb(mark))
    pickle.loads(payload)
    mark.rmdir()  # it works
    digest = hashlib.sha256(payload).hexdigest()[:16]
    planted = checkpoints[0].with_name(f"epoch-000004-{digest}.safetensors")
    planted.write_bytes(payload)
    assert [problem.file for problem in verify(paths).problems] == [planted]
    sweep(paths, [LONG], digits)
    frame = read_trials(paths.epochs)
    assert frame["status"].tolist() == ["failed"]
    assert frame["reason"][0].startswith(f"a checkpoint of trial {LONG.trial_id} must name it")
    assert repair(paths).done == (f"moved {planted} to {paths.quarantine}/{planted.name}",)
    sweep(paths, [LONG], digits)
    assert read_trials(paths.epochs)["status"].tolist() == ["done"]
    assert not mark.exists()
