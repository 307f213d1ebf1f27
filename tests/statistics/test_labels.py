"""Short names of cells."""

from tmc_sweep.config import TrialConfig
from tmc_sweep.statistics.labels import differing_fields, label, telling_fields


def rows(*fields: dict[str, object]) -> list[dict[str, object]]:
    return [TrialConfig.parse(each).row() for each in fields]


def test_the_usual_fields_and_those_that_differ_are_telling():
    cells = rows({"prior": "standard"}, {"prior": "learned"})
    assert telling_fields(cells) == ["objective", "architecture", "K", "lr", "prior"]
    assert differing_fields(cells) == ["prior"]
    assert label(cells[1], telling_fields(cells)) == "tmc small K=20 lr=0.001 prior=learned"


def test_what_follows_from_another_field_is_not_telling():
    assert differing_fields(rows({"K": 5}, {"K": 20})) == ["K"]
    assert differing_fields(rows({"K": 5}, {"K": 20, "eval_k": 50})) == ["K", "eval_k"]
    assert differing_fields(rows({"data": "digits"}, {"data": "mnist"})) == ["data"]
    assert differing_fields(rows({"data": "digits"}, {"data": "mnist", "train_images": 999})) == [
        "data",
        "train_images",
    ]


def test_numbers_are_short_and_truth_is_as_in_yaml():
    assert label({"lr": 10.0, "K": 5, "weight_norm": True}, ["lr", "K", "weight_norm"]) == "lr=10 K=5 weight_norm=true"
