"""Sweeps that are stopped, killed, cut from power and out of space in any order, as hypothesis thinks of them."""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from disk import Disk, Fault, Kind
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from story import EXPECTED, TRIALS_PER_PART, Rows, run, violations

from tmc_sweep.errors import StorageError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store import epochs
from tmc_sweep.sweep import retry


class Sweeps(RuleBasedStateMachine):
    """Runs of the story on one disk, each to a fault or to its end."""

    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="tmc-crash-"))
        self.disk, self.acknowledged = Disk(self.root), Rows()
        self.paths = SweepPaths(self.root / "results", "tiny")

    def run(self, fault: Fault | None) -> None:
        with suppress(StorageError), self.disk.mounted(fault):
            run(self.paths, self.acknowledged)

    @rule(
        at=st.integers(1, 160), kind=st.sampled_from(["kill", "power", "ENOSPC", "full", "EIO"]), which=st.integers(0)
    )
    def run_into(self, at: int, kind: Kind, which: int) -> None:
        self.run(Fault(at, kind))
        if kind == "power":
            self.lose_power(which)

    @rule(which=st.integers(0))
    def lose_power(self, which: int) -> None:
        possible = list(self.disk.after_power_loss())
        self.disk = possible[which % len(possible)]
        self.disk.restore()

    @invariant()
    def nothing_acknowledged_is_lost_and_all_that_is_there_is_whole(self) -> None:
        assert violations(self.paths, self.acknowledged) == []

    def teardown(self) -> None:
        self.run(None)
        assert violations(self.paths, EXPECTED) == []
        shutil.rmtree(self.root)


@pytest.mark.parametrize("examples", [8, pytest.param(100, marks=pytest.mark.long)])
def test_sweeps_lose_nothing_in_any_order_of_faults(examples: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(epochs, "TRIALS_PER_PART", TRIALS_PER_PART)
    monkeypatch.setattr(retry, "_FIRST_PAUSE", 0.0)
    checks = list(HealthCheck)
    chosen = settings(max_examples=examples, stateful_step_count=8, derandomize=True, suppress_health_check=checks)
    run_state_machine_as_test(Sweeps, settings=chosen)
