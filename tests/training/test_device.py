"""What a process that trains is given of a GPU."""

import os
from types import SimpleNamespace

import pytest
import torch
from invented_gpus import GIB, Card, install

from tmc_sweep.training.device import context_bytes, memory_fraction, prepare, set_up


def test_threads_follow_from_the_cpu_share(monkeypatch: pytest.MonkeyPatch):
    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    assert [prepare(cpu, 0, tf32=True) for cpu in (0.25, 1.0, 3.5)] == ["cpu"] * 3
    assert asked == [1, 1, 3]
    assert torch.get_float32_matmul_precision() == "highest"


def test_shares_and_the_contexts_of_their_processes_fit_into_the_gpu():
    for total in (16 * GIB, 80 * GIB):
        for k in (1, 2, 3, 4, 8):
            of_torch = memory_fraction(1 / k, GIB // 2, total) * total
            assert k * (of_torch + GIB // 2) == pytest.approx(total)
    assert memory_fraction(0.01, GIB, 16 * GIB) == 0.0  # nothing fits, and the trial is told so


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """A GPU of 80 GiB of which torch holds 1 GiB; what is free of it, and the fraction that torch was given."""
    held = {"free": 80 * GIB}
    monkeypatch.setattr(torch, "ones", lambda *_, device: torch.zeros(1))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: GIB)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (held["free"], 80 * GIB))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=80 * GIB))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda share: held.update(share=share))
    return held


def test_the_context_is_what_the_driver_tells_of_this_process_beside_what_torch_holds(monkeypatch, cuda):
    install(monkeypatch, Card(used=50 * GIB, running={os.getpid(): 3 * GIB, 1: 47 * GIB}))
    assert context_bytes() == 2 * GIB
    assert prepare(1.0, 0.25, tf32=False) == "cuda"
    assert cuda["share"] == 0.25 - 2 / 80


def test_where_the_driver_does_not_see_processes_the_context_is_what_the_gpus_use_has_grown_by(monkeypatch, cuda):
    install(monkeypatch, Card(used=50 * GIB))
    cuda["free"] = 27 * GIB
    assert context_bytes(used_before=50 * GIB) == 2 * GIB
    assert context_bytes() == GIB // 2


def test_a_whole_gpu_is_not_bounded(monkeypatch, cuda):
    install(monkeypatch, Card())
    assert [prepare(1.0, gpu, tf32=False) for gpu in (1.0, 2.0)] == ["cuda"] * 2
    assert "share" not in cuda


def test_a_process_is_set_up_without_beginning_cuda(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "_lazy_init", lambda: pytest.fail("CUDA was begun"))
    assert set_up(1.0, 0.5, tf32=False) == "cuda"
