"""The writer between its thread and its end: what is stored after it is closed, and without its lock."""

import errno
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from twin import small
from wait import HANGS_SECONDS

from tmc_sweep.errors import StorageError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import OUTCOME_COLUMNS, EpochRecord, Provenance
from tmc_sweep.statistics.pace import Paces
from tmc_sweep.store import files
from tmc_sweep.store.lock import sweep_lock
from tmc_sweep.store.messages import Report, StartTrial
from tmc_sweep.store.read import read_trials
from tmc_sweep.store.recorder import Recorder
from tmc_sweep.sweep.progress import Snapshot
from tmc_sweep.sweep.writer import Writer

TRIAL = small()
EPOCH = EpochRecord(
    trial_id=TRIAL.trial_id,
    epoch=1,
    **dict.fromkeys(OUTCOME_COLUMNS, -1.0),
    epoch_seconds=1.0,
    eval_seconds=0.5,
    peak_memory_bytes=1,
    attempt=1,
    time=datetime(2025, 1, 1, tzinfo=UTC),
)
BEGIN = StartTrial(TRIAL.trial_id, (TRIAL.trial_id,), 7, "sum", Provenance("host", "cpu", 1, "eager", "versions"))


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def writer(paths: SweepPaths):
    with sweep_lock(paths) as check_held:
        yield Writer(Recorder.open(paths, [TRIAL]), [TRIAL], None, check_held, lambda: False)


def test_closing_stores_what_there_is_and_nothing_is_stored_after_it(writer: Writer, paths: SweepPaths):
    writer.deliver([BEGIN])
    writer.close()
    before = contents(paths.results)
    with pytest.raises(RuntimeError, match="closed"):
        writer.deliver([Report(TRIAL.trial_id, 1, (EPOCH,), b"checkpoint")])
    assert contents(paths.results) == before
    assert read_trials(paths.epochs)["attempts"].tolist() == [1]


def test_closing_ends_a_wait_for_storage_and_comes_after_it(writer: Writer, monkeypatch: pytest.MonkeyPatch):
    full, waiting = threading.Event(), threading.Event()
    write = files._write_synced

    def fails_while_full(path: Path, content: bytes) -> None:
        if threading.current_thread() is thread:
            waiting.set()
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    def deliver() -> None:
        with pytest.raises(StorageError, match="No space left"):
            writer.deliver([BEGIN])
        full.set()

    monkeypatch.setattr(files, "_write_synced", fails_while_full)
    thread = threading.Thread(target=deliver)
    thread.start()
    assert waiting.wait(HANGS_SECONDS)
    writer.close()
    assert full.wait(HANGS_SECONDS)
    thread.join()


def test_without_its_lock_it_stores_nothing(writer: Writer, paths: SweepPaths):
    paths.lock.unlink()
    before = contents(paths.results)
    with pytest.raises(StorageError, match=str(paths.lock)):
        writer.deliver([BEGIN])
    assert contents(paths.results) == before


def test_trials_that_are_trained_together_are_shown_as_one_process(paths: SweepPaths):
    pair = [small(seed=seed, epochs=5) for seed in range(2)]
    names = tuple(config.trial_id for config in pair)
    with sweep_lock(paths) as check_held:
        writer = Writer(Recorder.open(paths, pair), pair, None, check_held, lambda: False)
        writer.deliver([replace(BEGIN, trial_id=name, pack=names) for name in names])
        assert [trial.members for trial in writer.progress.snapshot().trials] == [2, 2]
        first = [replace(EPOCH, trial_id=name, epoch_seconds=3.0) for name in names]
        writer.deliver([Report(epoch.trial_id, 1, (epoch,), members=2) for epoch in first])
        assert writer.progress.snapshot().remaining_seconds == pytest.approx(4 * 3.0)
        alone = replace(EPOCH, trial_id=names[0], epoch=2, epoch_seconds=2.0)  # the other has left the pack
        writer.deliver([Report(names[0], 1, (alone,))])
        assert [trial.members for trial in writer.progress.snapshot().trials] == [1, 2]


def test_the_history_of_a_resumed_trial_tells_nothing_new_of_how_long_its_epochs_take(paths: SweepPaths):
    config, recorded = small(epochs=9), Paces()
    recorded[config.cell_id].add(4.0)
    begin = replace(BEGIN, trial_id=config.trial_id, pack=(config.trial_id,))
    first, second = (replace(EPOCH, trial_id=config.trial_id, epoch=epoch, attempt=epoch) for epoch in (1, 2))
    with sweep_lock(paths) as check_held:
        earlier = Recorder.open(paths, [config])
        for message in (begin, Report(config.trial_id, 1, (first,))):
            earlier.receive(message)
        earlier.commit()
        writer = Writer(Recorder.open(paths, [config]), [config], None, check_held, lambda: False, recorded=recorded)
        writer.deliver([begin, Report(config.trial_id, 2, (first,))])
        assert writer.progress.snapshot().remaining_seconds == 8 * 4.0
        writer.deliver([Report(config.trial_id, 2, (second,))])
        assert writer.progress.snapshot().remaining_seconds == 7 * EPOCH.epoch_seconds


@pytest.mark.parametrize(("error", "logged"), [(ZeroDivisionError("a bug"), ["a bug"]), (SystemExit(1), [])])
def test_a_listener_that_fails_is_told_no_more_and_only_its_bugs_are_logged(
    paths: SweepPaths, caplog: pytest.LogCaptureFixture, error: BaseException, logged: list[str]
):
    told = []

    def listen(snapshot: Snapshot) -> None:
        told.append(snapshot)
        raise error

    with sweep_lock(paths) as check_held:
        writer = Writer(Recorder.open(paths, [TRIAL]), [TRIAL], listen, check_held, lambda: False)
        writer.deliver([BEGIN])
        writer.deliver([Report(TRIAL.trial_id, 1, (EPOCH,), b"checkpoint")])
    assert len(told) == 1
    assert [str(record.exc_info[1]) for record in caplog.records] == logged
    assert len(read_trials(paths.epochs)) == 1
