"""Two nodes of one core each, in this process: both train, one may be lost, and neither needs the results folder."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import ray
from gate import Gate
from ray.cluster_utils import Cluster
from twin import expected, outcomes, table

from tmc_sweep.data import Images
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.space.load import parse
from tmc_sweep.store.read import read_trials
from tmc_sweep.sweep.progress import Snapshot
from tmc_sweep.sweep.runner import run

pytestmark = pytest.mark.cluster


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate(tmp_path)
    for name, value in gate.environment.items():
        monkeypatch.setenv(name, value)
    return gate


@pytest.fixture
def two_nodes(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster that RAY_ADDRESS names; all of it is gone afterwards."""
    temporary = tempfile.mkdtemp(prefix="tmc-test-", dir="/tmp")
    monkeypatch.setenv("RAY_TMPDIR", temporary)  # where Cluster leaves a note that other runs on this machine follow
    Path(temporary, "ray").mkdir()
    node = {"num_cpus": 1, "num_gpus": 0, "include_dashboard": False, "object_store_memory": 150 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "temp_dir": temporary})
    cluster.add_node(**node)
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    yield cluster
    ray.shutdown()
    cluster.shutdown()
    shutil.rmtree(temporary, ignore_errors=True)


@pytest.mark.long  # test_many_nodes loses a node of two each time
def test_both_nodes_train_and_when_one_is_lost_the_other_trains_its_packs(
    two_nodes: Cluster, gate: Gate, digits: Images, paths: SweepPaths
):
    at_once = []

    def listen(snapshot: Snapshot) -> None:
        running = snapshot.with_status(Status.RUNNING)
        at_once.append(len(running))
        at_gate = [trial for trial in running if trial.last and trial.last.epoch == 9]
        if len(two_nodes.list_all_nodes()) == 2 and len(at_gate) == 2:  # so the lost node was training
            here = ray.get_runtime_context().get_node_id()
            (other,) = (node for node in two_nodes.list_all_nodes() if node.node_id != here)
            two_nodes.remove_node(other, allow_graceful=False)
            gate.open()

    gate.close(9)
    space = parse(
        "{name: tiny, base: {objective: iwae, architecture: {latents: [12, 4]}, train_images: 100, test_images: 40,"
        " K: 2, epochs: 20}, seeds: 4, resources: {pack: 1, checkpoint_seconds: 0.2}}",
        "tiny.yaml",
    )
    run(space, paths.results, listen)
    assert max(at_once) == 2  # though no node has room for two
    assert sorted(read_trials(paths.epochs)["attempts"]) == [1, 1, 1, 2]
    pd.testing.assert_frame_equal(outcomes(table(paths.epochs)), expected(space.trials(), digits), check_exact=True)
    assert not ray.is_initialized()
