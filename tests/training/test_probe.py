"""What a pack costs here: measured once for a shape, then remembered."""

import math
from pathlib import Path

import pytest
import torch
from invented_gpus import Card, install
from runs import configured

from tmc_sweep import costs
from tmc_sweep.costs import Cost, shape
from tmc_sweep.models import Model
from tmc_sweep.training import pack, probe
from tmc_sweep.training.probe import cost
from tmc_sweep.training.step import Score


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def measuring(monkeypatch: pytest.MonkeyPatch, step_seconds: float) -> Cost:
    """Let this be measured from now on."""
    known = Cost(step_seconds, 4.0, 2, 1, 3)
    monkeypatch.setattr(probe, "measure", lambda *_: known)
    return known


def forbid_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "measure", lambda *_: pytest.fail("measured again"))


def test_a_step_takes_time_and_on_a_cpu_none_of_a_gpu():
    measured = cost(configured(), members=2)
    assert 0 < measured.step_seconds < 10
    assert (measured.memory_bytes, measured.context_bytes, measured.device_bytes) == (0, 0, 0)


def test_an_engine_agrees_by_bits_and_a_compiled_one_to_rounding():
    assert cost(configured(), 2, "cpu", "graph").agrees  # there it is eager
    numbers = [torch.tensor([1.0, 2.0]), torch.tensor(3.0)]
    near = [numbers[0] * (1 + 1e-6), numbers[1]]
    for engine, as_near in (("graph", False), ("compiled", True)):
        assert probe.agree(engine, numbers, numbers)
        assert probe.agree(engine, numbers, near) is as_near
        assert not probe.agree(engine, numbers, [numbers[0] * 1.01, numbers[1]])
        assert not probe.agree(engine, numbers, [numbers[0] * math.nan, numbers[1]])


def test_an_engine_whose_numbers_are_others_does_not_agree(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pack, "score_of", lambda model, engine: spoiled(model) if engine == "graph" else model.score)
    assert not cost(configured(), 1, "cpu", "graph").agrees
    assert cost(configured(), 1, "cpu", "eager").agrees


def spoiled(model: Model) -> Score:
    return lambda *given: {name: bound * 1.001 for name, bound in model.score(*given).items()}


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


def test_what_processes_do_that_share_a_gpu_is_remembered_with_how_many_and_whether_by_mps(
    monkeypatch: pytest.MonkeyPatch,
):
    def measured(at_once: int) -> Cost:
        found.append(at_once)
        return Cost(float(len(found)), 1.0)

    def seconds(at_once: int) -> float:
        return cost(configured(), 1, "cuda", "eager", at_once, lambda *_: measured(at_once)).step_seconds

    found: list[int] = []
    install(monkeypatch, Card())
    monkeypatch.setattr(costs, "mps_user", lambda: None)
    assert [seconds(k) for k in (1, 2, 4, 1, 2, 4)] == [1.0, 2.0, 3.0] * 2
    monkeypatch.setattr(costs, "mps_user", lambda: "ray")
    assert [seconds(k) for k in (1, 2, 4, 1, 2, 4)] == [1.0, 4.0, 5.0] * 2  # one process is alone with MPS too
    assert found == [1, 2, 4, 2, 4]


def test_a_batch_is_no_larger_than_the_training_images():
    config = configured(batch_size=100_000)
    assert shape(config).batch_size == config.train_images
    assert shape(configured(batch_size=100_000, validation_images=20)).batch_size == config.train_images


def test_the_shape_of_a_shape_is_the_same():
    assert shape(shape(configured())) == shape(configured())


def test_where_nothing_can_be_noted_it_is_measured_each_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/proc/nowhere")
    assert cost(configured(), members=1).step_seconds > 0


NOTE = '{"step_seconds": SECONDS, "evaluation_seconds": 1.0, "memory_bytes": 0, "context_bytes": 0, "device_bytes": 0}'
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
