"""Two hundred configurations and the names that they were given first: a name, once given, never changes."""

import json
from pathlib import Path

from tmc_sweep.config import TrialConfig

KNOWN = [json.loads(line) for line in (Path(__file__).parent / "golden" / "trial_ids.jsonl").read_text().splitlines()]


def test_each_configuration_still_has_its_names():
    found = [(config.trial_id, config.cell_id) for known in KNOWN if (config := TrialConfig.stored(known["config"]))]
    assert found == [(known["trial_id"], known["cell_id"]) for known in KNOWN]


def test_they_are_two_hundred_of_every_kind():
    assert len({known["trial_id"] for known in KNOWN}) == len(KNOWN) == 200
    for name in KNOWN[0]["config"]:
        assert len({json.dumps(known["config"][name]) for known in KNOWN}) > 1, name
    assert "dynamic" not in {known["config"]["binarize"] for known in KNOWN}  # its numbers have changed since
