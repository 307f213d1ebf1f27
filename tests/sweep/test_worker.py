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
