"""cluster/gpu.yaml as Ray's AWS provider takes it, against moto: what it makes, what it opens, what it removes."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from wait import HANGS_SECONDS

from tests.cluster.aws_provider import FAKE
from tests.cluster.files import CLUSTER, load, starts

pytestmark = pytest.mark.cluster


def environment(home: Path) -> dict[str, str]:
    """Fake credentials, a home of its own, no ssh, and what the file sets for the head's autoscaler."""
    head = dict(word.split("=", 1) for word in shlex.split(starts(load("gpu.yaml"))[0]) if re.match(r"\w+=", word))
    head = {name: value.replace("$HOME/tmc_sweep/cluster", str(CLUSTER)) for name, value in head.items()}
    fake = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), FAKE)
    return {**head, **fake, "AWS_EC2_METADATA_DISABLED": "true", "HOME": str(home), "PATH": str(home / "nothing")}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("home")
    program = [sys.executable, Path(__file__).with_name("aws_provider.py"), CLUSTER / "gpu.yaml"]
    ran = subprocess.run(
        program, env=environment(home), cwd=home, capture_output=True, text=True, timeout=HANGS_SECONDS
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return {**json.loads(ran.stdout), "home": str(home)}


def test_only_this_machine_was_asked(made: dict[str, Any]) -> None:
    assert made["endpoint"].startswith("http://127.0.0.1:")


def test_the_head_is_a_small_machine_on_demand_that_may_start_others(made: dict[str, Any]) -> None:
    head = made["head"]
    assert (head["type"], head["market"], head["profile"]) == ("m5.xlarge", "on-demand", True)
    assert made["iam"]["role"] == "ray-autoscaler-v1"
    assert made["iam"]["policies"] == ["AmazonEC2FullAccess", "AmazonS3FullAccess"]


@pytest.mark.parametrize(("name", "market"), [("gpu_spot", "spot"), ("gpu_on_demand", "on-demand")])
def test_workers_are_gpu_machines_without_rights(made: dict[str, Any], name: str, market: str) -> None:
    worker = made["workers"][name]
    assert (worker["type"], worker["market"], worker["profile"]) == ("g5.2xlarge", market, False)
    assert worker["disk"] == [200, "gp3"]


def test_outside_only_ssh_is_open(made: dict[str, Any]) -> None:
    lets_in = made["groups"]["lets_in"]
    outside = [rule for rule in lets_in if rule["IpRanges"] or rule.get("Ipv6Ranges") or rule.get("PrefixListIds")]
    assert [(rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) for rule in outside] == [("tcp", 22, 22)]
    (inside,) = [rule for rule in lets_in if rule not in outside]
    assert [pair["GroupId"] for pair in inside["UserIdGroupPairs"]] == [made["groups"]["id"]]


def test_every_machine_is_in_that_group(made: dict[str, Any]) -> None:
    assert made["groups"]["name"] == "tmc-sweep-ssh-only"
    assert set(made["groups"]["of"]) == {"head", *made["workers"]}
    for machine in (made["head"], *made["workers"].values()):
        assert machine["groups"] == [made["groups"]["id"]]
        assert machine["key"] == made["key"]["name"]


def test_the_key_is_readable_to_its_owner_alone(made: dict[str, Any]) -> None:
    assert made["key"]["file"].startswith(made["home"])
    assert made["key"]["mode"] == "0o600"


def test_machines_are_terminated_not_stopped(made: dict[str, Any]) -> None:
    assert made["left_after_termination"] == []


def test_where_no_spot_machine_is_left_one_on_demand_is_asked_for(made: dict[str, Any]) -> None:
    assert made["asked"] == ["gpu_spot", "gpu_on_demand"]


def test_the_files_head_has_the_command_that_fills_in_the_machine_image(tmp_path: Path) -> None:
    text = (CLUSTER / "gpu.yaml").read_text()
    (command,) = re.findall(r"^#   (sed .*?)\n#$", text, re.M | re.S)
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "gpu.yaml").write_text(text)
    script = "aws() { echo ami-0fedcba9876543210; }\n" + command.replace("\n#", "\n")
    subprocess.run(["bash", "-c", script], cwd=tmp_path, check=True)
    assert (tmp_path / "cluster" / "gpu.yaml").read_text() == text.replace("ami-EDIT-ME", "ami-0fedcba9876543210")
