"""The files of `ray up`: valid by Ray's own schema, closed by default, of one Ray version, without secrets."""

import re
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from ray.autoscaler._private.util import prepare_config, validate_config
from ruamel.yaml import YAML

from tests.cluster.files import CLOUD, CLUSTER, RAY_UP, load, starts

PYPROJECT = CLUSTER.parent / "pyproject.toml"
SHIPPED = [path for path in CLUSTER.iterdir() if path.is_file()]
PINS = r"(?:rayproject/ray:|ray\[default,tune\]==|rayVersion: |:ray)(\d+\.\d+\.\d+)"


@pytest.fixture(params=RAY_UP)
def config(request: pytest.FixtureRequest) -> dict[str, Any]:
    return load(request.param)


def test_ray_accepts_it(config: dict[str, Any]) -> None:
    validate_config(prepare_config(config))


def test_ray_would_refuse_a_misspelt_key(config: dict[str, Any]) -> None:
    config["ssh_usr"] = "ubuntu"
    with pytest.raises(Exception, match="ssh_usr"):
        validate_config(prepare_config(config))


def test_every_ray_process_asks_for_the_token(config: dict[str, Any]) -> None:
    for command in starts(config):
        assert re.search(r"RAY_AUTH_MODE=token (~/tmc_sweep_venv/bin/)?ray start", command)


def test_the_dashboard_listens_on_the_head_alone(config: dict[str, Any]) -> None:
    assert "--dashboard-host=127.0.0.1" in starts(config)[0]


def test_the_token_comes_from_a_file_that_only_its_owner_reads(config: dict[str, Any]) -> None:
    (target,) = [target for target, source in config["file_mounts"].items() if source == "~/.ray/auth_token"]
    assert target.endswith("/.ray/auth_token")
    assert config["setup_commands"][0].startswith("chmod 600 ~/.ray/auth_token")


@pytest.mark.parametrize("name", RAY_UP)
def test_mps_where_it_is_asked_for_is_started_before_ray_and_sees_every_gpu(name: str) -> None:
    asked_for = re.sub(r"^  # (?=- .*mps)", "  ", (CLUSTER / name).read_text(), flags=re.M)
    commands = YAML(typ="safe").load(asked_for)["worker_start_ray_commands"]
    (daemon,) = [number for number, command in enumerate(commands) if "nvidia-cuda-mps-control" in command]
    (start,) = [number for number, command in enumerate(commands) if "ray start" in command]
    assert commands[daemon] == "env -u CUDA_VISIBLE_DEVICES nvidia-cuda-mps-control -d || true"
    assert daemon < start
    assert "mps" not in " ".join(load(name)["worker_start_ray_commands"])


@pytest.mark.parametrize("name", CLOUD)
def test_gpu_workers_start_from_zero_and_the_head_trains_nothing(name: str) -> None:
    head, *workers = load(name)["available_node_types"].values()
    assert head["resources"] == {"CPU": 0, "GPU": 0}
    for worker in workers:
        assert (worker["min_workers"], worker["resources"]["GPU"]) == (0, 1)


@pytest.mark.parametrize("name", CLOUD)
def test_idle_workers_are_given_back(name: str) -> None:
    config = load(name)
    assert config["idle_timeout_minutes"] == 5
    assert config["max_workers"] == 4
    assert config["provider"]["cache_stopped_nodes"] is False


@pytest.mark.parametrize("name", CLOUD)
def test_results_lie_on_the_heads_disk_outside_the_container(name: str) -> None:
    config = load(name)
    assert "-v /home/ubuntu/results:/home/ray/results" in config["docker"]["run_options"]
    assert "-e TMC_SWEEP_RESULTS=/home/ray/results" in config["docker"]["run_options"]
    assert any("/home/ubuntu/results" in command for command in config["initialization_commands"])


def test_spot_machines_are_asked_for_first() -> None:
    spot, on_demand = (load("gpu.yaml")["available_node_types"][name] for name in ("gpu_spot", "gpu_on_demand"))
    assert spot["resources"] == on_demand["resources"]
    assert spot["node_config"].pop("InstanceMarketOptions") == {"MarketType": "spot"}
    assert spot["node_config"] == on_demand["node_config"]


def test_nothing_on_own_machines_stops_the_ray_of_others() -> None:
    config = prepare_config(load("onprem.yaml"))
    commands = [command for key, value in config.items() if key.endswith("_commands") for command in value]
    assert {key for key in config if key.endswith("_start_ray_commands")} <= set(load("onprem.yaml"))
    assert not [command for command in commands if "ray stop" in command or "kill" in command]


def test_one_ray_version_everywhere_and_pyproject_allows_it() -> None:
    pins = {path.name: re.findall(PINS, path.read_text()) for path in SHIPPED}
    assert {name for name, found in pins.items() if found} >= {*RAY_UP, "kuberay.yaml", "Dockerfile"}
    (version,) = {pin for found in pins.values() for pin in found}
    (line,) = re.findall(r'"(ray\[.*?)"', PYPROJECT.read_text())
    assert Version(version) in Requirement(line).specifier


def test_head_and_workers_have_the_dockerfiles_python() -> None:
    (base,) = re.findall(r"^FROM (\S+)$", (CLUSTER / "Dockerfile").read_text(), re.M)
    assert {load(name)["docker"]["image"] for name in CLOUD} == {base}


def test_the_image_is_built_without_secrets_and_does_not_run_as_root() -> None:
    users = re.findall(r"^USER (\d+):\d+$", (CLUSTER / "Dockerfile").read_text(), re.M)
    assert users == ["1000"]
    everything, *named = re.findall(r"^[^#].*", (CLUSTER / "Dockerfile.dockerignore").read_text(), re.M)
    assert everything == "*"
    assert named == ["!LICENSE", "!README.md", "!pyproject.toml", "!search_spaces", "!tmc_sweep", "**/__pycache__"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_no_secret_is_in_it(path: Path) -> None:
    secret = r"AKIA[0-9A-Z]{16}|BEGIN [A-Z ]*PRIVATE KEY|\b[0-9a-f]{64}\b|aws_secret|RAY_AUTH_TOKEN=|password"
    assert not re.search(secret, path.read_text(), re.I)
