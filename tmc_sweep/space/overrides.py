"""Values of `--set` in place of a file's: `epochs=10`, `seeds=1`, `name=trial-run`, `resources.cpu=2`.

The file's tree is changed, and written out again as the text that is stored with the sweep, so that a stored search
space says what was run. A field of a trial becomes a constant of `base`, even if the file searches it or gives it in
cases. Exclusions and conditional dimensions that ask for another value of it could never apply any more, and go.
"""

from collections.abc import Iterator, Sequence

from tmc_sweep.config import TrialConfig
from tmc_sweep.errors import InputError
from tmc_sweep.space.fields import check_key, condition, setting
from tmc_sweep.space.mistakes import Mark, SpaceError
from tmc_sweep.space.schema import SECTIONS
from tmc_sweep.space.source import YamlNode, document, flow, shown, tree

_FIELDS = tuple(name for name in TrialConfig.model_fields if name != "seed")
_TOP_LEVEL = ("seeds", "name")
_NESTED = tuple(f"{section}.{name}" for section, model in SECTIONS.items() for name in model.model_fields)


def overridden(root: YamlNode, text: str, assignments: Sequence[str]) -> tuple[YamlNode, str, tuple[str, ...]]:
    """The file's tree and text with the assigned values in them, and a sentence for each search that one replaces.

    SpaceError or InputError if an assignment is not `field=value`, names no field, or has no value.
    """
    if not assignments:
        return root, text, ()
    values = dict(map(_assignment, assignments))  # of several for one field, the last
    replaced = tuple(sentence for key in values if key in _FIELDS for sentence in _searched(root, key, values[key]))
    for key, value in values.items():
        root = _with(root, key, value)
    options = " ".join(f"--set {key}={flow(value)}" for key, value in values.items())
    return root, f"# {options}\n{document(root)}", replaced


def _assignment(text: str) -> tuple[str, YamlNode]:
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or value[:1] in ("", "#"):
        raise InputError(f"--set must be field=value, such as epochs=10, but got {text!r:.80}: write it so")
    mark = Mark(f"--set {text:.60}", 0, 0)
    check_key(key, mark, (*_FIELDS, *_TOP_LEVEL, *_NESTED))
    try:
        node = tree(value, "")
    except SpaceError as error:
        raise mark.error(error.sentence) from None
    if node.value is None:
        raise mark.error(f"{key} must have a value, but got null: write one")
    return key, _moved(node, mark)


def _moved(node: YamlNode, mark: Mark) -> YamlNode:
    """A node with the same value, of which every part stands at this mark."""
    match node.value:
        case dict(mapping):
            return YamlNode(
                mark, {key: _moved(item, mark) for key, item in mapping.items()}, dict.fromkeys(mapping, mark)
            )
        case list(items):
            return YamlNode(mark, [_moved(item, mark) for item in items])
        case scalar:
            return YamlNode(mark, scalar)


def _searched(root: YamlNode, field: str, value: YamlNode) -> Iterator[str]:
    dimension = space.get(field) if (space := root.get("space")) else None
    if dimension and isinstance(dimension.value, dict):
        yield f"--set {field}={flow(value)} replaces {shown(dimension)}"
    if any(case.get(field) for case in _cases(root)):
        yield f"--set {field}={flow(value)} replaces its values in cases"


def _cases(root: YamlNode) -> Sequence[YamlNode]:
    node = root.get("cases")
    return node.value if node and isinstance(node.value, list) else ()


def _with(root: YamlNode, key: str, value: YamlNode) -> YamlNode:
    if key in _TOP_LEVEL:
        return _put(root, key, value)
    section, _, name = key.rpartition(".")
    if section:
        return _put(root, section, _put(_section(root, section, value.mark), name, value))
    root = _applicable(_without_cases_of(root, name), name, value)
    return _put(root, "base", _put(_section(root, "base", value.mark), name, value))


def _applicable(root: YamlNode, field: str, value: YamlNode) -> YamlNode:
    """The tree without the field's dimension, and without what never applies once the field has this value."""
    if (space := root.get("space")) and isinstance(space.value, dict):
        for name, dimension in space.value.items():
            if name == field or _asks_otherwise(dimension.get("when"), "when", field, value):
                space = _drop(space, name)
        root = _put(root, "space", space) if space.value else _drop(root, "space")
    if (exclude := root.get("exclude")) and isinstance(exclude.value, list):
        left = [entry for entry in exclude.value if not _asks_otherwise(entry, "exclude", field, value)]
        root = _put(root, "exclude", YamlNode(exclude.mark, left)) if left else _drop(root, "exclude")
    return root


def _asks_otherwise(node: YamlNode | None, section: str, field: str, value: YamlNode) -> bool:
    if node is None or field not in (wanted := condition(node, section).wanted):
        return False
    return setting(field, value) not in wanted[field]


def _section(root: YamlNode, section: str, mark: Mark) -> YamlNode:
    node = root.get(section) or YamlNode(mark, {})
    node.mapping(section, "{data: mnist, K: 20}" if section == "base" else "{cpu: 1}")
    return node


def _without_cases_of(root: YamlNode, field: str) -> YamlNode:
    """The tree whose cases lack the field; of cases that are then the same, the first is kept."""
    cases = _cases(root)
    if not any(case.get(field) for case in cases):
        return root
    left: dict[str, YamlNode] = {}
    for case in cases:
        rest = _drop(case, field)
        left.setdefault(flow(rest), rest)
    return (
        _drop(root, "cases") if list(left) == ["{}"] else _put(root, "cases", YamlNode(cases[0].mark, [*left.values()]))
    )


def _put(node: YamlNode, key: str, value: YamlNode) -> YamlNode:
    mapping = node.value if isinstance(node.value, dict) else {}
    return YamlNode(node.mark, {**mapping, key: value}, {key: value.mark, **node.keys})


def _drop(node: YamlNode, key: str) -> YamlNode:
    if not isinstance(node.value, dict):
        return node
    keys = {name: mark for name, mark in node.keys.items() if name != key}
    return YamlNode(node.mark, {name: value for name, value in node.value.items() if name != key}, keys)
