"""Costs measured by Ray, where trials will train."""

import pytest
from twin import small

from tmc_sweep.errors import CannotRunError
from tmc_sweep.space.schema import Resources
from tmc_sweep.sweep.measuring import measuring


@pytest.mark.usefixtures("local_ray")
def test_a_cost_is_measured_in_a_process_of_ray_and_one_that_cannot_be_is_refused_in_a_sentence():
    measure = measuring(Resources(gpu=0), [], lambda: None)
    assert 0 < measure(small(), 1, 0.0, "eager").step_seconds < 10
    with pytest.raises(CannotRunError) as error:
        measure(small(), 0, 0.0, "eager")
    assert "measuring what a pack of 0 costs must work, but " in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("local_ray")
def test_measuring_asks_whether_to_go_on():
    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        measuring(Resources(gpu=0, cpu=2.0), [], stop)(small(), 200, 0.0, "eager")


@pytest.mark.parametrize(
    ("gpu", "cpu", "reserved", "at_once"),
    [
        (0.0, 2.0, (2.0, 0), 1),
        (1.0, 2.0, (2.0, 1), 1),
        (0.25, 1.0, (4.0, 1), 4),
        (0.25, 4.0, (8.0, 1), 2),  # of its 8 cores a GPU
        (2.0, 1.0, (1.0, 2), 1),
    ],
)
def test_what_shares_a_gpu_is_measured_while_the_rest_of_it_is_in_use_by_as_many(
    gpu: float, cpu: float, reserved: tuple[float, int], at_once: int, monkeypatch: pytest.MonkeyPatch
):
    class Task:
        def options(self, **given: float) -> "Task":
            asked.append((given["num_cpus"], given["num_gpus"]))
            return self

        def remote(self, *given: object) -> None:
            asked.append(given[-1])

    asked: list[object] = []
    monkeypatch.setattr("tmc_sweep.sweep.measuring.ray.remote", lambda **_: lambda _: Task())
    monkeypatch.setattr("tmc_sweep.sweep.measuring.ray.wait", lambda found, timeout: (found, []))
    monkeypatch.setattr("tmc_sweep.sweep.measuring.ray.get", lambda _: None)
    nodes = [{"CPU": 2.0}, {"CPU": 16.0, "GPU": 2.0}]
    measuring(Resources(cpu=cpu, gpu=gpu), nodes, lambda: None)(small(), 1, gpu, "eager")
    assert asked == [reserved, at_once]
