"""Settings of the article: which values of a trial's fields are meant, and how our cells depart from them.

In the data files a setting is a mapping such as `{data: mnist, objective: tmc, K: [5, 20]}`. Fields and values follow
the rules of a search space; a list means any of its values.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Annotated, Any

from pydantic import BeforeValidator

from tmc_sweep.config import NAMING, Architecture, TrialConfig, fields_of
from tmc_sweep.errors import InputError
from tmc_sweep.registry import DATA_SETS, is_own
from tmc_sweep.space.fields import check_field, setting
from tmc_sweep.space.mistakes import Mark
from tmc_sweep.space.source import YamlNode
from tmc_sweep.text import plain

_IMAGES = {"train_images": "training images", "test_images": "test images"}
_HERE = Mark("a setting", 1, 1)  # what an error calls it


def _choices(fields: object) -> object:
    if not isinstance(fields, dict):
        return fields
    return {name: tuple(_column(name, one) for one in _listed(value)) for name, value in fields.items()}


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _column(name: str, value: Any) -> object:
    """The value as a table's column has it; ValueError if there is no such field, or it breaks the field's rule."""
    try:
        check_field(name, _HERE, "a setting")
        resolved = setting(name, YamlNode(_HERE, value))
    except InputError as error:
        raise ValueError(str(error)) from None
    return resolved.name if isinstance(resolved, Architecture) else resolved


Condition = Annotated[dict[str, tuple[Any, ...]], BeforeValidator(_choices)]  # by field: the values, each of them meant


def matches(meant: Condition, row: Mapping[str, object]) -> bool:
    """Whether a cell's row has one of the setting's values in each of its fields; those that it lacks do not count."""
    return all(row[name] in values for name, values in meant.items() if name in row)


def combinations(meant: Condition) -> Iterator[Condition]:
    """The settings with one value for each field, all combinations in order."""
    for values in product(*meant.values()):
        yield {name: (value,) for name, value in zip(meant, values, strict=True)}


def departures(meant: Condition, row: Mapping[str, Any]) -> dict[str, str]:
    """By field, a text about how a cell departs from the setting, such as "lr 0.01, not 0.001".

    Fields that the setting does not name must be as in the article's protocol, the defaults of `TrialConfig`. Fields
    that the row lacks are not compared.
    """
    given = ("data", "K", *(("train_images", "test_images") if is_own(row.get("data", "")) else ()))
    protocol = TrialConfig.parse({name: row[name] for name in given if name in row}).row()
    swept = {*NAMING, *fields_of("run")}  # fields that have no protocol: they count only if the setting names them
    whole = {name: (value,) for name, value in protocol.items() if name not in swept} | meant
    return {
        name: _departure(name, row, values)
        for name, values in whole.items()
        if name in row and row[name] is not None and row[name] not in values
    }


def _departure(name: str, row: Mapping[str, Any], meant: tuple[Any, ...]) -> str:
    if name in _IMAGES:
        return f"{row[name]} of {getattr(DATA_SETS[row['data']], name)} {_IMAGES[name]}"
    return f"{name} {plain(row[name])}, not {' or '.join(map(plain, meant))}"
