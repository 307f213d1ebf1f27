"""One sweep by the real command: stopped in two ways in mid-sweep, gone on with, and as if nothing had happened."""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
from command import Ended, command, driver, start
from place import Place, own_place, place_in
from twin import expected, n_rows, outcomes, table
from wait import HANGS_SECONDS, wait_until

import tmc_sweep.sweep.runner  # noqa: F401 - or the second run would load it while the first one trains to its end
from tmc_sweep.data import load
from tmc_sweep.records import EPOCH_COLUMNS
from tmc_sweep.space.load import parse
from tmc_sweep.store.read import read_trials

pytestmark = pytest.mark.cluster

YAML = """
name: story
base: {data: digits, objective: iwae, architecture: {latents: [12, 4]}, train_images: 200, test_images: 50,
       batch_size: 64, epochs: EPOCHS}
space: {K: {grid_search: [1, 3]}}
seeds: 2
statistic: {last: 20}
resources: {checkpoint_seconds: 0.2, gpu: 0}
"""
NEVER = 1_000_000  # epochs of a sweep that is to be stopped


@dataclass
class Stage:
    """One run of the command."""

    ended: Ended
    rows: int  # in the table, once it had ended
    left_running: list[str]  # processes it started that outlived it
    left_behind: list[str]  # its temporary folders


@dataclass
class Story:
    """What happened, run by run."""

    folder: Path
    epochs: int = NEVER  # of each trial
    stages: dict[str, Stage] = field(default_factory=dict)
    meanwhile: Ended | None = None  # a second run beside the first
    pid: int = 0  # of the first
    reads: int = 0
    read_errors: list[Exception] = field(default_factory=list)

    @property
    def text(self) -> str:
        return YAML.replace("EPOCHS", str(self.epochs))

    @property
    def table(self) -> pd.DataFrame:
        return table(self.folder / "results" / "story")


def stage(
    story: Story,
    place: Place,
    stop: Callable[[subprocess.Popen[str]], None] | None,
    meanwhile: Callable[[int], None] | None = None,
) -> Stage:
    """Run the sweep; stopped, if it is to be, once it has written rows of its own."""
    file, results = story.folder / "story.yaml", story.folder / "results"
    file.write_text(story.text)
    with start("run", file, "--results", results, **place.environment) as process:
        try:
            if stop:
                wait_for_rows(process, results)
                if meanwhile:
                    meanwhile(driver(process))
                stop(process)
            out, err = process.communicate(timeout=HANGS_SECONDS)
        finally:
            process.kill()  # nothing, if it has ended
    stored = n_rows(results / "story")
    left_running = place.running_after(HANGS_SECONDS if process.returncode != 3 else 0)  # a lost head's take a minute
    return Stage(Ended(process.returncode, out, err), stored, left_running, place.files)


def wait_for_rows(process: subprocess.Popen[str], results: Path) -> None:
    wanted = n_rows(results / "story") + 10
    wait_until(lambda: n_rows(results / "story") >= wanted, process)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Ray's head lost; SIGINT to the process group, as a terminal does; the end; and a reader all along.

    The lost head comes first, and what it leaves is not mixed up with the others: some agents wait a minute for it.
    """
    told = Story(tmp_path_factory.mktemp("story"))

    def second_run(pid: int) -> None:
        told.pid = pid
        told.meanwhile = command("run", told.folder / "story.yaml", "--results", told.folder / "results")

    with own_place() as place, place_in(place.temporary) as headless, reading(told):

        def kill_head(_: object) -> None:
            (head,) = headless.processes("/gcs_server ")
            os.kill(head, signal.SIGKILL)

        told.stages["head lost"] = stage(told, headless, kill_head)
        told.stages["SIGINT"] = stage(told, place, lambda process: os.killpg(process.pid, signal.SIGINT), second_run)
        told.epochs = told.table["epoch"].max() + 20
        told.stages["the end"] = stage(told, place, None)
        yield told


@contextmanager
def reading(told: Story) -> Iterator[None]:
    closing = threading.Event()
    reader = threading.Thread(target=read_all_along, args=(told, closing))
    reader.start()
    try:
        yield
    finally:
        closing.set()
        reader.join()


def read_all_along(told: Story, closing: threading.Event) -> None:
    """Read the table over and over: each trial's epochs are 1..n, and none that was there is gone."""
    before = pd.Series(dtype="int64")
    folder = told.folder / "results" / "story"
    while not closing.wait(0.1):  # a commit takes half a second
        if not folder.exists():
            continue
        try:
            frame = table(folder)
            n_epochs = frame.groupby("trial_id").size()
            assert (n_epochs.reindex(before.index, fill_value=0) >= before).all()
            before = n_epochs
            told.reads += 1
        except Exception as error:
            told.read_errors.append(error)


def test_a_signal_ends_the_run_with_its_code_and_the_way_on(story: Story):
    told = story.stages["SIGINT"]
    assert told.ended.code == 130
    assert told.ended.err.splitlines()[-1] == "tmc-sweep: stopped by SIGINT: run the same command to go on"
    assert "Traceback" not in told.ended.err
    assert told.ended.out == ""
    assert (told.left_running, told.left_behind) == ([], [])


def test_a_head_that_is_lost_ends_the_run_with_the_way_on(story: Story):
    told = story.stages["head lost"]
    assert told.ended.code == 3
    assert re.fullmatch(
        r"tmc-sweep: a sweep's Ray cluster must stay until its end, but its head at \S+ was silent for 20 s: "
        "run the same command to resume",
        told.ended.err.splitlines()[-1],
    )
    assert "Traceback" not in told.ended.err


def test_each_run_went_on_from_the_one_before(story: Story):
    counts = [told.rows for told in story.stages.values()]
    assert counts == sorted(set(counts))
    assert counts[0] > 0
    assert counts[-1] == 4 * story.epochs


def test_the_sweep_that_was_stopped_twice_equals_one_never_stopped(story: Story):
    assert story.stages["the end"].ended.code == 0
    frame = story.table
    pd.testing.assert_frame_equal(
        outcomes(frame), expected(parse(story.text, "story.yaml").trials(), load("digits")), check_exact=True
    )
    assert frame.columns.tolist() == [column.name for column in EPOCH_COLUMNS]
    assert frame["attempt"].between(1, 3).all()


def test_a_reader_all_along_saw_whole_tables_only(story: Story):
    assert story.read_errors == []
    assert story.reads > 10


def test_a_second_run_meanwhile_is_turned_away_and_told_who_holds_the_sweep(story: Story):
    assert story.meanwhile
    assert story.meanwhile.code == 75
    assert f"another run holds sweep 'story': pid {story.pid} on " in story.meanwhile.err
    assert len(story.meanwhile.err.splitlines()) == 1


def test_the_summary_printed_at_the_end_is_that_of_the_table(story: Story):
    means = story.table.query(f"epoch > {story.epochs - 20}").groupby("K")["test_objective"].mean()
    summary = command("summary", "story", "--results", story.folder / "results", "--json").json
    assert [(cell["K"], cell["mean"]) for cell in summary] == [
        (k, pytest.approx(mean, rel=1e-12)) for k, mean in means.items()
    ]
    for mean in means:
        assert f"{mean:.3f}" in story.stages["the end"].ended.out


def test_a_line_told_of_each_trial_that_ended(story: Story):
    lines = [line for told in story.stages.values() for line in told.ended.err.splitlines() if ": done, " in line]
    assert len(lines) <= 4
    assert all(
        re.search(rf" epoch {story.epochs}/{story.epochs}, test iwae -\d+\.\d\d, tmc -\d+\.\d\d, \d", line)
        for line in lines
    )
    assert lines[-1].startswith("4/4 ")


def test_running_once_more_trains_nothing_and_needs_no_ray(story: Story, monkeypatch: pytest.MonkeyPatch):
    results = story.folder / "results"
    part = results / "story" / "part-00000.parquet"
    before, attempts = part.read_bytes(), read_trials(results / "story")["attempts"].tolist()
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    assert command("run", story.folder / "story.yaml", "--results", results).code == 0
    assert part.read_bytes() == before
    assert read_trials(results / "story")["attempts"].tolist() == attempts
