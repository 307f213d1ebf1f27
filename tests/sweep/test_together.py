"""Processes let go at one moment: what each gets done, and what comes of one that cannot."""

import shutil

import pytest
import torch
from twin import small

from tmc_sweep.costs import shape
from tmc_sweep.sweep import together as module
from tmc_sweep.sweep.together import together


def test_two_processes_train_at_once_on_a_processor_and_the_cost_is_of_one_beside_the_other():
    cost = together(shape(small()), 2, "cpu", "eager", processes=2)
    assert 0 < cost.step_seconds < 10
    assert cost.memory_bytes == cost.device_bytes == 0


@pytest.mark.long
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_the_compiled_engine_agrees_with_the_eager_one_on_a_processor():
    """In a process of its own: here every call is checked for its shapes, which cannot be compiled."""
    cost = together(shape(small(objective="tmc")), 2, "cpu", "compiled")
    assert cost.step_seconds > 0
    assert cost.agrees


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_what_fails_in_a_process_is_told_in_one_line():
    with pytest.raises(RuntimeError, match=r"^RuntimeError: .*NVIDIA|^AssertionError: .*CUDA") as failed:
        together(shape(small()), 1, "cuda", "eager")
    assert "\n" not in str(failed.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_memory_and_context_are_measured_and_shares_are_kept():
    one = together(shape(small()), 1, "cuda", "eager")
    assert 2**20 < one.memory_bytes < one.device_bytes
    assert 2**26 < one.context_bytes < 2**31
    two = together(shape(small()), 1, "cuda", "eager", share=0.5, processes=2)
    assert two.memory_bytes < 0.5 * one.device_bytes


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch):
    """Processes that run this in the place of a rehearsal, without torch."""

    def runs(source: str) -> None:
        monkeypatch.setattr(module, "_COMMAND", ("-c", source))

    return runs


@pytest.mark.parametrize("source", ["print('null')", "input(); print('\"ready\"', flush=True); input(); print('null')"])
def test_what_does_not_fit_is_memory_that_runs_out(source: str, child):
    child(source)
    with pytest.raises(MemoryError):
        together(small(), 1, "cpu", "eager", processes=2)


def test_processes_that_take_too_long_are_ended(child):
    child("input(); input()")
    with pytest.raises(RuntimeError, match=r"^it took more than 0\.2 s$"):
        together(small(), 1, "cpu", "eager", processes=2, seconds=0.2)


def test_all_are_ready_before_one_is_let_go_and_the_work_of_all_counts(child, tmp_path):
    cost = '{\\"step_seconds\\": %s, \\"evaluation_seconds\\": 1, \\"memory_bytes\\": %s}'
    child(
        "import os, json, pathlib; input()\n"
        f"here = pathlib.Path({str(tmp_path)!r}); (here / str(os.getpid())).touch()\n"
        "print('\"ready\"', flush=True); input()\n"
        "numbers = sorted(int(path.name) for path in here.iterdir())\n"
        "assert len(numbers) == 2\n"
        "seconds = 1 + 2 * numbers.index(os.getpid())\n"
        f'print("{cost}" % (seconds, seconds))'
    )
    found = together(small(), 1, "cpu", "eager", processes=2)
    assert (found.step_seconds, found.memory_bytes) == (pytest.approx(2 / (1 + 1 / 3)), 3)
