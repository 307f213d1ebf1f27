"""What a user's file names of one's own, by import path: imported, checked, and its sizes written into the file.

Only a file that a user asks to be read comes here. What is stored has the sizes in it, and is read without an import.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from tmc_sweep.config import TrialConfig, too_many
from tmc_sweep.errors import InputError
from tmc_sweep.registry import BOUNDS, DATA_SETS, MODELS, OF_MODELS, SAMPLERS, STOPPING_RULES, Registry, is_own
from tmc_sweep.space.mistakes import Mark, each
from tmc_sweep.space.overrides import put
from tmc_sweep.space.search_space import SearchSpace
from tmc_sweep.space.source import Place, YamlNode, document

FIELDS: Mapping[str, Registry[Any]] = MappingProxyType(  # of a trial, whose values are names
    {"data": DATA_SETS, "objective": BOUNDS, "model": MODELS}
)
SIZES = ("train_images", "test_images")


def sized(root: YamlNode, text: str) -> tuple[YamlNode, str]:
    """The file's tree and text, with the sizes of a data set of one's own beside its name where they are left out.

    In base or in cases, that is: a dimension of data sets says nothing of their sizes. SpaceError if there is none.
    """
    base, cases = root.get("base") or YamlNode(root.mark, {}), root.get("cases")
    listed = cases.value if cases and isinstance(cases.value, list) else []
    if (space := root.get("space")) and space.get("data"):
        return root, text
    if any(case.get("data") for case in listed):
        filled = put(root, "cases", YamlNode(root.mark, [_filled(case, base) for case in listed]))
    else:
        filled = put(root, "base", _filled(base, base))
    if filled.plain() == root.plain():
        return root, text
    comments = [line for line in text.splitlines(keepends=True) if line.startswith("#")]
    return filled, f"{''.join(comments)}{document(filled)}"


def _filled(node: YamlNode, base: YamlNode) -> YamlNode:
    data = node.get("data") or base.get("data")
    if data is None or not isinstance(data.value, str) or not is_own(data.value):
        return node
    known = found(DATA_SETS, data.value, data.mark)
    for name in SIZES:
        if not (node.get(name) or base.get(name)):
            node = put(node, name, YamlNode(data.mark, getattr(known, name)))
    return node


def found(registry: Registry[Any], name: str, mark: Mark) -> Any:
    """The entry of this name; SpaceError at this mark if there is none."""
    try:
        return registry.find(name)
    except InputError as error:
        raise mark.error(str(error)) from error


def check_names(space: SearchSpace) -> None:
    """SpaceError for each name of which there is nothing to import."""
    each(lambda named: found(*named), _names(space))


def check_sizes(space: SearchSpace) -> None:
    """SpaceError if a trial is to have more images than its data set of one's own has."""
    for cell in space.cells:
        for name in SIZES if is_own(cell.data) else ():
            given, limit = getattr(cell, name), getattr(DATA_SETS.find(cell.data), name)
            if given > limit:
                raise space.mark("base", name).error(too_many(name, given, limit, cell.data))


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


def check_fields(space: SearchSpace) -> None:
    """SpaceError if a cell sets a field that its bound or its model of one's own does not go with."""
    for cell in space.cells:
        for name, sentence in _misfits(cell):
            raise space.mark(*_place(space, name)).error(sentence)


def _misfits(cell: TrialConfig) -> Iterator[tuple[str, str]]:
    """Fields, and what is wrong with them, by the facts that entries state."""
    allowed = BOUNDS.find(cell.objective).gradients
    if is_own(cell.objective) and cell.gradient not in allowed:
        rule = f"gradient must be {' or '.join(allowed)} for objective {cell.objective}"
        yield "gradient", f"{rule}, but got {cell.gradient}: choose {allowed[0]}, or name it in the entry of that bound"
    read = MODELS.find(cell.model).fields
    for name in OF_MODELS:
        if name not in read and getattr(cell, name) != TrialConfig.model_fields[name].default:
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
