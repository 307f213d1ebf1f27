"""Settings of the article: fields of a trial with the values that are meant, and how our cells differ from them."""

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
_HERE = Mark("a setting", 1, 1)


def _choices(fields: object) -> object:
    if not isinstance(fields, dict):
        return fields
    return {name: tuple(_column(name, one) for one in _listed(value)) for name, value in fields.items()}


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _column(name: str, value: Any) -> object:
    """The value as tables have it; ValueError if there is no such field or it is none of its values."""
    try:
        check_field(name, _HERE, "a setting")
        resolved = setting(name, YamlNode(_HERE, value))
    except InputError as error:
        raise ValueError(str(error)) from None
    return resolved.name if isinstance(resolved, Architecture) else resolved


Condition = Annotated[dict[str, tuple[Any, ...]], BeforeValidator(_choices)]  # values by field, any of which is meant


def matches(meant: Condition, row: Mapping[str, object]) -> bool:
    """Whether a cell has one of the setting's values in each of its fields that the cell has."""
    return all(row[name] in values for name, values in meant.items() if name in row)


def combinations(meant: Condition) -> Iterator[Condition]:
    """The setting with each choice made, in order."""
    for values in product(*meant.values()):
        yield {name: (value,) for name, value in zip(meant, values, strict=True)}


def departures(meant: Condition, row: Mapping[str, Any]) -> dict[str, str]:
    """How a cell differs from the setting and, where that says nothing, from the article's protocol, by field.

    A row may lack fields: those are not compared.
    """
    given = ("data", "K", *(("train_images", "test_images") if is_own(row.get("data", "")) else ()))
    protocol = TrialConfig.parse({name: row[name] for name in given if name in row}).row()
    swept = {*NAMING, *fields_of("run")}  # without a protocol: only what a setting names counts
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
