"""`doctor` on this machine: what is right is one line, and so is each mistake, with its fix."""

import json
import shutil
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from command import command
from invented_gpus import GIB, Card, install

from tmc_sweep.cluster import doctor, machine, probe
from tmc_sweep.cluster.gpu_checks import gpu_checks
from tmc_sweep.cluster.machine import Check, Machine, differences, gpu_problem
from tmc_sweep.errors import CannotRunError
from tmc_sweep.gpus import Gpu

GOOD = Machine(
    host="here",
    python="3.12.1",
    versions={"tmc-sweep": "0.1.0", "ray": "2.60.0", "torch": "2.11.0+cu128"},
    numerics=1,
    driver="550.54.15",
    cuda="12.8",
    cards=["A10G", "A10G"],
    gpus=["A10G", "A10G"],
    gpu_problem=None,
    driver_gpus=[Gpu("NVIDIA A10G", "default", False, 24 * 10**9, 5 * 10**8, {}) for _ in range(2)],
    user="ray",
    mps_user=None,
    compiler="/usr/bin/gcc",
    python_header=True,
    temporary="/tmp",
    free_bytes=10**11,
    disk_bytes=2 * 10**11,
)
Disk = namedtuple("Disk", "total used free")


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], list[Check]]:
    """A machine where all is well, and no cluster; what `doctor` finds there."""
    token = tmp_path / "auth_token"
    token.write_text("secret")
    token.chmod(0o600)
    monkeypatch.setattr(doctor, "this_machine", lambda: GOOD)
    monkeypatch.setattr(doctor, "TOKEN", token)
    for name in ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "TMC_SWEEP_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    return lambda: list(doctor.examine(tmp_path / "new" / "results"))


def bad(checks: list[Check]) -> list[tuple[str, str, str]]:
    return [(check.what, check.found, check.fix) for check in checks if not check.ok]


def test_where_all_is_well_each_thing_has_one_line(good, tmp_path: Path):
    checks = {check.what: check for check in good()}
    assert all(check.ok and not check.fix for check in checks.values())
    assert checks["gpu"].found == "2 GPUs (A10G), driver 550, torch 2.11.0+cu128 with CUDA 12.8 runs on them"
    assert checks["results"].found.startswith(f"{tmp_path}/new/results, ")
    assert checks["data"].found.startswith("digits whole; mnist, fashion_mnist, cifar10 not in ")
    assert list(tmp_path.iterdir()) == [tmp_path / "auth_token"]  # nothing was downloaded or made


@pytest.mark.parametrize(("mode", "said"), [(0o644, "644"), (0o640, "640"), (0o604, "604")])
def test_a_token_that_others_may_read(good, mode: int, said: str):
    doctor.TOKEN.chmod(mode)
    ((what, found, fix),) = bad(good())
    assert (what, fix) == ("token", f"run `chmod 600 {doctor.TOKEN}`")
    assert found == f"{doctor.TOKEN} is open to others (mode {said})"


def test_a_token_that_is_empty_or_missing(good):
    doctor.TOKEN.write_text("\n")
    assert bad(good()) == [("token", f"{doctor.TOKEN} is empty", "copy the head's there, or remove it")]
    doctor.TOKEN.unlink()
    assert bad(good()) == []


def test_data_that_is_missing_though_its_folder_is_named(good, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("TMC_SWEEP_DATA", str(tmp_path / "data"))
    ((what, found, _),) = bad(good())
    assert (what, found) == (
        "data",
        f"TMC_SWEEP_DATA is {tmp_path}/data, which has none of mnist, fashion_mnist, cifar10",
    )


def test_data_that_is_torn(good, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03")
    monkeypatch.setenv("TMC_SWEEP_DATA", str(tmp_path / "data"))
    ((what, found, _),) = bad(good())
    assert what == "data"
    assert found.startswith("mnist ")
    assert [path.name for path in raw.iterdir()] == ["train-images-idx3-ubyte"]  # nothing was downloaded


def test_a_full_disk(good, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(2 * 10**11, 0, 5 * 10**8))
    found = bad(good())
    assert found[0] == (
        "results",
        f"{tmp_path}/new/results has 0.5 GB of 200 GB free",
        "free some space on its disk",
    )
    assert [what for what, *_ in found] == ["results", "temporary", "memory"]


def test_a_package_that_is_missing_here(good, monkeypatch: pytest.MonkeyPatch):
    versions = {**GOOD.versions, "ray": None}
    monkeypatch.setattr(doctor, "this_machine", lambda: replace(GOOD, versions=versions))
    found = "Python 3.12.1, tmc-sweep 0.1.0, ray missing, torch 2.11.0+cu128"
    assert bad(good()) == [("versions", found, "install tmc-sweep again")]


def test_results_where_a_file_lies(good, tmp_path: Path):
    (tmp_path / "new").write_text("")
    assert [what for what, *_ in bad(good())] == ["results"]


def test_an_address_that_nobody_answers_at(good, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.2:1")
    ((what, found, _),) = bad(good())
    assert (what, found.partition(",")[0]) == ("cluster", "a Ray cluster must answer at 127.0.0.2:1")
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.2:1")
    assert "job server must answer at http://127.0.0.2:1" in bad(good())[0][1]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"python": "3.13.0"}, "has Python 3.13, not 3.12"),
        ({"python": "3.12.9"}, None),
        ({"versions": {**GOOD.versions, "torch": "2.11.0+cpu"}}, None),
        ({"versions": {**GOOD.versions, "torch": "2.12.0+cu128"}}, "has torch 2.12.0, not 2.11.0"),
        ({"versions": {**GOOD.versions, "ray": None}}, "has no ray"),
        ({"versions": {**GOOD.versions, "tmc-sweep": None}, "numerics": None}, "has no tmc-sweep"),
        ({"numerics": 2}, "has numerics 2, not 1: install the same tmc-sweep on all nodes"),
    ],
)
def test_a_node_that_differs(change: dict[str, object], found: str | None):
    said = [": ".join(difference) for difference in differences(replace(GOOD, **change), GOOD)]
    assert [line.startswith(found or "?") for line in said] == ([True] if found else [])


def test_a_gpu_that_torch_cannot_use():
    old = replace(GOOD, gpus=[], gpu_problem="The NVIDIA driver on your system is too old")
    assert gpu_problem(old) == (
        "2 GPUs (A10G), driver 550.54.15, but torch 2.11.0+cu128 uses 0 (The NVIDIA driver on your system is too old)",
        "install a torch whose CUDA suits the driver, or update it",
    )
    assert gpu_problem(replace(GOOD, gpus=["A10G"])) is None  # CUDA_VISIBLE_DEVICES hides one


def test_of_a_gpu_that_can_be_shared_five_things_are_told():
    assert [tuple(check) for check in gpu_checks(GOOD)] == [
        (True, "compute mode", "default: several processes may be on a GPU", ""),
        (True, "mig", "off: a GPU is one device", ""),
        (True, "gpu memory", "; ".join(f"GPU {n} (NVIDIA A10G) has 0.5 GB of 24 GB in use" for n in (0, 1)), ""),
        (True, "mps", "no daemon: processes that share a GPU take turns on it", ""),
        (True, "compiler", "/usr/bin/gcc, and Python's headers: the engine compiled can be used", ""),
    ]
    assert list(gpu_checks(replace(GOOD, cards=[], gpus=[], driver_gpus=None))) == []


@pytest.mark.parametrize(
    ("of_gpu", "of_machine", "ok", "what", "found", "fix"),
    [
        (
            {"compute_mode": "exclusive"},
            {},
            False,
            "compute mode",
            "GPU 1 (NVIDIA A10G) is in compute mode exclusive, in which one process has it alone",
            "run `sudo nvidia-smi -i 1 -c DEFAULT`, or start an MPS daemon, or set resources.gpu to 1",
        ),
        (
            {"compute_mode": "exclusive"},
            {"mps_user": "ray"},
            True,
            "compute mode",
            "default and exclusive: several processes may be on a GPU",
            "",
        ),
        (
            {"compute_mode": "prohibited"},
            {"mps_user": "ray"},
            False,
            "compute mode",
            "GPU 1 (NVIDIA A10G) is in compute mode prohibited, in which nothing runs on it",
            "run `sudo nvidia-smi -i 1 -c DEFAULT`",
        ),
        (
            {"mig": True},
            {},
            True,
            "mig",
            "on for GPU 1: a process uses one slice, while Ray and resources.gpu count whole GPUs",
            "",
        ),
        (
            {"used_bytes": 235 * 10**8, "processes": {7: 0, 8: 0}},
            {},
            False,
            "gpu memory",
            "GPU 1 (NVIDIA A10G) has 23.5 GB of 24 GB in use, by 2 processes",
            "end what runs there, unless it is a sweep",
        ),
        (
            {},
            {"mps_user": "root"},
            True,
            "mps",
            "a daemon of root: processes that share a GPU run at once, and fail together",
            "",
        ),
        (
            {},
            {"mps_user": "ubuntu"},
            False,
            "mps",
            "a daemon of ubuntu runs, which refuses the processes of ray",
            "start it as ray, or let ubuntu end it",
        ),
        (
            {},
            {"compiler": None},
            False,
            "compiler",
            "no C compiler, without which the engine compiled cannot be used",
            "install gcc, or name one by CC",
        ),
        (
            {},
            {"python_header": False},
            False,
            "compiler",
            "/usr/bin/gcc, but no Python.h, without which the engine compiled cannot be used",
            "install the headers of Python 3.12.1, such as python3-dev",
        ),
        (
            {},
            {"driver_gpus": None},
            True,
            "compute mode",
            "compute mode, MIG and memory in use are unknown here: `pip install nvidia-ml-py` lets them be asked",
            "",
        ),
    ],
)
def test_what_of_a_gpu_is_in_the_way_of_sharing_it_or_compiling_for_it(
    good, monkeypatch: pytest.MonkeyPatch, of_gpu, of_machine, ok: bool, what: str, found: str, fix: str
):
    first, second = GOOD.driver_gpus
    there = replace(GOOD, **{"driver_gpus": [first, replace(second, **of_gpu)], **of_machine})
    monkeypatch.setattr(doctor, "this_machine", lambda: there)
    (check,) = (check for check in good() if check.what == what)
    assert tuple(check) == (ok, what, found, fix)


def test_the_probe_asks_the_driver_before_torch_takes_memory_and_its_json_is_the_machine(
    monkeypatch: pytest.MonkeyPatch,
):
    card = Card(mode=3, used=GIB, running={7: GIB})
    install(monkeypatch, card)
    monkeypatch.setattr(probe, "_usable_gpus", lambda: setattr(card, "used", 9 * GIB) or (None, [], None))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(shutil, "which", {"clang": "/bin/clang"}.get)
    found = Machine.parse(json.dumps(probe.probe()))
    assert found.driver_gpus == [Gpu("NVIDIA H200", "exclusive", False, 80 * GIB, GIB, {7: GIB})]
    assert (found.compiler, found.mps_user) == ("/bin/clang", None)


def test_a_card_that_only_the_driver_sees(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho '470.82.01, Tesla T4'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # and torch none, on any machine
    found = machine.this_machine()
    assert (found.driver, found.cards, found.gpus) == ("470.82.01", ["T4"], [])
    assert gpu_problem(found)[0].startswith("1 GPUs (T4), driver 470.82.01, but torch ")


def test_a_temporary_folder_that_is_not_made_yet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / "not" / "yet"))
    assert probe.probe()["disk_bytes"] == shutil.disk_usage(tmp_path).total


def test_a_machine_that_cannot_be_looked_at_says_why(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "PROBE", "raise ImportError('libgomp.so.1: cannot open')")
    with pytest.raises(CannotRunError, match=r"but ImportError: libgomp\.so\.1: cannot open: install tmc-sweep again"):
        machine.this_machine()


def test_the_lines_and_the_json_say_the_same(good):
    doctor.TOKEN.chmod(0o644)
    lines, as_json = command("doctor"), command("doctor", "--json")
    assert (lines.code, as_json.code) == (3, 3)
    said = [line.split(maxsplit=2) for line in lines.out.splitlines()]
    assert [state == "ok" for state, *_ in said] == [check["ok"] for check in as_json.json]
    assert f"bad  {'token':<20} {doctor.TOKEN} is open to others (mode 644): run `chmod 600" in lines.out
    doctor.TOKEN.chmod(0o600)
    assert command("doctor").code == 0
    assert json.loads(as_json.out)[0]["what"] == "versions"
