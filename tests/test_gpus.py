"""What the driver says of GPUs, by a module in its place."""

import os
import sys
from pathlib import Path

import pytest
from invented_gpus import GIB, Card, install

from tmc_sweep.gpus import Gpu, first_gpu, gpus, mps_user, user_name


def test_each_gpu_is_as_the_driver_has_it(monkeypatch: pytest.MonkeyPatch):
    install(
        monkeypatch, Card(mode=3, mig=True, used=5 * GIB, running={7: GIB, 8: None}), Card("Tesla T4", mode=2, mig=None)
    )
    assert gpus() == [
        Gpu("NVIDIA H200", "exclusive", True, 80 * GIB, 5 * GIB, {7: GIB, 8: 0}),
        Gpu("Tesla T4", "prohibited", False, 80 * GIB, 0, {}),
    ]


@pytest.mark.parametrize(
    ("visible", "name"), [(None, "a"), ("", "a"), ("1,0", "b"), ("GPU-b", "b"), ("7", None), ("GPU-c", None)]
)
def test_the_first_gpu_is_the_one_that_the_environment_names_first(
    visible: str | None, name: str | None, monkeypatch: pytest.MonkeyPatch
):
    install(monkeypatch, Card("a", "GPU-a"), Card("b", "GPU-b"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    first = first_gpu()
    assert (first and first.name) == name


def test_without_the_module_or_a_driver_nothing_is_known(monkeypatch: pytest.MonkeyPatch):
    install(monkeypatch, Card(), driver=False)
    assert (gpus(), first_gpu()) == (None, None)
    monkeypatch.setitem(sys.modules, "pynvml", None)  # which raises ImportError
    assert (gpus(), first_gpu()) == (None, None)


def test_the_daemon_of_mps_is_who_runs_it_now(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    number = tmp_path / "nvidia-cuda-mps-control.pid"
    assert mps_user() is None
    number.write_text(f"{os.getpid()}\n")
    assert mps_user() == user_name(os.getuid())
    number.write_text("999999999")  # it has ended, its file has not
    assert mps_user() is None
    assert user_name(2**31 - 9) == "2147483639"
