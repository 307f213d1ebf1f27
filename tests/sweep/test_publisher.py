"""A copy that is kept up to date beside a sweep: what fails there stops nothing, and is said once."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from buckets import bucket
from command import command
from pyarrow import fs
from stored import TRIALS, YAML, store
from twin import sweep
from wait import wait_until

from tmc_sweep.data import load
from tmc_sweep.errors import StorageError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.space.load import parse
from tmc_sweep.sweep import publisher
from tmc_sweep.sweep.publisher import Publisher, publishing
from tmc_sweep.sweep.runner import run

GONE = StorageError("the place is gone")


class Copy:
    """Stands in for a publication: fails while it is broken."""

    uri = "s3://bucket/copy"

    def __init__(self, broken: Exception | None = None) -> None:
        self.n_copied = self.updates = 0
        self.broken = broken

    def update(self) -> None:
        self.updates += 1
        if self.broken:
            raise self.broken
        self.n_copied += 1


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("INTERVAL_SECONDS", 0.05), ("_FIRST_SECONDS", 0.01), ("_PAUSE_SECONDS", 0.05)):
        monkeypatch.setattr(publisher, name, seconds)


def test_an_outage_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture):
    copy = Copy(GONE)
    with publishing(copy) as behind:
        wait_until(lambda: copy.updates >= 2)
        assert behind() == "the place is gone"
        copy.broken = None
        wait_until(lambda: copy.n_copied >= 2)
    assert behind() is None
    assert [record.message for record in caplog.records] == [
        "the place is gone; the sweep goes on, and the copy is tried again",
        "the copy at s3://bucket/copy is up to date again",
    ]


@pytest.mark.parametrize("error", [GONE, ValueError("of no kind that is known")])
def test_a_copy_that_stays_behind_is_told_at_the_end(error: Exception, caplog: pytest.LogCaptureFixture):
    with publishing(Copy(error)) as behind:
        pass
    assert str(error) in behind()
    assert len(caplog.records) == 1


def test_what_came_last_is_copied_without_a_wait(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(publisher, "INTERVAL_SECONDS", 1000.0)
    copy = Copy()
    with publishing(copy):
        wait_until(lambda: copy.updates)
    assert copy.updates == 2
    assert not [thread for thread in threading.enumerate() if thread.name == "tmc-sweep-publisher"]


@contextmanager
def hanging() -> Iterator[Copy]:
    """A copy whose updates end with this block."""
    ended, copy = threading.Event(), Copy()
    copy.update = ended.wait
    try:
        yield copy
    finally:
        ended.set()


@pytest.mark.parametrize(("hurry", "constant"), [(True, "_HURRY_SECONDS"), (False, "_SILENT_SECONDS")])
def test_a_place_that_hangs_is_not_waited_for(hurry: bool, constant: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(publisher, constant, 0.3)
    with hanging() as copy:
        publishes = Publisher(copy)
        publishes.start()
        publishes.finish(hurry)
    assert publishes.problem == "the copy at s3://bucket/copy was not finished within 0.3 s"


def test_a_sweep_that_ends_with_an_error_says_so_soon(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(publisher, "_HURRY_SECONDS", 0.3)
    monkeypatch.setattr(publisher, "_SILENT_SECONDS", 0.6)
    with hanging() as copy, pytest.raises(KeyError), publishing(copy) as behind:
        raise KeyError
    assert behind() == "the copy at s3://bucket/copy was not finished within 0.3 s"


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """The search space of a sweep that has nothing left to train."""
    paths = store(tmp_path / "results")
    sweep(paths, TRIALS, load("digits"), text=YAML)
    (tmp_path / "tiny.yaml").write_text(YAML)
    return tmp_path / "tiny.yaml"


def test_run_publishes_what_there_is(finished: Path, tmp_path: Path):
    ended = command("run", finished, "--results", tmp_path / "results", "--publish", tmp_path / "copy", "-q")
    assert (ended.code, "copy" in ended.err) == (0, False)
    for name in ("tiny", "tiny.trials.parquet", "tiny.summary.parquet"):
        copied, here = (pd.read_parquet(tmp_path / folder / name) for folder in ("copy", "results"))
        assert copied.equals(here)


def test_run_with_a_copy_that_is_behind_ends_with_4(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("TMC_SWEEP_PUBLISH", "/sys/tmc_sweep")
    ended = command("run", finished, "--results", tmp_path / "results", "-q")
    assert ended.code == 4
    assert ended.err.splitlines()[-1].startswith("tmc-sweep: the copy is behind: /sys/tmc_sweep cannot be made (")
    assert ended.err.splitlines()[-1].endswith("; running again brings it up to date")
    assert len(caplog.records) == 1


def test_a_place_that_is_none_is_refused_before_anything_is_written(finished: Path, tmp_path: Path):
    ended = command("run", finished, "--results", tmp_path / "new", "--publish", "ftp://host/copy")
    assert (ended.code, (tmp_path / "new").exists()) == (2, False)
    assert "a copy's place must be a folder" in ended.err


@pytest.mark.long
@pytest.mark.parametrize("comes_back", [True, False])
def test_a_store_that_goes_away_in_the_middle_of_a_sweep(
    local_ray, paths: SweepPaths, comes_back: bool, caplog: pytest.LogCaptureFixture
):
    space = parse(
        "{name: tiny, base: {objective: iwae, architecture: {latents: [12, 4]}, train_images: 100, test_images: 40,"
        " K: 2, epochs: 60}, seeds: 2, resources: {pack: 1}}",
        "tiny.yaml",
    )
    caplog.set_level(logging.WARNING)
    cut: list[int] = []
    with bucket() as (uri, line):

        def listen(snapshot) -> None:
            done = sum(trial.last.epoch for trial in snapshot.trials if trial.last)
            if done > 10 and not cut:
                cut.append(done)
                line.cut()
                if comes_back:
                    wait_until(lambda: caplog.records)
                    line.mend()

        result = run(space, paths.results, listen, uri)
        line.mend()
        assert [trial.status for trial in result.trials] == 2 * [Status.DONE]
        assert (result.behind is None) == comes_back
        assert len(caplog.records) == 1 + comes_back
        if not comes_back:
            assert run(space, paths.results, None, uri).behind is None
        store_, path = fs.FileSystem.from_uri(uri)
        for name in ("tiny", "tiny.trials.parquet", "tiny.summary.parquet"):
            copied = pd.read_parquet(f"{path}/{name}", filesystem=store_)
            assert copied.equals(pd.read_parquet(paths.results / name))
