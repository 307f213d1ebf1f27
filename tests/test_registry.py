"""Names that stand for code: what is built in, and what a file of one's own has."""

import re

import pytest
from own import Write

from tmc_sweep.config import TrialConfig
from tmc_sweep.errors import InputError
from tmc_sweep.registry import (
    BOUNDS,
    DATA_SETS,
    MODELS,
    SAMPLERS,
    STOPPING_RULES,
    Bound,
    Model,
    Registry,
    is_own,
    loaded,
)


@pytest.mark.parametrize("registry", [BOUNDS, MODELS], ids=lambda registry: registry.what)
def test_what_is_built_in_is_there_and_only_loaded_when_used(registry: Registry):
    for name, entry in registry.items():
        assert registry.find(name) is entry
        assert re.search(registry.known.pattern, name)
        assert not is_own(name)
    (code, *_) = [value for value in vars(entry).values() if ":" in str(value)]
    assert callable(loaded(code))


def test_each_reader_sampler_and_rule_that_is_built_in_is_there():
    codes = [known.read for known in DATA_SETS.values()] + [*filter(None, SAMPLERS.values())]
    assert all(callable(loaded(code)) for code in [*codes, *STOPPING_RULES.values()])


@pytest.mark.parametrize("name", ["mine:Name", "my.own.package:Name", "_a1:B.c"])
def test_ones_own_is_an_import_path(name: str):
    assert is_own(name)
    assert re.search(BOUNDS.known.pattern, name)


@pytest.mark.parametrize(
    "name", ["", "iwea", "mine", "mine:", ":Name", "a b:c", "a:b:c", "a/b.py:c", "1a:b", "ä:b", "a:b\n"]
)
def test_what_has_another_form_is_neither(name: str):
    with pytest.raises(InputError, match="must be one of elbo, iwae, tmc, or"):
        TrialConfig.parse({"objective": name})


OWN = """
from tmc_sweep.registry import Bound, Model

def function(log_p, log_q): ...
class Family: ...
bound = Bound("mine", function, needs_pairs=False)
model = Model("mine", Family, fields=("prior",))
three = 3
"""


def test_an_entry_of_ones_own_is_found_and_a_function_or_class_alone_has_the_usual_facts(write_module: Write):
    name = write_module(OWN)
    assert BOUNDS.find(f"{name}:bound").needs_pairs is False
    assert BOUNDS.find(f"{name}:function") == Bound("function", BOUNDS.find(f"{name}:bound").function)
    assert MODELS.find(f"{name}:model").fields == ("prior",)
    assert MODELS.find(f"{name}:Family") == Model("Family", MODELS.find(f"{name}:model").family)


def refusal(name: str) -> str:
    with pytest.raises(InputError) as refused:
        BOUNDS.find(name)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_an_unknown_word_is_refused_with_the_choices_and_the_way_of_ones_own():
    rule = "a bound must be one of elbo, iwae, tmc, or package.module:Name of one's own, but got "
    assert refusal("iwea") == f"{rule}'iwea': did you mean 'iwae'?"
    assert refusal("x") == f"{rule}'x': choose one of them"
    assert BOUNDS.find("iwae").title == "IWAE bound"


def test_what_cannot_be_imported_is_refused_until_it_can_be(write_module: Write):
    name = write_module("raise ValueError('no data\\nhere')")
    said = "must be importable, but {} is not ({}): correct the name, or put the folder of its file on PYTHONPATH"
    for path, why in (
        ("nowhere.at.all:x", "No module named 'nowhere'"),
        (f"{name}:function", "no data"),
        ("math:floo", "module 'math' has no attribute 'floo'"),
    ):
        assert refusal(path).endswith(said.format(path, why))
    write_module(OWN)
    assert BOUNDS.find(f"{name}:function")


def test_what_is_none_of_its_kind_is_refused_until_it_is_named(write_module: Write):
    name = write_module(OWN)
    rule = "a bound of one's own must be a Bound, or a function of (log_p, log_q), but "
    assert refusal(f"{name}:three") == f"{rule}{name}:three is 3: name one"
    assert re.match(re.escape(f"{rule}{name}:model is Model("), refusal(f"{name}:model"))
    assert BOUNDS.find(f"{name}:bound")
