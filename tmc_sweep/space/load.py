"""From a YAML file, or its text, to a validated search space.

`load` reads a user's file, and imports what it names of one's own. `parse` reads the same YAML without any import: what
a manifest stores must be readable on a machine that lacks the user's modules. All mistakes of a file are told at once.

The order of the checks matters: first each value alone, then what concerns several, then the number of trials, and only
then are all cells made, which a hostile file could have billions of.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tmc_sweep.config import fields_of
from tmc_sweep.errors import InputError
from tmc_sweep.paths import check_name
from tmc_sweep.records import VALIDATION_METRICS
from tmc_sweep.registry import SAMPLERS
from tmc_sweep.space import foreign, own
from tmc_sweep.space.domains import Dimension, Grid, dimension
from tmc_sweep.space.fields import check_keys, condition, read_fields, setting, settings, validate
from tmc_sweep.space.mistakes import Mark, Mistakes, each
from tmc_sweep.space.overrides import overridden
from tmc_sweep.space.schema import SECTIONS, Header
from tmc_sweep.space.search_space import SearchSpace
from tmc_sweep.space.source import YamlNode, read, read_tree, shown


def load(path: Path | str, max_trials: int = 100_000, overrides: Sequence[str] = ()) -> SearchSpace:
    """The search space in a file, with overrides such as `epochs=10` in place of its own values.

    What it names of one's own is imported. SpaceError, at each offending value, if it cannot be read, breaks a rule,
    names what cannot be imported or has more than `max_trials` trials; InputError if an override is malformed.
    """
    space = _parsed(read(path), str(path), max_trials, overrides, imports=True)
    _check_grace(space)
    return space


def parse(text: str, source_name: str, max_trials: int = 100_000, overrides: Sequence[str] = ()) -> SearchSpace:
    """The search space in a YAML text, as `load` reads a file, but without imports; errors call it `source_name`."""
    return _parsed(text, source_name, max_trials, overrides, imports=False)


def _parsed(text: str, source_name: str, max_trials: int, overrides: Sequence[str], *, imports: bool) -> SearchSpace:
    with Mistakes() as mistakes:
        tree = _written(read_tree(text, source_name, mistakes), mistakes)
        root, _, replaced = overridden(tree, text, overrides)
        told = own.sizes(root) if imports else []
        root, text, _ = overridden(tree, text, [*overrides, *told])
        space = _space(root, text, replaced)
    with Mistakes() as mistakes:
        with mistakes.apart():
            _check_one_place(space)
        _check_algorithm(space)
    _check_size(space, max_trials, root.keys.get("space", root.mark))
    _ = space.cells  # validates each of them
    if imports:
        own.check(space)
    for section, chooses in (("scheduler", space.scheduler), ("search", space.adaptive)):
        if chooses:
            _check_comparable(space, section)
    if space.resources.alone:
        _check_alone(space)
    return space


def _space(root: YamlNode, text: str, replaced: tuple[str, ...]) -> SearchSpace:
    """The search space, each of its values validated apart from all others; SpaceError with all mistakes."""
    with Mistakes() as mistakes:
        with mistakes.apart():
            header = _header(root)
        with mistakes.apart():
            base = settings(node, "base") if (node := root.get("base")) else {}
        with mistakes.apart():
            dimensions = _dimensions(root)
        with mistakes.apart():
            given = _items(root, "cases", "[{K: 1, lr: 1e-3}]")
            cases = each(lambda node: settings(node, "cases"), given)
        with mistakes.apart():
            entries = _items(root, "exclude", "[{objective: elbo, K: 1}]")
            exclude = each(lambda node: condition(node, "exclude"), entries)
        with mistakes.apart():
            seeds = _seeds(node) if (node := root.get("seeds")) else (0,)
    return SearchSpace(
        name=header.name,
        base=base,
        space=dimensions,
        cases=tuple(cases) or ({},),
        exclude=tuple(exclude),
        seeds=seeds,
        statistic=header.statistic,
        search=header.search,
        scheduler=header.scheduler,
        resources=header.resources,
        version=header.version,
        text=text,
        replaced=replaced,
        positions=root,
    )


def _written(root: YamlNode, mistakes: Mistakes) -> YamlNode:
    """The tree without empty sections: a key is left over when all below it is commented out.

    A top-level key of another program is noted among the mistakes, and what it holds is read on as our section, so that
    the errors in it are told at the same time.
    """
    given = root.mapping("a search space", "{name: grid, base: {data: mnist}}")
    sections, marks = {key: node for key, node in given.items() if node.value is not None}, dict(root.keys)
    for key, node in list(sections.items()):
        if key not in Header.model_fields and (fix := foreign.instead(key, node)):
            mistakes.add(marks[key].error(f"{key} must be said in words of a search space: {fix}"))
            name, held = foreign.section(key, sections.pop(key)) or ("", node)
            if name and name not in sections and held.value is not None:
                sections[name], marks[name] = held, marks[key]
            del marks[key]
    return YamlNode(root.mark, sections, marks)


def _header(root: YamlNode) -> Header:
    with Mistakes() as mistakes:
        with mistakes.apart():
            check_keys(root, Header.model_fields)
        for name, model in SECTIONS.items():
            if node := root.get(name):
                with mistakes.apart():
                    check_keys(node, model.model_fields)
        header = validate(Header, root)
        try:
            check_name(header.name)
        except InputError as error:
            raise root.at(("name",)).mark.error(str(error)) from None
    return header


def _items(root: YamlNode, section: str, example: str) -> Sequence[YamlNode]:
    node = root.get(section)
    return node.sequence(section, example) if node else ()


def _dimensions(root: YamlNode) -> Mapping[str, Dimension]:
    node = root.get("space")
    return read_fields(node, "space", "{K: {grid_search: [1, 5]}}", dimension) if node else {}


def _seeds(node: YamlNode) -> Sequence[int]:
    """The seeds; `seeds: 3` means 0, 1 and 2. Those are a range, so that a huge number of them takes no memory."""
    rule = "seeds must be a number of seeds from 1 to 10**9 or a list of distinct seeds"
    if isinstance(node.value, list) and node.value:
        seeds: list[int] = []

        def add(item: YamlNode) -> None:
            seed = setting("seed", item)
            if seed in seeds:
                raise item.mark.error(f"{rule}, but got {seed} twice: remove one of the two")
            seeds.append(seed)

        each(add, node.value)
        return range(len(seeds)) if seeds == [*range(len(seeds))] else tuple(seeds)
    if type(node.value) is not int or not 1 <= node.value <= 10**9:
        raise node.mark.error(f"{rule}, but got {shown(node)}: write 3, or [0, 1, 2]")
    return range(node.value)


def _check_one_place(space: SearchSpace) -> None:
    def check(path: tuple[int, str]) -> None:
        case, name = path
        if name in space.space:
            raise space.mark("cases", case, name).error(
                f"a field must vary in one place, but {name} is in cases and in space: remove it from one of the two"
            )

    each(check, ((number, name) for number, case in enumerate(space.cases) for name in case))


def _check_algorithm(space: SearchSpace) -> None:
    search = space.search
    if search.algorithm != "grid" and search.num_samples is None:
        raise space.mark("search").error(
            f"search.num_samples is required for algorithm {search.algorithm}, but is missing: "
            "add num_samples, such as 40"
        )
    if search.algorithm != "grid":
        return
    if search.num_samples is not None:
        raise space.mark("search", "num_samples").error(
            "search.num_samples must be left out for algorithm grid, but got "
            f"{search.num_samples}: remove it, or set algorithm: "
            f"{' or '.join(name for name in SAMPLERS if name != 'grid')}"
        )

    def check(dimension: Dimension) -> None:
        if not isinstance(dimension.domain, Grid):
            raise space.mark("space", dimension.field).error(
                f"{dimension.field} must be a constant or grid_search for algorithm grid, but is drawn from a "
                "distribution: set search: {algorithm: random, num_samples: 40}"
            )

    each(check, space.space.values())


def _check_comparable(space: SearchSpace, section: str) -> None:
    """SpaceError unless a search or scheduler that compares cells can do so fairly.

    It must compare one bound, with one number of samples, of the same held-out images, and never of test images.
    """
    metric, mark = space.statistic.metric, space.mark(section)
    rule = f"a {section} that chooses must compare cells by one bound of the same held-out images"
    if metric not in VALIDATION_METRICS:
        raise mark.error(
            f"{rule}, but statistic.metric is {metric}: set it to val_iwae, say, and validation_images in base"
        )
    if metric == "val_objective" and (found := _values(space, "objective")) != 1:
        raise space.mark("statistic", "metric").error(
            f"{rule}, but val_objective is one of {found} bounds here: choose val_iwae, say"
        )
    for field in ("eval_k", *fields_of("data")):
        if (found := _values(space, field)) != 1:
            raise mark.error(f"{rule}, but {field} has {found} values here: set {field} in base")
    if space.adaptive and space.statistic.last > (epochs := space.cells[0].epochs):
        raise mark.error(
            f"a search must have the epochs of its statistic, but statistic.last is {space.statistic.last} and epochs "
            f"{epochs}: lower statistic.last"
        )


def _check_alone(space: SearchSpace) -> None:
    """SpaceError if `resources.alone`, one trial at a time, goes with something that needs several at a time."""
    pack, algorithm = space.resources.pack, space.search.algorithm
    for needed, got, apart in (
        ("resources.pack 1 or auto", f"resources.pack {pack}", pack not in (1, "auto")),
        ("no scheduler", "a scheduler", space.scheduler),
        ("a search that draws all cells at once", f"algorithm {algorithm}", space.adaptive),
    ):
        if apart:
            raise space.mark("resources", "alone").error(
                f"resources.alone must go with {needed}, but got {got}: remove one of the two"
            )


def _check_grace(space: SearchSpace) -> None:
    """SpaceError if the scheduler never stops a cell. Only for users' files: older stored ones may have been run so."""
    scheduler, epochs = space.scheduler, space.cells[0].epochs
    if scheduler and scheduler.grace_epochs >= epochs:
        fix = f"set it to at most {epochs - 1}" if epochs > 1 else "raise epochs"
        raise space.mark("scheduler", "grace_epochs").error(
            "scheduler.grace_epochs must be below epochs, or no cell is ever stopped, but got "
            f"{scheduler.grace_epochs} and epochs {epochs}: {fix}, or remove scheduler"
        )


def _values(space: SearchSpace, field: str) -> int:
    return len({getattr(cell, field) for cell in space.cells})


def _check_size(space: SearchSpace, max_trials: int, mark: Mark) -> None:
    if (size := space.size()) > max_trials:
        raise mark.error(
            f"the search space would be {size} trials, more than the limit of {max_trials}: "
            "shrink it or raise --max-trials"
        )


def parse_stored(text: str, source_name: str) -> SearchSpace | None:
    """The search space in the text that a manifest keeps, of any size.

    None if the text is empty, since the sweep was not run from a file, or breaks a rule of this version.
    """
    try:
        return parse(text, source_name, sys.maxsize)
    except InputError:
        return None
