"""What a user's file names of one's own, by import path: imported, checked, and its sizes told.

Only a file that a user asks to be read comes here. What is stored has the sizes in it, and is read without an import.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from tmc_sweep.config import OF_MODELS, TrialConfig, too_many
from tmc_sweep.errors import InputError
from tmc_sweep.registry import BOUNDS, DATA_SETS, MODELS, SAMPLERS, STOPPING_RULES, Registry, is_own
from tmc_sweep.space.mistakes import Mark, each
from tmc_sweep.space.search_space import SearchSpace
from tmc_sweep.space.source import Place, YamlNode

FIELDS: Mapping[str, Registry[Any]] = MappingProxyType(  # of a trial, whose values are names
    {"data": DATA_SETS, "objective": BOUNDS, "model": MODELS}
)
SIZES = ("train_images", "test_images")


def sizes(root: YamlNode) -> list[str]:
    """Overrides that say the sizes of the file's one data set, if it is of one's own, where they are left out.

    SpaceError if there is none such to import.
    """
    base, cases = root.get("base"), root.get("cases")
    listed = cases.value if cases and isinstance(cases.value, list) else ()
    held = [node for node in (base, root.get("space"), *listed) if node]
    data = base.get("data") if base else None
    if data is None or sum(node.get("data") is not None for node in held) > 1 or not is_own(str(data.value)):
        return []
    known = found(DATA_SETS, str(data.value), data.mark)
    return [f"{name}={getattr(known, name)}" for name in SIZES if not any(node.get(name) for node in held)]


def found(registry: Registry[Any], name: str, mark: Mark) -> Any:
    """The entry of this name; SpaceError at this mark if there is none."""
    try:
        return registry.find(name)
    except InputError as error:
        raise mark.error(str(error)) from error


def check(space: SearchSpace) -> None:
    """SpaceError for a name of which there is nothing to import, and for what a cell says that its entries rule out."""
    each(lambda named: found(*named), _names(space))
    for cell in space.cells:
        for name, sentence in _misfits(cell):
            raise space.mark(*_place(space, name)).error(sentence)


def _names(space: SearchSpace) -> Iterator[tuple[Registry[Any], str, Mark]]:
    yield SAMPLERS, space.search.algorithm, space.mark("search", "algorithm")
    if space.scheduler:
        yield STOPPING_RULES, space.scheduler.algorithm, space.mark("scheduler", "algorithm")
    for name, registry in FIELDS.items():
        if name in space.base:
            yield registry, space.base[name], space.mark("base", name)
        for number, case in enumerate(space.cases):
            if name in case:
                yield registry, case[name], space.mark("cases", number, name)
        if name in space.space:
            for value in getattr(space.space[name].domain, "values", ()):
                yield registry, value, space.mark("space", name)


def _misfits(cell: TrialConfig) -> Iterator[tuple[str, str]]:
    """Fields, and what is wrong with them, by the facts that entries state."""
    for name in SIZES:
        given, limit = getattr(cell, name), getattr(DATA_SETS.find(cell.data), name)
        if given > limit:
            yield name, too_many(name, given, limit, cell.data)
    allowed = BOUNDS.find(cell.objective).gradients
    if is_own(cell.objective) and cell.gradient not in allowed:
        rule = f"gradient must be {' or '.join(allowed)} for objective {cell.objective}"
        yield "gradient", f"{rule}, but got {cell.gradient}: choose {allowed[0]}, or name it in the entry of that bound"
    read = MODELS.find(cell.model).fields
    for name in () if read is None else [name for name in OF_MODELS if name not in read]:
        if getattr(cell, name) != TrialConfig.model_fields[name].default:
            yield (
                name,
                f"{name} must be left out for model {cell.model}, which does not read it, but got {cell.row()[name]}: "
                "remove it, or name it in the fields of that model's entry",
            )


def _place(space: SearchSpace, name: str) -> Place:
    """Where the file first says a field."""
    for section, held in (("base", space.base), ("space", space.space)):
        if name in held:
            return (section, name)
    return next((("cases", number, name) for number, case in enumerate(space.cases) if name in case), ())
