import pytest

from tmc_sweep.data import Images, load


@pytest.fixture(scope="session")
def digits() -> Images:
    return load("digits")
