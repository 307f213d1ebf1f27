"""Settings of the article, and how cells depart from them."""

import pytest
from pydantic import TypeAdapter, ValidationError

from tmc_sweep.article.conditions import Condition, combinations, departures, matches
from tmc_sweep.config import TrialConfig

ADAPTER: TypeAdapter[Condition] = TypeAdapter(Condition)


def setting(**fields: object) -> Condition:
    return ADAPTER.validate_python(fields)


def row(**fields: object) -> dict[str, object]:
    return TrialConfig.parse({"data": "mnist", **fields}).row()


def test_a_setting_has_values_as_tables_have_them():
    assert setting(architecture=["small", "large"], lr=0.001) == {"architecture": ("small", "large"), "lr": (0.001,)}
    assert setting(gradient="dregs") == {"gradient": ("dregs",)}  # a value of its field, whatever the other fields are


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"k": 5}, "k is not a known key"), ({"K": 0}, "K must be an integer"), ({"seed": 1}, "seed")],
)
def test_a_setting_that_is_none_is_refused(fields: dict[str, object], message: str):
    with pytest.raises(ValidationError, match=message):
        setting(**fields)


def test_a_cell_matches_where_it_has_one_of_the_values_in_each_field_that_it_has():
    meant = setting(objective=["iwae", "tmc"], K=20)
    assert matches(meant, row(objective="iwae"))
    assert not matches(meant, row(objective="elbo"))
    assert not matches(meant, row(K=5))
    assert matches(meant, {"objective": "tmc"})


def test_combinations_make_each_choice_once():
    assert list(combinations(setting(K=[1, 5], lr=0.01))) == [{"K": (1,), "lr": (0.01,)}, {"K": (5,), "lr": (0.01,)}]


@pytest.mark.parametrize(
    ("fields", "departure"),
    [
        ({}, []),
        ({"K": 5}, ["K 5, not 20"]),
        ({"K": 5, "eval_k": 20}, ["eval_k 20, not 5", "K 5, not 20"]),
        ({"train_images": 10_000}, ["10000 of 60000 training images"]),
        ({"init": "torch"}, ["init torch, not glorot_uniform"]),
        ({"adam_eps": 1e-8}, ["adam_eps 1e-08, not 0.0001"]),
        ({"adam_eps": 9.591414621338726e-07}, ["adam_eps 9.59141e-07, not 0.0001"]),
        ({"prior": "learned", "weight_norm": True}, ["prior learned, not standard", "weight_norm true, not false"]),
        ({"data": "digits"}, ["data digits, not mnist"]),
        ({"architecture": {"latents": [12, 4]}}, ["architecture 12-4, not small or large"]),
    ],
)
def test_departures_are_from_the_setting_and_where_it_says_nothing_from_the_protocol(fields, departure):
    meant = setting(data="mnist", architecture=["small", "large"], K=20)
    assert list(departures(meant, row(**fields)).values()) == departure


def test_data_of_ones_own_are_a_departure_and_no_file_is_needed_to_say_so():
    of_own = row(data="nowhere:x", train_images=60, test_images=30)
    assert departures(setting(data="mnist", K=20), of_own) == {"data": "data nowhere:x, not mnist"}


def test_fields_that_a_row_lacks_are_not_compared():
    assert departures(setting(data="mnist", K=20), {"data": "mnist", "eval_k": None}) == {}
