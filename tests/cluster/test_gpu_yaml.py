"""The shipped cluster file: valid by Ray's own schema, and closed by default."""

from pathlib import Path
from typing import Any

import pytest
from ray.autoscaler._private.util import prepare_config, validate_config
from ruamel.yaml import YAML

GPU_YAML = Path(__file__).parents[2] / "cluster" / "gpu.yaml"


@pytest.fixture
def config() -> dict[str, Any]:
    return YAML(typ="safe").load(GPU_YAML)


def test_ray_accepts_it(config: dict[str, Any]) -> None:
    validate_config(prepare_config(config))


def test_ray_would_refuse_a_misspelt_key(config: dict[str, Any]) -> None:
    config["docker"]["imgae"] = "rayproject/ray"
    with pytest.raises(Exception, match="imgae"):
        validate_config(prepare_config(config))


def test_only_ssh_is_open(config: dict[str, Any]) -> None:
    (rule,) = config["provider"]["security_group"]["IpPermissions"]
    assert (rule["FromPort"], rule["ToPort"]) == (22, 22)


def test_every_ray_process_asks_for_the_token(config: dict[str, Any]) -> None:
    starts = [*config["head_start_ray_commands"], *config["worker_start_ray_commands"]]
    starts = [command for command in starts if "ray start" in command]
    assert len(starts) == 2
    assert all("RAY_AUTH_MODE=token ray start" in command for command in starts)
    assert "--dashboard-host=127.0.0.1" in starts[0]


def test_gpu_workers_start_from_zero(config: dict[str, Any]) -> None:
    worker = config["available_node_types"]["gpu_spot"]
    assert worker["min_workers"] == 0
    assert worker["resources"]["GPU"] == 1


def test_image_and_package_have_one_ray_version(config: dict[str, Any]) -> None:
    version = config["docker"]["image"].split(":")[1].split("-")[0]
    assert any(f"ray[default,tune]=={version}" in command for command in config["setup_commands"])
