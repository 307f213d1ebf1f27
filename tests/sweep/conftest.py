"""One small Ray for the tests in this process, and a sweep of their own for each."""

import shutil
import tempfile
from collections.abc import Iterator

import pytest
import ray

from tmc_sweep.data import Images, load
from tmc_sweep.paths import SweepPaths


@pytest.fixture(scope="session")
def digits() -> Images:
    return load("digits")


@pytest.fixture
def paths(tmp_path) -> SweepPaths:
    return SweepPaths(tmp_path / "results", "tiny")


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    """Ray on two cores, which `ray_session` uses as it finds it; its files are short-named and removed."""
    temporary = tempfile.mkdtemp(prefix="tmc-test-", dir="/tmp")
    ray.init(
        address="local",
        num_cpus=2,
        num_gpus=0,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=150 * 2**20,
        _temp_dir=temporary,
        _node_ip_address="127.0.0.1",
    )
    yield
    ray.shutdown()
    shutil.rmtree(temporary, ignore_errors=True)
