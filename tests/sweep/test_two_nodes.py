"""Two nodes of one core each, in this process: trials run on both at once, and no node needs the results folder."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import ray
from ray.cluster_utils import Cluster
from twin import expected, outcomes, table

from tmc_sweep.data import Images
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.space.load import parse
from tmc_sweep.sweep.progress import Snapshot
from tmc_sweep.sweep.runner import run


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A cluster's address; all of it is gone afterwards."""
    temporary = tempfile.mkdtemp(prefix="tmc-test-", dir="/tmp")
    monkeypatch.setenv("RAY_TMPDIR", temporary)  # where Cluster leaves a note that other runs on this machine follow
    Path(temporary, "ray").mkdir()
    node = {"num_cpus": 1, "num_gpus": 0, "include_dashboard": False, "object_store_memory": 150 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "temp_dir": temporary})
    cluster.add_node(**node)
    yield cluster.address
    ray.shutdown()
    cluster.shutdown()
    shutil.rmtree(temporary, ignore_errors=True)


def test_both_nodes_train(two_nodes: str, digits: Images, paths: SweepPaths, monkeypatch: pytest.MonkeyPatch):
    at_once = []

    def listen(snapshot: Snapshot) -> None:
        at_once.append(len(snapshot.with_status(Status.RUNNING)))

    space = parse(
        "{name: tiny, base: {objective: iwae, architecture: {latents: [12, 4]}, train_images: 100, test_images: 40,"
        " K: 2, epochs: 30}, seeds: 4, resources: {pack: 1}}",
        "tiny.yaml",
    )
    monkeypatch.setenv("RAY_ADDRESS", two_nodes)
    run(space, paths.results, listen)
    assert max(at_once) == 2  # though no node has room for two
    pd.testing.assert_frame_equal(outcomes(table(paths.epochs)), expected(space.trials(), digits), check_exact=True)
    assert not ray.is_initialized()
