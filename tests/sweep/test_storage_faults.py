"""Storage that fails while a sweep runs: it waits, or ends in one sentence, and loses nothing."""

import errno
import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from twin import expected, outcomes, table

from tmc_sweep.data import Images
from tmc_sweep.errors import StorageError
from tmc_sweep.integrity.verify import verify
from tmc_sweep.paths import SweepPaths
from tmc_sweep.space.load import parse
from tmc_sweep.sweep import retry
from tmc_sweep.sweep.progress import Snapshot
from tmc_sweep.sweep.runner import run

run_inline = partial(run, executor="inline")
SPACE = parse(
    """
name: tiny
base: {data: digits, objective: iwae, architecture: {latents: [12, 4]}, train_images: 100, test_images: 40,
       batch_size: 64, K: 2, epochs: 20}
seeds: 2
statistic: {last: 2}
resources: {gpu: 0, pack: 2, checkpoint_seconds: 0.05}
""",
    "tiny.yaml",
)


def check(paths: SweepPaths, images: Images) -> None:
    """Every trial is whole, in the bits of training it alone."""
    trials = SPACE.trials()
    pd.testing.assert_frame_equal(outcomes(table(paths.epochs)), expected(trials, images), check_exact=True)
    assert verify(paths).problems == ()


def once_trained(*actions: Callable[[], None]) -> Callable[[Snapshot], None]:
    """A listener that does these, one after each commit of epochs."""
    to_do = [*actions]

    def listen(snapshot: Snapshot) -> None:
        if to_do and any(trial.last for trial in snapshot.trials):
            to_do.pop(0)()

    return listen


class Fsync:
    """The system's fsync, which fails so many times, or takes so long, once it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.code, self.failures, self.seconds = 0, 0, 0.0
        self._real = os.fsync
        monkeypatch.setattr(os, "fsync", self)

    def fail(self, code: int, times: int) -> None:
        self.code, self.failures = code, times

    def __call__(self, descriptor: int) -> None:
        time.sleep(self.seconds)
        if self.failures:
            self.failures -= 1
            raise OSError(self.code, os.strerror(self.code))
        self._real(descriptor)


@pytest.fixture
def fsync(monkeypatch: pytest.MonkeyPatch) -> Fsync:
    monkeypatch.setattr(retry, "_FIRST_PAUSE", 0.05)
    return Fsync(monkeypatch)


def test_a_full_disk_a_failed_fsync_and_slow_storage_are_waited_for_each_with_one_message(
    digits: Images, paths: SweepPaths, fsync: Fsync, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    def slow() -> None:
        fsync.seconds = 0.15
        monkeypatch.setattr(retry, "_SLOW_SECONDS", 0.2)

    monkeypatch.setattr(retry, "_SLOW_SECONDS", 1000.0)
    run_inline(
        SPACE,
        paths.results,
        once_trained(lambda: fsync.fail(errno.ENOSPC, 4), lambda: fsync.fail(errno.EIO, 4), slow),
    )
    *waited, warned = [record.getMessage() for record in caplog.records if record.name == retry.__name__]
    assert len(waited) == 4
    for code, waits, goes_on in zip((errno.ENOSPC, errno.EIO), waited[::2], waited[1::2], strict=True):
        assert waits.startswith(f"{paths.results}/")
        assert f"({os.strerror(code)})" in waits
        assert waits.endswith("; the sweep waits, and gives up after 300 s")
        assert goes_on.startswith("the sweep goes on after ")
    assert "training waits for it" in warned
    assert fsync.failures == 0
    check(paths, digits)


def test_a_disk_that_stays_full_ends_the_sweep_and_the_next_run_goes_on(
    digits: Images, paths: SweepPaths, fsync: Fsync, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(retry, "LIMIT_SECONDS", 0.3)
    with pytest.raises(StorageError, match=r"\(No space left on device\): free some space") as raised:
        run_inline(SPACE, paths.results, once_trained(lambda: fsync.fail(errno.ENOSPC, 10**9)))
    assert raised.value.exit_code == 4
    before = table(paths.epochs)
    assert len(before) > 0
    fsync.failures = 0
    run_inline(SPACE, paths.results)
    check(paths, digits)
    known = table(paths.epochs).merge(before[["trial_id", "epoch"]])
    pd.testing.assert_frame_equal(known, before, check_exact=True)


def moved(results: Path) -> None:
    results.rename(results.with_name("elsewhere"))


@pytest.mark.parametrize("remove", [shutil.rmtree, moved], ids=["deleted", "moved"])
def test_results_that_go_away_while_it_runs_end_the_sweep_with_their_path(
    paths: SweepPaths, remove: Callable[[Path], None]
):
    with pytest.raises(StorageError) as raised:
        run_inline(SPACE, paths.results, once_trained(lambda: remove(paths.results)))
    assert str(raised.value).startswith(f"{paths.results}/")
    assert "put its folder back if it was deleted or moved, and run again" in str(raised.value)
    assert raised.value.exit_code == 4
    assert not paths.results.exists()
