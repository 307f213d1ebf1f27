"""Fields of a trial as a file gives them.

Each value is validated alone, apart from all others, so that an error points at that very value's line and column.
What concerns several fields at once is checked when a cell is made of them (`search_space.py`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError, create_model
from pydantic_core import ErrorDetails

from tmc_sweep.config import FOLLOWS, TrialConfig
from tmc_sweep.explain import did_you_mean, explain, missing_key, path_of, rule_of, telling
from tmc_sweep.space.foreign import domain
from tmc_sweep.space.mistakes import Mark, each, together
from tmc_sweep.space.source import YamlNode, flow, shown

Model = TypeVar("Model", bound=BaseModel)
Read = TypeVar("Read")


class RangeKind(NamedTuple):
    """How the numbers of a range are drawn."""

    log: bool  # uniform in the logarithm
    integers: bool = False
    quantised: bool = False  # to a step, the third number of its list


RANGES: Mapping[str, RangeKind] = MappingProxyType(
    {
        "uniform": RangeKind(log=False),
        "loguniform": RangeKind(log=True),
        "quniform": RangeKind(log=False, quantised=True),
        "qloguniform": RangeKind(log=True, quantised=True),
        "randint": RangeKind(log=False, integers=True),
        "lograndint": RangeKind(log=True, integers=True),
    }
)
DOMAIN_KINDS = ("grid_search", "choice", *RANGES)

_ALONE: Mapping[str, type[BaseModel]] = MappingProxyType(  # by field, a model of this field and no other
    {
        name: create_model(name, __config__=TrialConfig.model_config, **{name: (info.annotation, info)})  # type: ignore[call-overload]
        for name, info in TrialConfig.model_fields.items()
    }
)


Settings = Mapping[str, Any]  # resolved values of fields


@dataclass(frozen=True)
class Condition:
    """A condition of `when` or `exclude`: it holds in cells in which each of these fields has one of its values.

    Values are compared resolved, so `architecture: small` is equal to the widths that it stands for.
    """

    wanted: Mapping[str, tuple[object, ...]] = field(hash=False)

    def holds(self, cell: Settings) -> bool:
        """Whether the condition holds in a cell; fields that it lacks have their defaults."""
        return all(value_of(name, cell) in values for name, values in self.wanted.items())


def value_of(name: str, cell: Settings) -> object:
    """A field's resolved value in a cell: as set, else its default, which may follow from another field."""
    if name in cell:
        return cell[name]
    given = {FOLLOWS[name].source: value_of(FOLLOWS[name].source, cell)} if name in FOLLOWS else {}
    return TrialConfig.model_fields[name].get_default(call_default_factory=True, validated_data=given)


def check_key(key: str, mark: Mark, known: Iterable[str]) -> None:
    """SpaceError, with the nearest known key, if the key is not a known one."""
    known = list(known)
    if key not in known:
        near = did_you_mean(key, known)
        raise mark.error(
            f"{key:.40} is not a known key{near}{' The' if near else ': the'} known ones are {', '.join(known)}"
        )


def check_keys(node: YamlNode, known: Iterable[str]) -> None:
    """SpaceError, at each of them, if keys of a mapping are not known ones."""
    known = list(known)
    each(lambda key: check_key(*key, known), node.keys.items())


def check_field(key: str, mark: Mark, section: str) -> None:
    """SpaceError if the key is not a field of a trial, or not one that this section of a search space may hold."""
    if key == "seed":
        raise mark.error(f"seeds are their own axis, but got seed in {section}: write `seeds: [...]` at the top level")
    check_key(key, mark, (name for name in TrialConfig.model_fields if name != "seed"))
    if key == "epochs" and section != "base":
        raise mark.error(f"epochs must be a constant of the sweep, but got it in {section}: move it to base")


def validate(model: type[Model], node: YamlNode) -> Model:
    """The pydantic model that a node describes; SpaceError, at each value or key that breaks a rule."""
    try:
        return model.model_validate(node.plain())
    except ValidationError as invalid:
        owner = TrialConfig if model in _ALONE.values() else model
        raise together(
            _where(node, error).error(explain(owner, error), missing_key(error)) for error in telling(invalid)
        ) from None


def _where(node: YamlNode, error: ErrorDetails) -> Mark:
    path = path_of(error)
    if error["type"] == "extra_forbidden":
        return node.at(path[:-1]).keys[str(path[-1])]
    return node.at(path).mark


def setting(name: str, node: YamlNode) -> Any:
    """The value of one field of a trial, resolved and validated apart from all other fields.

    SpaceError at the node if it breaks the field's rule, is a list or a domain, or is in another program's words.
    """
    node, rule = _written_out(name, node), rule_of(TrialConfig.model_fields[name])
    if isinstance(node.value, list):
        raise node.mark.error(f"{name} must be {rule}, but got {shown(node)}: {_instead_of_list(name, node)}")
    check_ours(name, node)
    for kind in filter(DOMAIN_KINDS.__contains__, node.keys):
        raise node.keys[kind].error(f"{name} must be {rule}, but got a {kind}: domains belong under space")
    return getattr(validate(_ALONE[name], YamlNode(node.mark, {name: node}, {name: node.mark})), name)


def check_ours(name: str, node: YamlNode) -> None:
    """SpaceError, with the same in our words, if a value is a domain in another program's words."""
    if not node.keys.keys() & DOMAIN_KINDS and (ours := domain(node)):
        fix = f"write {flow(ours)}{' under space' if isinstance(ours.value, dict) else ''}"
        raise node.mark.error(f"{name} must be said in words of a search space, but got {shown(node)}: {fix}")


def _written_out(name: str, node: YamlNode) -> YamlNode:
    """A list of widths as the architecture that it stands for; any other value as it is."""
    items = node.value if name == "architecture" and isinstance(node.value, list) else []
    if not items or any(isinstance(item.value, list | dict | str) for item in items):
        return node
    return YamlNode(node.mark, {"latents": node}, {"latents": node.mark})


def _instead_of_list(name: str, node: YamlNode) -> str:
    if name == "seed" or not node.value:
        return "write one value"
    return f"to try each of them write {{grid_search: {flow(node)}}} under space"


def read_fields(node: YamlNode, section: str, example: str, read: Callable[[str, YamlNode], Read]) -> dict[str, Read]:
    """By field, what `read(field, node)` makes of each value in a mapping that stands in this section.

    SpaceError, all of them as one, if it is no mapping or a key or value breaks a rule; `example` is shown then.
    """

    def one(entry: tuple[str, YamlNode]) -> tuple[str, Read]:
        name, value = entry
        check_field(name, node.keys[name], section)
        return name, read(name, value)

    return dict(each(one, node.mapping(section, example).items()))


def settings(node: YamlNode, section: str) -> dict[str, Any]:
    """The values in a mapping of fields to constants, as `base` and `cases` have them. Errors as `read_fields`."""
    return read_fields(node, section, "{data: mnist, K: 20}", setting)


def condition(node: YamlNode, section: str) -> Condition:
    """The condition in a mapping of fields to a value or a list of values. SpaceError as `read_fields`, or if empty."""
    wanted = read_fields(node, section, "{objective: tmc}", _options)
    if not wanted:
        raise node.mark.error(f"{section} must name a field and its value, but got {{}}: write one, or remove it")
    return Condition(wanted)


def _options(name: str, node: YamlNode) -> tuple[object, ...]:
    node = _written_out(name, node)
    options = node.value if isinstance(node.value, list) else [node]
    if not options:
        raise node.mark.error(f"{name} must have a value or several, but got []: write one")
    return tuple(each(lambda option: setting(name, option), options))
