"""Nodes whose GPUs are shared by packs, and nodes that come when packs wait and go when none do.

The GPUs are logical (`logical_gpus.py`): Ray places packs by them, and the packs train on the processor.
"""

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import ray
from command import TMC_SWEEP, start
from gate import Gate
from place import Place, own_place
from ray.cluster_utils import Cluster
from ray.util import get_node_ip_address
from twin import expected, outcomes, table
from wait import HANGS_SECONDS, wait_until

from tmc_sweep.data import Images
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.space import SearchSpace
from tmc_sweep.space.load import parse
from tmc_sweep.store.read import read_trials
from tmc_sweep.sweep.progress import Snapshot
from tmc_sweep.sweep.runner import run

pytestmark = pytest.mark.cluster

NODE = {"include_dashboard": False, "object_store_memory": 100 * 2**20}
EPOCHS_BEFORE_GATE = 3
HEAD = "f" * 51 + "00000"  # the only name that Ray's stand-in for a cloud gives a head


def space(seeds: int, epochs: int, gpu: float = 0.25) -> SearchSpace:
    return parse(
        "{name: tiny, base: {objective: iwae, architecture: {latents: [12, 4]}, train_images: 100, test_images: 40,"
        f" K: 2, epochs: {epochs}}}, seeds: {seeds},"
        f" resources: {{cpu: 0.5, gpu: {gpu}, pack: 1, engine: eager, checkpoint_seconds: 0.5}}}}",
        "tiny.yaml",
    )


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path, "logical_gpus.install")


@pytest.fixture
def cluster(gpus: tuple[int, ...], gate: Gate, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster that RAY_ADDRESS names, of nodes with these GPUs; all of it is gone afterwards."""
    temporary = tempfile.mkdtemp(prefix="tmc-test-", dir="/tmp")
    monkeypatch.setenv("RAY_TMPDIR", temporary)  # where Cluster leaves a note that other runs on this machine follow
    for name, value in gate.environment.items():
        monkeypatch.setenv(name, value)
    Path(temporary, "ray").mkdir()
    first, *others = [{**NODE, "num_cpus": 4 * gpus, "num_gpus": gpus} for gpus in gpus]
    cluster = Cluster(initialize_head=True, head_node_args={**first, "temp_dir": temporary})
    for node in others:
        cluster.add_node(**node)
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    yield cluster
    ray.shutdown()
    cluster.shutdown()
    shutil.rmtree(temporary, ignore_errors=True)


@pytest.mark.parametrize(
    ("gpus", "share"),
    [((1, 1), 0.5), *(pytest.param((1, 1, 2), share, marks=pytest.mark.long) for share in (0.25, 0.5))],
)
def test_all_slots_of_all_nodes_are_used_and_the_packs_of_one_that_is_lost_are_trained_by_the_others(
    cluster: Cluster, digits: Images, paths: SweepPaths, gate: Gate, gpus: tuple[int, ...], share: float
):
    slots, lost_slots = (int(n / share) for n in (sum(gpus), gpus[-1]))
    lost = []

    def listen(snapshot: Snapshot) -> None:
        at_gate = [t for t in snapshot.trials if t.last and t.last.epoch == EPOCHS_BEFORE_GATE]
        if len(at_gate) == slots and not lost:
            here = ray.get_runtime_context().get_node_id()
            lost.append([node for node in cluster.list_all_nodes() if node.node_id != here][-1])
            cluster.remove_node(lost[0], allow_graceful=False)
            gate.open()

    gate.close(EPOCHS_BEFORE_GATE)
    wanted = space(seeds=slots, epochs=6, gpu=share)
    result = run(wanted, paths.results, listen)
    assert {trial.status for trial in result.trials} == {Status.DONE}
    assert sorted(read_trials(paths.epochs)["attempts"]) == [1] * (slots - lost_slots) + [2] * lost_slots
    pd.testing.assert_frame_equal(outcomes(table(paths.epochs)), expected(wanted.trials(), digits), check_exact=True)


@pytest.fixture
def autoscaled(request: pytest.FixtureRequest, gate: Gate) -> Iterator[Place]:
    """A head without processors, whose autoscaler of this version may add two nodes of a GPU each."""
    with own_place() as place:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        file = place.temporary / "cluster.yaml"
        file.write_text(json.dumps(_cluster_file(f"{get_node_ip_address()}:{port}")))
        place.environment |= {"HOME": str(place.temporary), "RAY_AUTH_MODE": "disabled", **gate.environment}
        environment = {
            **os.environ,
            **place.environment,
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            "RAY_FAKE_CLUSTER": "1",
            "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD,
            "RAY_CLOUD_INSTANCE_ID": HEAD,
            "RAY_NODE_TYPE_NAME": "ray.head.default",
            "RAY_enable_autoscaler_v2": str(request.param - 1),
        }
        options = [f"--port={port}", f"--autoscaling-config={file}", "--num-cpus=0", "--include-dashboard=false"]
        limits = ["--object-store-memory=150000000", "--disable-usage-stats"]
        ray_start = [TMC_SWEEP.with_name("ray"), "start", "--head", *options, *limits]
        subprocess.run(ray_start, env=environment, check=True, capture_output=True, timeout=HANGS_SECONDS)
        yield place
        place.kill()
        shutil.rmtree(place.temporary / "ray", ignore_errors=True)


def _cluster_file(gcs_address: str) -> dict[str, object]:
    provider = {
        "type": "external",
        "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
        "gcs_address": gcs_address,
        "head_node_id": HEAD,
        **dict.fromkeys(
            ["use_node_id_as_ip", "disable_node_updaters", "disable_launch_config_check", "launch_multiple"], True
        ),
    }
    commands = ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")
    return {
        "cluster_name": "tmc-test",
        "max_workers": 2,
        "upscaling_speed": 10.0,
        "idle_timeout_minutes": 0.1,
        "provider": provider,
        "auth": {},
        "docker": {},
        "file_mounts": {},
        **{f"{kind}_commands": [] for kind in commands},
        **{name: [] for name in ("cluster_synced_files", "rsync_exclude", "rsync_filter")},
        "head_node_type": "ray.head.default",
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "gpu": {
                "resources": {"CPU": 4, "GPU": 1, "object_store_memory": 10**8},
                "node_config": {},
                "min_workers": 0,
                "max_workers": 4,
            },
        },
    }


@pytest.mark.parametrize("autoscaled", [pytest.param(1, marks=pytest.mark.long), 2], indirect=True)
def test_a_cluster_without_workers_grows_for_a_plain_run_to_what_it_may_have_and_shrinks_when_idle(
    autoscaled: Place, gate: Gate, digits: Images, paths: SweepPaths
):
    wanted = space(seeds=3, epochs=3, gpu=0.5)
    file = autoscaled.temporary / "tiny.yaml"
    file.write_text(wanted.text)
    assert len(nodes(autoscaled)) == 1
    gate.close(1)
    process = start("run", file, "--results", paths.results, **autoscaled.environment)
    wait_until(lambda: len(nodes(autoscaled)) == 3, process)
    gate.open()
    _, said = process.communicate(timeout=HANGS_SECONDS)
    assert process.returncode == 0, said
    pd.testing.assert_frame_equal(outcomes(table(paths.epochs)), expected(wanted.trials(), digits), check_exact=True)
    wait_until(lambda: len(nodes(autoscaled)) == 1)


def nodes(place: Place) -> dict[int, str]:
    """The nodes that run there."""
    return place.processes("/raylet/raylet ")
