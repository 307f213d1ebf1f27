"""One torch thread, a home of its own, and shapes checked in the maths and the models, before anything is imported."""

import gc
import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook
from own import write_module as write_module  # a fixture

LONGEST = (  # files that take twenty seconds to minutes
    "test_askers_path",
    "test_jobs",
    "test_sshd",
    "test_kill_loop",
    "test_many_nodes",
    "test_end_to_end",
    "test_tune",
    "test_benchmarks",
    "test_enumeration",
    "test_ray",
    "test_search_ray",
    "test_shares",
    "test_repair",
    "test_pack",
    "test_storage_faults",
    "test_pack_run",
    "test_engine",
    "test_loop",
)
pytest_plugins = ("table_rows",)
_STATUS = pytest.StashKey[int]()
_home = tempfile.TemporaryDirectory(prefix="tmc_sweep-home-", ignore_cleanup_errors=True)
os.environ |= {"HOME": _home.name, "OMP_NUM_THREADS": "1"}  # Ray writes a token into HOME when it is imported
os.environ.pop("RAY_ADDRESS", None)
os.fsync = lambda _: None  # takes milliseconds, and no power is lost here but in crash/disk.py; other processes do it
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores it, and so its commands
install_import_hook(["tmc_sweep.objectives", "tmc_sweep.models"], "beartype.beartype")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: one that begins last leaves the other worker idle."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


def pytest_collection_finish() -> None:
    """What is loaded by now stays: no later search for garbage, which takes most of a second, looks through it."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_STATUS] = int(exitstatus)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave at once where Ray was here: after the last test its native threads have crashed a dying interpreter."""
    _home.cleanup()
    if "ray" in sys.modules:
        sys.stdout.flush()
        os._exit(config.stash.get(_STATUS, pytest.ExitCode.INTERNAL_ERROR))


@pytest.fixture(scope="session")
def mnist_root() -> Path:
    """The folder that holds the real MNIST, or a skip that says how to have it."""
    root = Path(os.environ.get("TMC_SWEEP_DATA") or "/nowhere")
    if not (root / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file():
        pytest.skip("needs MNIST: set TMC_SWEEP_DATA to the folder that holds MNIST/raw")
    return root
