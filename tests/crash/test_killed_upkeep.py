"""What is done to a sweep beside training it, killed at each of its writes: files stay whole, and a second try ends."""

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from disk import Disk, Fault
from stored import DONE, store

from tmc_sweep.errors import DamagedError
from tmc_sweep.integrity.repair import repair
from tmc_sweep.integrity.verify import verify
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import fixed_values
from tmc_sweep.report.page import write_page
from tmc_sweep.report.tables import SweepTables
from tmc_sweep.store import epochs, files
from tmc_sweep.store.artefacts import EVALUATIONS, upsert
from tmc_sweep.store.checkpoint_budget import prune
from tmc_sweep.store.manifest import parse_manifest
from tmc_sweep.store.parquet import is_whole
from tmc_sweep.store.publish import Publication

NAME = "tiny"
_PASSED_OVER = {"lock", "artefacts.lock", "tmp", "artefacts.tmp", "quarantine"}


def evaluate(values: dict[int, float]) -> Callable[[SweepPaths], None]:
    measured = {"standard_error": 0.1, "seconds": 1.0, "time": datetime(2025, 1, 1, tzinfo=UTC)}
    fixed = {**fixed_values(DONE), **measured, "epoch": 1, "bound": "iwae"}
    rows = [{**fixed, "samples": samples, "value": value} for samples, value in values.items()]
    return lambda paths: upsert(EVALUATIONS, paths, rows)


def drop(paths: SweepPaths) -> None:
    prune(paths, 0.0)


def publish(paths: SweepPaths) -> None:
    Publication(paths, str(paths.results.parent / "copy")).update()


def grown(paths: SweepPaths) -> None:
    """Published once, and changed since."""
    publish(paths)
    evaluate({10: -1.0})(paths)
    drop(paths)


def report(paths: SweepPaths) -> None:
    write_page(paths.report, [SweepTables.read(paths.results, NAME)])


def mend(paths: SweepPaths) -> None:
    repair(paths)


def lost(paths: SweepPaths) -> None:
    paths.part(1).unlink()
    paths.trials.unlink()
    paths.attempts.unlink()


def broken(paths: SweepPaths) -> None:
    for path in (paths.part(0), paths.trials, paths.manifest):
        path.write_bytes(b"garbage")


def nothing(paths: SweepPaths) -> None:
    """The sweep as it is."""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(epochs, "TRIALS_PER_PART", 1)
        folder = tmp_path_factory.mktemp("stored")
        store(folder)
        yield folder


class Upkeep:
    """One verb on one sweep, on a disk of its own."""

    def __init__(self, root: Path, stored: Path, before: Callable[[SweepPaths], None]) -> None:
        self.root, self.results = root, root / "results"
        shutil.copytree(stored, self.results)
        self.paths = SweepPaths(self.results, NAME)
        before(self.paths)
        self.first = self.files()
        self.violations: list[str] = []

    def files(self) -> dict[Path, bytes]:
        """All files but locks, and what is being written."""
        found = sorted(path for path in self.root.rglob("*") if path.is_file())
        ours = [path for path in found if not _PASSED_OVER & {*path.relative_to(self.root).parts}]
        return {path: path.read_bytes() for path in ours}

    def run(self, verb: Callable[[SweepPaths], None], fault: Fault | None = None, *, reading: bool = False) -> Disk:
        disk = Disk(self.root)
        disk.load()
        if reading:
            disk.before_each = lambda: self.check(f"before operation {len(disk.operations) + 1}")
        with disk.mounted(fault):
            verb(self.paths)
        return disk

    def restore(self) -> None:
        for path in self.root.iterdir():
            shutil.rmtree(path)
        for path, content in self.first.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def check(self, when: str) -> None:
        """Each file is as it was or whole, and pandas reads the epochs wherever all of them are whole."""
        found = self.files()
        for path, content in found.items():
            if content != self.first.get(path) and not whole(path, content):
                self.violations.append(f"{when}: {path.relative_to(self.root)} is not whole")
        for table in (self.paths.epochs, self.root / "copy" / NAME):
            parts = [content for path, content in found.items() if path.parent == table]
            if parts and all(map(is_whole, parts)):
                frame = pd.read_parquet(table, columns=["trial_id", "epoch"])
                if (frame.groupby("trial_id").cumcount() + 1 != frame["epoch"]).any():
                    self.violations.append(f"{when}: a trial's epochs in {table} are not 1, 2, 3, ... once each")

    def check_end(self, when: str, names: set[Path]) -> None:
        self.check(when)
        for results in {self.results, *self.root.glob("copy")}:
            self.violations += [f"{when}: {problem.sentence}" for problem in verify(SweepPaths(results, NAME)).problems]
        if different := names ^ {*self.files()}:
            self.violations.append(f"{when}: only at one end there is {sorted(map(str, different))}")
        self.violations += [f"{when}: {path} is left" for path in self.root.rglob("tmp/*")]


def whole(path: Path, content: bytes) -> bool:
    if path.suffix == ".parquet":
        return is_whole(content)
    if path.suffix == ".html":
        return content.rstrip().endswith(b"</html>")
    with suppress(DamagedError):
        return path.name != "manifest.json" or bool(parse_manifest(path, content))
    return False


VERBS = {
    "prune": (nothing, drop),
    "publish": (nothing, publish),
    "publish again": (grown, publish),
    "repair of what is lost": (lost, mend),
    "repair of what is broken": (broken, mend),
    "artefacts": (evaluate({10: -1.0}), evaluate({10: -2.0, 20: -1.5})),
    "report": (nothing, report),
}


def killed(upkeep: Upkeep, verb: Callable[[SweepPaths], None], most: int) -> list[str]:
    """What is wrong when it is killed at some of its writes, at most so many, and done again."""
    n = len(upkeep.run(verb).operations)
    names = {*upkeep.files()}
    upkeep.check_end("without a fault", names)
    for at in sorted(random.Random(n).sample(range(1, n + 1), min(n, most))):
        upkeep.restore()
        disk = upkeep.run(verb, Fault(at, "kill"))
        upkeep.check(what := f"killed at {at} of {n}, {disk.operations[-1]}")
        upkeep.run(verb)
        upkeep.check_end(f"{what}, and again", names)
    assert n >= 5
    return upkeep.violations


@pytest.mark.parametrize(
    ("verb", "most"),
    [
        *((verb, 3) for verb in VERBS if verb not in ("repair of what is broken", "report")),
        *(pytest.param(verb, 1000, marks=pytest.mark.long) for verb in VERBS),
    ],
)
def test_upkeep_killed_at_any_write_leaves_whole_files_and_is_ended_by_another(
    stored: Path, tmp_path: Path, verb: str, most: int
):
    before, act = VERBS[verb]
    assert killed(Upkeep(tmp_path, stored, before), act, most) == []


@pytest.mark.parametrize("verb", ["prune", "publish again", "artefacts"])
def test_a_reader_before_each_write_of_upkeep_sees_whole_files(stored: Path, tmp_path: Path, verb: str):
    before, act = VERBS[verb]
    upkeep = Upkeep(tmp_path, stored, before)
    upkeep.run(act, reading=True)
    assert upkeep.violations == []


@pytest.mark.parametrize("verb", ["prune", "publish again", "artefacts"])
def test_upkeep_that_writes_in_place_is_caught(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
):
    before, act = VERBS[verb]
    upkeep = Upkeep(tmp_path, stored, before)
    monkeypatch.setattr(files, "write", lambda path, content, _: path.write_bytes(content))
    upkeep.run(act, reading=True)
    assert upkeep.violations
