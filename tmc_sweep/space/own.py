"""What a user's file names of one's own by its import path: imported, and checked against the facts of its entry.

Only `load`, which reads a user's file, comes here. Such a file need not say how many images a data set of one's own
has; `sizes` asks its entry, and the numbers are written into the stored search space, so that reading that needs no
import.
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

FIELDS: Mapping[str, Registry[Any]] = MappingProxyType(  # the fields of a trial whose values are names of entries
    {"data": DATA_SETS, "objective": BOUNDS, "model": MODELS}
)
SIZES = ("train_images", "test_images")


def sizes(root: YamlNode) -> list[str]:
    """Overrides such as `train_images=500` for the sizes that the file leaves out, from its data set's entry.

    None unless the file has one data set, in `base`, and it is of one's own: of several, each cell would have to say
    its sizes. SpaceError if the data set cannot be imported.
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
    """The registry's entry of this name, imported if it is of one's own; SpaceError at the mark if there is none."""
    try:
        return registry.find(name)
    except InputError as error:
        raise mark.error(str(error)) from error


def check(space: SearchSpace) -> None:
    """Check all that the space names of one's own.

    SpaceError if something cannot be imported, or a cell has a field that the entry of its bound, model or data set
    rules out: more images than there are, an estimator that is not right for the bound, a field that the model does
    not read.
    """
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
    """The fields of a cell that the facts of its entries rule out, each with the sentence that says so."""
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
    """Where the file first sets a field: in base, else in space, else in the first case that has it."""
    for section, held in (("base", space.base), ("space", space.space)):
        if name in held:
            return (section, name)
    return next((("cases", number, name) for number, case in enumerate(space.cases) if name in case), ())
