"""Curves keep their bits from version to version, on each kind of processor whose hashes are stored."""

import pytest
from bits import cases, hash_of, kind, stored
from twin import unchecked

from tmc_sweep.config import TrialConfig

ALWAYS = ("small tmc std 5", "ablation iwae dregs 1", "clustering tmc std 1")  # seconds; all of them are minutes
CASES = [
    pytest.param(name, config, marks=() if name in ALWAYS else pytest.mark.long, id=name) for name, config in cases()
]


@pytest.mark.parametrize(("name", "config"), CASES)
def test_200_steps_give_the_bits_that_they_gave(name: str, config: TrialConfig):
    hashes = stored().get(kind())
    if hashes is None:
        pytest.skip(f"needs stored hashes for {kind()}: python tests/bits.py writes them")
    with unchecked():
        found = hash_of(config)
    assert found == hashes[name], "where this is meant, raise FORMS in training/provenance.py and run tests/bits.py"
