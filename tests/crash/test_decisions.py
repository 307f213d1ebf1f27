"""Which cells stop is settled once: a sweep killed at any write stops those, and lets go those, that its twin did.

The twin is the same arrivals without a fault. What was not acknowledged arrives again, in the same order.
"""

import math
import random
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from disk import Disk, Fault, Kind

from tmc_sweep.config import TrialConfig
from tmc_sweep.errors import StorageError
from tmc_sweep.integrity.repair import repair
from tmc_sweep.integrity.verify import verify
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import OUTCOME_COLUMNS, EpochRecord, Provenance, Status
from tmc_sweep.search.cells import choosing
from tmc_sweep.space import parse
from tmc_sweep.store import epochs, files
from tmc_sweep.store import recorder as recorder_module
from tmc_sweep.store.lock import sweep_lock
from tmc_sweep.store.manifest import open_manifest, read_manifest
from tmc_sweep.store.messages import Ack, Report, StartTrial
from tmc_sweep.store.publish import Publication, fetch
from tmc_sweep.store.recorder import Recorder

EPOCHS = 4
SCHEDULERS = {
    "asha": "{algorithm: asha, last: 1, grace_epochs: 1, reduction: 2}",
    "median": "{algorithm: median, last: 1, grace_epochs: 1}",
}
Arrival = tuple[TrialConfig, int]  # a trial, and the epoch that it reports
Ends = dict[str, tuple[object, ...]]


class Story:
    """Four cells, one of two seeds, whose epochs arrive in an order that a seed gives, two at a time."""

    def __init__(self, paths: SweepPaths, scheduler: str, seed: int) -> None:
        rates = "[1e-4, 2e-4, 3e-4, 4e-4]"
        text = (
            f"name: {paths.name}\nbase: {{objective: iwae, architecture: {{latents: [4]}}, train_images: 100, "
            f"validation_images: 20, test_images: 40, K: 2, epochs: {EPOCHS}}}\n"
            f"space: {{lr: {{grid_search: {rates}}}}}\nseeds: 2\nstatistic: {{metric: val_iwae, last: 1}}\n"
            f"scheduler: {SCHEDULERS[scheduler]}\n"
        )
        self.paths, self.space = paths, parse(text, "story.yaml")
        self.trials = [trial for trial in self.space.trials() if trial.seed == 0 or trial.lr == 1e-4]
        self.acknowledged: set[Arrival] = set()
        self.order = self._order(random.Random(seed))

    def _order(self, chance: random.Random) -> list[Arrival]:
        turns = [trial for trial in self.trials for _ in range(EPOCHS)]
        chance.shuffle(turns)
        return [(trial, turns[: place + 1].count(trial)) for place, trial in enumerate(turns)]

    def run(self, tries: int = 3, until: int | None = None) -> None:
        """Let arrive what was not acknowledged, in its order, as a run of `tmc-sweep run` would record it."""
        with sweep_lock(self.paths):
            open_manifest(self.paths, self.space.text)
            recorder = _lasting(lambda: Recorder.open(self.paths, self.trials), tries)
            choosing(self.space, self.paths, self.trials, [], recorder)
            waiting = [arrival for arrival in self.order[:until] if arrival not in self.acknowledged]
            self._deliver(recorder, waiting, tries)
            recorder.release()
            _lasting(recorder.commit, tries)

    def _deliver(self, recorder: Recorder, waiting: Sequence[Arrival], tries: int) -> None:
        attempts = {}
        for trial in dict.fromkeys(trial for trial, _ in waiting):
            begun = recorder.receive(_begin(trial))
            attempts[trial] = None if isinstance(begun, Ack) else begun.attempt
        _lasting(recorder.commit, tries)
        for place in range(0, len(waiting), 2):
            batch = waiting[place : place + 2]
            for trial, epoch in batch:
                if (attempt := attempts[trial]) is not None:
                    recorder.receive(Report(trial.trial_id, attempt, (_record(trial, epoch, attempt),)))
            if recorder.decisions:
                self.on_decision(recorder)
            _lasting(recorder.commit, tries)
            self.acknowledged.update(batch)

    def on_decision(self, recorder: Recorder) -> None:
        """Called before each commit once something was decided of a cell."""

    def continued(self, paths: SweepPaths) -> Ends:
        """How the trials end in a copy, in which arrives what it has no row of."""
        other = Story.__new__(Story)
        other.__dict__ = {**self.__dict__, "paths": paths}
        rows = pd.read_parquet(paths.epochs, columns=["trial_id", "epoch"]).itertuples(index=False, name=None)
        stored = set(rows)
        other.acknowledged = {arrival for arrival in self.order if (arrival[0].trial_id, arrival[1]) in stored}
        other.run()
        return other.ends()

    def ends(self, paths: SweepPaths | None = None) -> Ends:
        """How each trial stands, on disk."""
        with sweep_lock(paths or self.paths):
            recorder = Recorder.open(paths or self.paths, self.trials)
            rows = [recorder.row(trial.trial_id) for trial in self.trials]
        return {row["trial_id"]: (row["status"], row["reason"], row["epochs_done"]) for row in rows}


def plain_statuses(paths: SweepPaths) -> list[tuple[str]]:
    return list(pd.read_parquet(paths.trials)[["status"]].itertuples(index=False, name=None))


def _broken() -> None:
    raise StorageError("the disk is full")


def _begin(trial: TrialConfig) -> StartTrial:
    return StartTrial(trial.trial_id, (trial.trial_id,), 7, "sum", Provenance("host", "cpu", 1, "eager", "versions"))


def _record(trial: TrialConfig, epoch: int, attempt: int) -> EpochRecord:
    """Crossing curves: the best at a rung is not the best at the next."""
    value = -10 - 5 * math.sin(1e4 * trial.lr * epoch + trial.seed)
    spent = {"epoch_seconds": 1.0, "eval_seconds": 0.5, "peak_memory_bytes": 1}
    fields = dict.fromkeys(OUTCOME_COLUMNS, value)
    now = datetime(2025, 1, 1, tzinfo=UTC)
    return EpochRecord(trial_id=trial.trial_id, epoch=epoch, attempt=attempt, time=now, **fields, **spent)


def _lasting(action, tries: int):
    for _ in range(tries - 1):
        with suppress(StorageError):
            return action()
    return action()


@pytest.fixture(autouse=True)
def a_part_for_each_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "TRIALS_PER_PART", 1)
    monkeypatch.setattr(recorder_module, "_TRIALS_SECONDS", math.inf)


@pytest.fixture(params=["asha-2", "median-2", *(f"{name}-{seed}" for name in SCHEDULERS for seed in (0, 4, 5))])
def story(request: pytest.FixtureRequest, tmp_path: Path) -> Story:
    scheduler, _, seed = request.param.partition("-")
    return Story(SweepPaths(tmp_path / "disk" / "results", "tiny"), scheduler, int(seed))


def twin_of(story: Story, tmp_path: Path) -> Ends:
    """Where the same arrivals end without a fault: some cells stop, some go on."""
    twin = Story(SweepPaths(tmp_path / "twin", "tiny"), "asha", 0)
    twin.space, twin.trials, twin.order = story.space, story.trials, story.order
    twin.run()
    ends = twin.ends()
    assert {status for status, _, _ in ends.values()} == {Status.STOPPED, Status.DONE}
    return ends


@pytest.mark.parametrize("story", ["asha-2"], indirect=True)
def test_a_sweep_killed_in_a_commit_that_stops_a_cell_decides_as_its_twin(story: Story, tmp_path: Path):
    """Before each rename of such commits: of the decision, the rows, the attempts, the trial table."""
    Faults(story, tmp_path).check("kill", everywhere=False)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["kill", "full", "power"])
def test_a_sweep_killed_at_any_write_decides_as_its_twin(story: Story, tmp_path: Path, kind: Kind):
    Faults(story, tmp_path).check(kind, everywhere=True)


@pytest.mark.parametrize("story", ["asha-2", "median-2"], indirect=True)
def test_ten_reopenings_stop_nothing_more_and_nothing_less(story: Story, tmp_path: Path):
    expected = twin_of(story, tmp_path)
    for place in range(2, len(story.order), 2):
        story.run(until=place)
    assert story.ends() == expected


def test_a_cell_let_go_stays_so_when_its_lost_rows_come_again_after_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It is the worst at the first rung, and was the first there; the kill comes between the decision and the rows."""
    story = Story(SweepPaths(tmp_path / "results", "tiny"), "asha", 2)
    (worst,) = (trial for trial in story.trials if trial.lr == 2e-4)
    story.order.sort(key=lambda arrival: arrival[0] != worst)
    with monkeypatch.context() as patch, suppress(StorageError):
        patch.setattr(story, "on_decision", lambda recorder: patch.setattr(recorder._epochs, "commit", _broken))
        story.run(tries=1)
    assert story.acknowledged == set()
    story.order.sort(key=lambda arrival: (arrival[0] == worst, arrival[1]))
    story.run()
    assert read_manifest(story.paths).decisions[worst.cell_id].epoch > 1


@pytest.mark.parametrize("story", ["asha-2"], indirect=True)
def test_a_published_copy_decides_as_the_sweep_itself(story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Copied before any file is replaced: what is copied first is older than the rest."""
    expected = twin_of(story, tmp_path)
    copies: list[str] = []
    write = files.write

    def copying(path: Path, content: bytes, temporary: Path) -> None:
        if story.paths.results in path.parents and story.acknowledged:
            copies.append(str(tmp_path / f"copy{len(copies)}"))
            with monkeypatch.context() as patch:
                patch.setattr(files, "write", write)
                Publication(story.paths, copies[-1]).update()
        write(path, content, temporary)

    monkeypatch.setattr(files, "write", copying)
    story.run()
    monkeypatch.setattr(files, "write", write)
    for copy in copies[::3]:
        assert story.continued(fetched(copy, tmp_path)) == expected


def fetched(copy: str, tmp_path: Path) -> SweepPaths:
    paths = SweepPaths(tmp_path / "fetched" / Path(copy).name, "tiny")
    fetch(copy, paths)
    return paths


class Faults:
    """A story with a fault at some of its operations, and its twin without."""

    def __init__(self, story: Story, tmp_path: Path) -> None:
        self.story, self.root = story, story.paths.results.parent
        self.expected = twin_of(story, tmp_path)
        self.root.mkdir()

    def check(self, kind: Kind, *, everywhere: bool) -> None:
        operations = self._operations()
        points = range(1, len(operations) + 1) if everywhere else self._in_ending_commits(operations)
        wrong = [f"{kind} at {at}, {operations[at - 1]}" for at in points if self._differs(Fault(at, kind))]
        sys.stdout.write(f"\n{kind}: {len(points)} of {len(operations)} operations, {len(wrong)} other ends\n")
        assert wrong == []

    def _operations(self) -> list[str]:
        disk = Disk(self.root)
        with disk.mounted():
            self.story.run()
        assert self.story.ends() == self.expected
        return disk.operations

    def _in_ending_commits(self, operations: list[str]) -> list[int]:
        """The renames of the first commits that end trials, in which the trial table is written."""
        tables = [at for at, what in enumerate(operations, 1) if what == f"rename {self.story.paths.trials.name}"][
            2:4
        ]  # two of the beginning
        renames = [at for at, what in enumerate(operations, 1) if what.startswith("rename ")]
        return [at for at in renames if any(table - 20 < at <= table for table in tables)]

    def _differs(self, fault: Fault) -> bool:
        """Whether the sweep ends otherwise, on any disk that the fault may leave."""
        self.story.acknowledged.clear()
        disk = Disk(self.root)
        disk.restore()
        with suppress(StorageError), disk.mounted(fault):
            self.story.run(tries=1 if fault.kind == "full" else 3)
        acknowledged = set(self.story.acknowledged)
        for found in list(disk.after_power_loss()) if fault.kind == "power" else [disk]:
            self.story.acknowledged = set(acknowledged)
            found.restore()
            with found.mounted():
                self.story.run()
            if self.story.ends() != self.expected:
                return True
        return False


@pytest.fixture
def ended(tmp_path: Path) -> Story:
    """A story at its end: some cells were stopped."""
    story = Story(SweepPaths(tmp_path / "results", "tiny"), "asha", 2)
    story.run()
    return story


def test_a_lost_trial_table_has_its_stopped_trials_again_after_repair(ended: Story):
    expected = ended.ends()
    ended.paths.trials.unlink()
    repair(ended.paths)
    assert ended.ends() == expected


def test_rows_of_stopped_trials_that_were_lost_are_trained_again_up_to_where_they_stopped(ended: Story):
    expected = {name: end[:2] for name, end in ended.ends().items()}
    for number in range(len(ended.trials)):
        ended.paths.part(number).write_bytes(b"garbage")
    assert {line.split()[1].rstrip(":") for line in repair(ended.paths).to_train} == expected.keys()
    ended.acknowledged.clear()
    ended.run()
    assert {name: end[:2] for name, end in ended.ends().items()} == expected
    assert verify(ended.paths).problems == ()


def test_rows_of_stopped_trials_are_lost_for_ever_where_no_decision_is_on_record(ended: Story):
    stopped = {name for name, (status, *_) in ended.ends().items() if status == Status.STOPPED}
    for file in (ended.paths.manifest, *map(ended.paths.part, range(len(ended.trials)))):
        file.write_bytes(b"garbage")
    mended = repair(ended.paths)
    said = [line for line in mended.done if line.startswith("lost for ever, since the trial was stopped, and at which")]
    assert {line.split(": trial ")[1][:12] for line in said} == stopped
    assert len(mended.to_train) == len(ended.trials) - len(stopped)


def test_without_the_manifest_what_is_stored_counts_as_let_go_which_repair_says(tmp_path: Path):
    """The sweep is in the middle: later rungs are decided as ever, earlier ones never again."""
    story = Story(SweepPaths(tmp_path / "results", "tiny"), "asha", 2)
    story.run(until=10)
    stopped = [name for name, (status, *_) in story.ends().items() if status == Status.STOPPED]
    story.paths.manifest.unlink()
    (said,) = (line for line in repair(story.paths).done if "manifest" in line)
    assert said.endswith("what a scheduler had decided counts as decided to go on, but for the trials that it stopped")
    before = {trial.trial_id: done for trial, (*_, done) in zip(story.trials, story.ends().values(), strict=True)}
    story.run()
    newly = {name: end for name, end in story.ends().items() if end[0] == Status.STOPPED and name not in stopped}
    assert stopped
    assert all(int(str(reason).split("epoch ")[1][0]) > before[name] for name, (_, reason, _) in newly.items())


def test_a_stop_on_record_outlasts_its_scheduler_and_a_killed_run(tmp_path: Path):
    """Killed between the decision and the trial table; the next run has no scheduler in its file."""
    story = Story(SweepPaths(tmp_path / "results", "tiny"), "asha", 2)
    expected = twin_of(story, tmp_path)

    def break_at_a_stop(recorder: Recorder) -> None:
        if any(decision.stop for decision in recorder.decisions.values()):
            patch.setattr(recorder._trials, "commit", _broken)

    with pytest.MonkeyPatch.context() as patch, suppress(StorageError):
        patch.setattr(story, "on_decision", break_at_a_stop)
        story.run(tries=1)
    first = {name for name, decision in read_manifest(story.paths).decisions.items() if decision.stop}
    assert first
    assert Status.STOPPED not in {status for status, *_ in plain_statuses(story.paths)}
    story.space = parse(story.space.text.split("scheduler:")[0], "story.yaml")
    story.run()
    ends = story.ends()
    of_cells = {trial.trial_id for trial in story.trials if trial.cell_id in first}
    assert {name: ends[name] for name in of_cells} == {name: expected[name] for name in of_cells}
    assert {ends[name][0] for name in ends.keys() - of_cells} == {Status.DONE}


def test_a_seed_that_joins_a_stopped_cell_stops_where_the_others_did(ended: Story):
    decisions = read_manifest(ended.paths).decisions
    cell = next(name for name, decision in decisions.items() if decision.stop)
    (first, *_) = (trial for trial in ended.trials if trial.cell_id == cell)
    joins = first.model_copy(update={"seed": 9})
    ended.trials.append(joins)
    ended.order += [(joins, epoch) for epoch in range(1, EPOCHS + 1)]
    ended.run()
    assert ended.ends()[joins.trial_id] == (Status.STOPPED, decisions[cell].stop, decisions[cell].epoch)
    assert read_manifest(ended.paths).decisions == decisions
