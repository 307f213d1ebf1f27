"""From a file of `ray up` to its head: mistakes in one sentence, and the command that Ray composes."""

import sys
import threading
from collections.abc import Callable
from importlib.metadata import requires
from pathlib import Path

import pytest
from command import Ended, command
from ruamel.yaml import YAML
from wait import HANGS_SECONDS

from tests.cluster.files import CLUSTER, load
from tmc_sweep.cluster import launcher
from tmc_sweep.cluster.launcher import find_head

pytestmark = pytest.mark.filterwarnings(  # Ray's provider of own machines leaves its files to the collector
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
Write = Callable[[str, dict[str, object]], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """write("gpu.yaml", {"docker": ...}): that shipped file with these sections."""
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))

    def changed(name: str, sections: dict[str, object]) -> Path:
        file = tmp_path / name
        YAML(typ="safe").dump({**load(name), "cluster_name": f"tmc-{tmp_path.name}", **sections}, file)
        return file

    return changed


def asked(file: Path) -> Ended:
    ended = command("ls", "--cluster", file)
    assert (ended.out, ended.err.count("\n")) == ("", 1)
    return ended


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "No such file or directory): name one, such as in"),
        ("a: [", "must be YAML, but "),
        ("[1, 2]", "lacks cluster_name, provider.type or auth.ssh_user"),
        ("{cluster_name: x, provider: {type: aws}}", "lacks cluster_name, provider.type or auth.ssh_user"),
    ],
)
def test_a_file_that_is_none_of_ray_up(write: Write, tmp_path: Path, text: str | None, complaint: str):
    file = tmp_path / "onprem.yaml"
    if text is not None:
        file.write_text(text)
    ended = asked(file)
    assert (ended.code, complaint in ended.err) == (2, True)
    assert find_head(write("onprem.yaml", {"provider": {"type": "local", **HERE}})).file == file


def test_kubernetes_is_reached_in_another_way():
    ended = asked(CLUSTER / "kuberay.yaml")
    assert (ended.code, "`kubectl port-forward svc/tmc-sweep-head-svc 8265`" in ended.err) == (2, True)


def test_a_provider_that_ray_does_not_know(write: Write):
    ended = asked(write("onprem.yaml", {"provider": {"type": "nimbus"}}))
    assert (ended.code, "nimbus" in ended.err) == (3, True)


def test_a_key_that_ray_does_not_know(write: Write):
    ended = asked(write("onprem.yaml", {"ssh_usr": "me", "provider": {**load("onprem.yaml")["provider"], **HERE}}))
    assert (ended.code, "ssh_usr" in ended.err) == (3, True)


def test_a_host_that_is_nowhere(write: Write):
    ended = asked(write("onprem.yaml", {"provider": {"type": "local", "head_ip": "no.invalid", "worker_ips": []}}))
    assert (ended.code, "check its provider section and the network" in ended.err) == (3, True)
    assert find_head(write("onprem.yaml", {"provider": {"type": "local", **HERE}})).compose("true", False)


def test_aws_without_credentials(write: Write, monkeypatch: pytest.MonkeyPatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    ended = asked(write("gpu.yaml", {}))
    assert (ended.code, "aws says 'Unable to locate credentials'" in ended.err) == (3, True)


@pytest.mark.parametrize(("file", "module"), [("gpu.yaml", "boto3"), ("gcp.yaml", "googleapiclient")])
def test_a_cloud_whose_library_is_missing(write: Write, monkeypatch: pytest.MonkeyPatch, file: str, module: str):
    kind = load(file)["provider"]["type"]
    for loaded in [name for name in sys.modules if name.startswith(f"ray.autoscaler._private.{kind}")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)
    ended = asked(write(file, {}))
    assert (ended.code, f"pip install 'tmc-sweep[{kind}]'" in ended.err) == (3, True)
    extra = [each.partition(">")[0] for each in requires("tmc-sweep") or () if each.endswith(f'extra == "{kind}"')]
    assert {"boto3": "boto3", "googleapiclient": "google-api-python-client"}[module] in extra


def test_a_cloud_that_knows_of_no_head(write: Write, monkeypatch: pytest.MonkeyPatch):
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    region = {"provider": {**load("gpu.yaml")["provider"], "region": "eu-north-1"}}  # Ray keeps a client per region
    try:
        ended = asked(file := write("gpu.yaml", region))
    finally:
        server.stop()
    assert (ended.code, f"must be up, but aws knows no head of it: run `ray up {file}`" in ended.err) == (3, True)


def test_a_cloud_that_does_not_answer(write: Write, monkeypatch: pytest.MonkeyPatch):
    def late(*_: object) -> str:
        answered.wait(HANGS_SECONDS)
        raise LookupError

    answered = threading.Event()
    monkeypatch.setattr(launcher, "_FIND_SECONDS", 0.1)
    monkeypatch.setattr(launcher, "running_head", late)
    ended = asked(write("gpu.yaml", {}))
    answered.set()
    assert (ended.code, "aws says 'nothing within 0.1 s'" in ended.err) == (3, True)


HERE = {"head_ip": "127.0.0.1", "worker_ips": []}


def test_the_command_goes_through_the_proxy_with_the_key_into_the_container(write: Write):
    auth = {"ssh_user": "me", "ssh_private_key": "~/k", "ssh_proxy_command": "hop %h"}
    docker = {"image": "i", "container_name": "box"}
    local = {"provider": {"type": "local", **HERE}, "auth": auth, "docker": docker}
    head = find_head(write("onprem.yaml", local))
    for terminal, inside in ((False, "docker exec  "), (True, "docker exec -it ")):
        ssh, *options, script = head.compose("say 'a  b'", terminal)
        assert (ssh, "-tt" in options, "me@127.0.0.1" in options) == ("ssh", terminal, True)
        assert str(Path("~/k").expanduser()) in options
        assert {"ProxyCommand=hop %h", "ConnectTimeout=10s"} <= set(options)
        assert inside in script and "box /bin/bash -c " in script
