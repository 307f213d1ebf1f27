"""Every operation of a sweep's writer fails in every way; whatever is left is whole, and the sweep goes on from it.

`pytest tests/crash -s` prints how many operations, runs and violations there were.
"""

import math
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from disk import Disk, Fault, Kind
from story import EXPECTED, TRIALS_PER_PART, Rows, run, violations

from tmc_sweep.errors import StorageError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store import epochs, files, recorder
from tmc_sweep.sweep import retry


@pytest.fixture(autouse=True)
def the_same_operations_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "TRIALS_PER_PART", TRIALS_PER_PART)
    monkeypatch.setattr(retry, "_FIRST_PAUSE", 0.0)
    monkeypatch.setattr(recorder, "_TRIALS_SECONDS", math.inf)  # counts alone are written after some time


class Enumeration:
    """Runs of the story with a fault each, on a disk of their own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = SweepPaths(root / "new" / "results", "tiny")  # power may also take what lies above
        self.operations: list[str] = []  # of the story without a fault
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []

    def n_operations(self, *, reading: bool = False) -> int:
        """Of the story without a fault; before each a reader may look, who sees what was acknowledged, or more."""
        disk, acknowledged = Disk(self.root), Rows()
        if reading:
            disk.before_each = lambda: self._check(acknowledged, f"before operation {len(disk.operations) + 1}")
        with disk.mounted():
            run(self.paths, acknowledged)
        self._check(EXPECTED, "in the end")
        self.operations = disk.operations
        return len(disk.operations)

    def fault(self, fault: Fault) -> None:
        """The story until the fault, what a reader sees then, and the story again to its end."""
        disk, acknowledged = self._fresh(), Rows()
        self._run(disk, acknowledged, fault)
        what = f"{fault.kind} at {fault.at}, {disk.operations[fault.at - 1]}"
        if fault.kind == "power":
            for found in disk.after_power_loss():
                found.restore()
                self._go_on(found, dict(acknowledged), what)
            return
        if fault.kind == "EIO":  # the run has gone on with its acknowledgements
            self._check_after_power_loss(disk, acknowledged, what)
            disk.restore()
        self._go_on(disk, acknowledged, what)

    def faults(self, first: Fault, second: Fault) -> None:
        """Another fault while the story goes on after the first."""
        disk, acknowledged = self._fresh(), Rows()
        self._run(disk, acknowledged, first)
        self._run(disk, acknowledged, second)
        what = f"{first.kind} at {first.at}, then {second.kind} at {second.at}"
        for found in disk.after_power_loss() if second.kind == "power" else [disk]:
            found.restore()
            self._go_on(found, dict(acknowledged), what)

    def kill_then_power(self, at: int) -> None:
        """A killed run's unfinished changes are there for the next one, which must not take them as durable."""
        disk, acknowledged = self._fresh(), Rows()
        self._run(disk, acknowledged, Fault(at, "kill"))
        self._run(disk, acknowledged)
        self._check_after_power_loss(disk, EXPECTED, f"kill at {at}")

    def _fresh(self) -> Disk:
        disk = Disk(self.root)
        disk.restore()
        return disk

    def _run(self, disk: Disk, acknowledged: Rows, fault: Fault | None = None) -> None:
        self.counts["runs"] += 1
        with suppress(StorageError), disk.mounted(fault):
            run(self.paths, acknowledged)

    def _go_on(self, disk: Disk, acknowledged: Rows, what: str) -> None:
        self._check(acknowledged, what)
        self._run(disk, acknowledged)
        self._check(EXPECTED, f"{what}: after the next run")

    def _check_after_power_loss(self, disk: Disk, acknowledged: Rows, what: str) -> None:
        seen = set()
        for found in disk.after_power_loss():
            if (table := found.part(self.paths.epochs)) not in seen:
                seen.add(table)
                found.restore()
                self._check(acknowledged, f"{what}, then loss of power at the end")

    def _check(self, acknowledged: Rows, when: str) -> None:
        self.counts["checks"] += 1
        self.violations += [f"{when}: {found}" for found in violations(self.paths, acknowledged)]

    def report(self, name: str, points: int) -> None:
        sys.stdout.write(
            f"\n{name}: {points} fault points, {self.counts['runs']} runs, {self.counts['checks']} checks, "
            f"{len(self.violations)} violations\n"
        )


@pytest.fixture
def enumeration(tmp_path: Path) -> Enumeration:
    return Enumeration(tmp_path)


EVERY = pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.long)])


def test_a_reader_before_each_operation_sees_all_that_was_acknowledged(enumeration: Enumeration):
    assert enumeration.n_operations(reading=True) > 100
    assert enumeration.violations == []


@EVERY
@pytest.mark.parametrize("kind", ["kill", "power", "ENOSPC", "full", "EIO"])
def test_no_single_fault_breaks_a_promise(enumeration: Enumeration, kind: Kind, every: int):
    n = enumeration.n_operations()
    for at in range(1, n + 1, every):
        enumeration.fault(Fault(at, kind))
    enumeration.report(kind, len(range(0, n, every)))
    assert enumeration.violations == []


@EVERY
def test_what_a_killed_run_left_undone_is_durable_before_the_next_one_counts_on_it(
    enumeration: Enumeration, every: int
):
    n = enumeration.n_operations()
    for at in range(1, n + 1, every):
        enumeration.kill_then_power(at)
    enumeration.report("kill, then loss of power", len(range(0, n, every)))
    assert enumeration.violations == []


@EVERY
def test_a_second_fault_while_a_sweep_goes_on_breaks_none_either(enumeration: Enumeration, every: int):
    n, chance, pairs = enumeration.n_operations(), random.Random(8), 100 // every
    kinds: tuple[Kind, ...] = ("kill", "power", "full", "EIO")
    for _ in range(pairs):
        first = Fault(chance.randint(1, n), chance.choice(("kill", "full")))
        enumeration.faults(first, Fault(chance.randint(1, n), chance.choice(kinds)))
    enumeration.report("two faults", pairs)
    assert enumeration.violations == []


def without_fsync_of_the_file(path: Path, content: bytes, temporary: Path) -> None:
    aside = temporary / f"{path.name}.aside"
    with files.explained("written", path):
        with aside.open("wb") as file:
            file.write(content)
        aside.replace(path)
        files._sync_folder(path.parent)


def without_fsync_of_the_folder(path: Path, content: bytes, temporary: Path) -> None:
    aside = temporary / f"{path.name}.aside"
    with files.explained("written", path):
        with aside.open("wb") as file:
            file.write(content)
            os.fsync(file.fileno())
        aside.replace(path)


def without_a_temporary_file(path: Path, content: bytes, temporary: Path) -> None:
    with files.explained("written", path), path.open("wb") as file:
        file.write(content)
        os.fsync(file.fileno())
    files._sync_folder(path.parent)


def on_the_same_file_again_after_a_failed_fsync(path: Path, content: bytes, temporary: Path) -> None:
    aside = temporary / f"{path.name}.aside"
    with files.explained("written", path):
        with aside.open("wb") as file:
            file.write(content)
            try:
                os.fsync(file.fileno())
            except OSError:
                os.fsync(file.fileno())
        aside.replace(path)
        files._sync_folder(path.parent)


def never(*_: object) -> None:
    return None


def unsynced_folder(folder: Path) -> None:
    folder.mkdir(exist_ok=True)


@pytest.mark.parametrize(
    ("name", "broken", "kind"),
    [
        ("write", without_fsync_of_the_file, "power"),
        ("write", without_fsync_of_the_folder, "power"),
        ("write", without_a_temporary_file, "kill"),
        ("write", without_a_temporary_file, "full"),
        ("write", on_the_same_file_again_after_a_failed_fsync, "EIO"),
        ("make_folder", unsynced_folder, "power"),
        ("sync", never, "kill, then power"),
        ("_sync_folder", never, "power"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_store_without_one_of_its_steps_is_caught(
    enumeration: Enumeration,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    broken: Callable[..., None],
    kind: str,
):
    monkeypatch.setattr(files, name, broken)
    n = enumeration.n_operations()
    enumeration.violations.clear()
    for at in sorted(
        _spread(n), key=lambda at: kind == "EIO" and not enumeration.operations[at - 1].startswith("fsync")
    ):
        if enumeration.violations:
            break
        if kind == "kill, then power":
            enumeration.kill_then_power(at)
        else:
            enumeration.fault(Fault(at, kind))
    enumeration.report(f"{name} {broken.__name__}, {kind}", n)
    assert enumeration.violations


def _spread(n: int) -> Iterator[int]:
    """1 to n, the last ones first, after which no later write hides what went wrong."""
    yield from range(n, n - 8, -1)
    yield from random.Random(0).sample(range(1, n - 7), n - 8)
