"""One small Ray for the tests in this process, and a sweep of their own for each."""

import threading
from collections.abc import Iterator

import pytest
import ray
from gate import Gate
from place import Place, own_place
from wait import waited

from tmc_sweep.paths import SweepPaths
from tmc_sweep.store.lock import sweep_lock


@pytest.fixture
def paths(tmp_path) -> SweepPaths:
    return SweepPaths(tmp_path / "results", "tiny")


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process may take, as `local_ray` may, on a machine of one core too."""
    monkeypatch.setattr("tmc_sweep.sweep.inline.capacity_here", lambda: {"CPU": 2.0, "GPU": 0.0})


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """That of `local_ray`."""
    return Gate(tmp_path_factory.mktemp("gate"))


@pytest.fixture(scope="module")
def gpus() -> int:
    """How many `local_ray` hands out, which no machine need have: see logical_gpus.py."""
    return 0


@pytest.fixture(scope="module")
def local_ray(gate: Gate, gpus: int) -> Iterator[Place]:
    """Ray on two cores, which `ray_session` uses as it finds it, in a place of its own."""
    with own_place() as place, pytest.MonkeyPatch.context() as patch:
        for name, value in {**place.environment, **gate.environment}.items():
            patch.setenv(name, value)
        _start(place, gpus)
        yield place
        ray.shutdown()


def _start(place: Place, gpus: int, tries: int = 3) -> None:
    """On a machine that is busy Ray's own processes may not find each other within its 30 s."""
    try:
        ray.init(
            address="local",
            num_cpus=2,
            num_gpus=gpus,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=150 * 2**20,
            _temp_dir=str(place.temporary),
            _node_ip_address="127.0.0.1",
        )
    except Exception:
        ray.shutdown()
        place.kill()
        if tries == 1:
            raise
        _start(place, gpus, tries - 1)


@pytest.fixture
def nothing_left(local_ray: Place, paths: SweepPaths) -> Iterator[None]:
    """After the test: no actor, thread, lock or temporary file of a sweep in a Ray that goes on."""
    yield
    assert waited(lambda: not local_ray.processes("ray::ResourceTrainable", "ray::MessageQueue"))
    assert local_ray.files == []
    assert not [thread for thread in threading.enumerate() if thread.name == "tmc-sweep-writer"]
    assert list(paths.temporary.iterdir()) == []
    with sweep_lock(paths):
        pass
