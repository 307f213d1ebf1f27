"""What drives Tune is imported late: what goes wrong then is told as it is, and a signal waits for it."""

import signal
import sys

import pytest

from tmc_sweep import sweep
from tmc_sweep.errors import SweepInterruptedError
from tmc_sweep.sweep.ray_tune import RayTune
from tmc_sweep.sweep.signals import StopSignal


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> RayTune:
    """One that has not imported it yet."""
    monkeypatch.delitem(sys.modules, "tmc_sweep.sweep.tune", raising=False)
    monkeypatch.delattr(sweep, "tune", raising=False)
    made = RayTune.__new__(RayTune)
    made._stop = StopSignal()
    return made


def test_a_package_that_is_missing_is_named(executor: RayTune, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr("ray.tune", raising=False)
    monkeypatch.setitem(sys.modules, "ray.tune", None)
    with pytest.raises(ModuleNotFoundError) as error:
        executor._tune()
    assert error.value.name == "ray.tune"


def test_a_signal_meanwhile_ends_the_sweep_once_it_is_imported(executor: RayTune, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(executor._stop, "number", signal.SIGTERM)
    with pytest.raises(SweepInterruptedError, match=r"^stopped by SIGTERM: run the same command to go on$"):
        executor._tune()
    assert "tmc_sweep.sweep.tune" in sys.modules
