"""What a pack costs here: measured once for a shape, then remembered."""

from pathlib import Path

import pytest
import torch
from runs import configured

from tmc_sweep.costs import Cost, Engine, shape
from tmc_sweep.training import probe
from tmc_sweep.training.probe import cost


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def measuring(monkeypatch: pytest.MonkeyPatch, step_seconds: float) -> Cost:
    """Let this be measured from now on."""
    known = Cost(step_seconds, 1.0, 2, 3, 4.0)
    monkeypatch.setattr(probe, "measure", lambda *_: known)
    return known


def forbid_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "measure", lambda *_: pytest.fail("measured again"))


def test_a_step_takes_time_all_of_it_computing_on_a_cpu():
    measured = cost(configured(), members=2)
    assert 0 < measured.step_seconds == measured.busy_seconds < 10
    assert (measured.memory_bytes, measured.device_bytes) == (0, 0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("engine", ["eager", "compiled"])
def test_on_a_gpu_it_also_takes_memory_and_computes_part_of_the_time(engine: Engine):
    measured = cost(configured(), 2, "cuda", engine)
    assert 0 < measured.busy_seconds <= measured.step_seconds < 10
    assert 2**20 < measured.memory_bytes < measured.device_bytes


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_memory_that_the_process_held_before_does_not_count():
    torch.empty(2**30, dtype=torch.uint8, device="cuda")
    assert cost(configured(), 1, "cuda").memory_bytes < 2**30


def test_a_rate_at_which_training_would_diverge_does_not_matter():
    assert cost(configured(lr=10.0), members=1).step_seconds > 0


def test_a_shape_is_measured_once_whatever_a_member_keeps_for_itself(monkeypatch: pytest.MonkeyPatch):
    first = cost(configured(), members=1)
    forbid_measuring(monkeypatch)
    assert cost(configured(seed=3, lr=1e-2, init="torch", epochs=7, test_images=9), members=1) == first


@pytest.mark.parametrize("change", [{"K": 5}, {"batch_size": 32}, {"objective": "iwae"}, {"weight_norm": True}])
def test_another_shape_is_measured_anew(change: dict[str, object], monkeypatch: pytest.MonkeyPatch):
    measuring(monkeypatch, 2.0)
    cost(configured(), members=1)
    other = measuring(monkeypatch, 1.0)
    assert cost(configured(**change), members=1) == other
    assert cost(configured(), members=2) == other


def test_another_number_of_threads_is_measured_anew(monkeypatch: pytest.MonkeyPatch):
    measuring(monkeypatch, 2.0)
    cost(configured(), members=1)
    measuring(monkeypatch, 1.0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    assert cost(configured(), members=1).step_seconds == 1.0


def test_a_batch_is_no_larger_than_the_training_images():
    config = configured(batch_size=100_000)
    assert shape(config).batch_size == config.train_images
    assert shape(configured(batch_size=100_000, validation_images=20)).batch_size == config.train_images


def test_the_shape_of_a_shape_is_the_same():
    assert shape(shape(configured())) == shape(configured())


def test_where_nothing_can_be_noted_it_is_measured_each_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/proc/nowhere")
    assert cost(configured(), members=1).step_seconds > 0


NOTE = '{"step_seconds": SECONDS, "busy_seconds": 1.0, "memory_bytes": 0, "device_bytes": 0, "evaluation_seconds": 1.0}'
ODD = ('"soon"', "-1.0", "NaN", "Infinity", "null", "true", "[" * 100_000)


@pytest.mark.parametrize(
    "content", ["", "{}", '{"step_seconds": 1}', "[1]", *(NOTE.replace("SECONDS", odd) for odd in ODD)]
)
def test_a_broken_note_is_measured_anew_and_replaced(content: str, home: Path, monkeypatch: pytest.MonkeyPatch):
    measuring(monkeypatch, 2.0)
    cost(configured(), members=1)
    (note,) = (home / ".cache" / "tmc_sweep" / "costs").iterdir()
    note.write_text(content)
    other = measuring(monkeypatch, 1.0)
    assert cost(configured(), members=1) == other
    forbid_measuring(monkeypatch)
    assert cost(configured(), members=1) == other


def test_more_images_are_the_same_shape():
    config = configured()
    assert shape(config.model_copy(update={"train_images": 10 * config.train_images})) == shape(config)
