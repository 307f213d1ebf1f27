"""A YAML file as a tree of nodes that know where they stand, and such a tree as YAML again.

`read` gives a file's text, `tree` its nodes, and `document` and `flow` write nodes as YAML.

Scalars follow YAML 1.2's core schema, so `1e-3` is a number and `yes` is not a truth value. What reads differently
under YAML 1.1 (`no`, `010`, `12:30`) is refused, as is all that a search space has no use for: anchors, aliases, merge
keys, tags, directives and further documents. ruamel.yaml parses the text into events, which are read one at a time
under limits of number, length and depth: a text that would unfold to gigabytes is refused before it does.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    CollectionStartEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from tmc_sweep import input_file
from tmc_sweep.space.mistakes import Mark, Mistakes, SpaceError
from tmc_sweep.text import quoted, shortened

MAX_BYTES = 256 * 1024
MAX_VALUES = 10_000
MAX_CHARACTERS = 1_000  # of one key or value
MAX_DEPTH = 20

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_LINE_BREAK = re.compile("\r\n|\r|\n")
_DIRECTIVE = re.compile(r"^%", re.MULTILINE)

_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBERS: tuple[tuple[str, Callable[[str], int | float]], ...] = (
    (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", lambda text: int(text, 0)),
    (r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", float),
    (r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", lambda text: float(text.replace(".", ""))),
)
_YES_OR_NO = re.compile(r"yes|no|on|off", re.IGNORECASE)
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

Scalar = None | bool | int | float | str
Place = tuple[int | str, ...]  # a path of keys and indices


@dataclass(frozen=True)
class YamlNode:
    """A value of a YAML tree, and where it stands in the file.

    `value` is a scalar, a list of nodes, or a mapping of words to nodes; `keys` has the positions of a mapping's keys.
    """

    mark: Mark
    value: "Scalar | list[YamlNode] | dict[str, YamlNode]"
    keys: dict[str, Mark] = field(default_factory=dict)

    def plain(self) -> object:
        """The value as plain Python: dictionaries, lists and scalars."""
        match self.value:
            case dict():
                return {key: node.plain() for key, node in self.value.items()}
            case list():
                return [node.plain() for node in self.value]
            case scalar:
                return scalar

    def at(self, path: Place) -> "YamlNode":
        """The node at the end of a path of keys and indices, or the last node on the path that is there."""
        match self.value, path:
            case dict(mapping), (str(key), *rest) if key in mapping:
                return mapping[key].at(tuple(rest))
            case list(items), (int(index), *rest) if index < len(items):
                return items[index].at(tuple(rest))
            case _:
                return self

    def get(self, key: str) -> "YamlNode | None":
        """The node at this key; None if there is none, or this is no mapping."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def mapping(self, what: str, example: str) -> "dict[str, YamlNode]":
        """The value as a mapping; SpaceError, in which `what` must be such as `example`, if it is something else."""
        if not isinstance(self.value, dict):
            raise self.mark.error(f"{what} must be a mapping such as {example}, but got {shown(self)}: write it so")
        return self.value

    def sequence(self, what: str, example: str) -> "list[YamlNode]":
        """The value as a list; SpaceError, in which `what` must be such as `example`, if it is something else."""
        if not isinstance(self.value, list):
            raise self.mark.error(f"{what} must be a list such as {example}, but got {shown(self)}: write it so")
        return self.value


def unplaced(value: object) -> YamlNode:
    """A plain value as a tree of nodes that are in no file; TypeError if YAML has no such value."""
    mark = Mark("", 0, 0)
    match value:
        case Mapping():
            return YamlNode(mark, {str(key): unplaced(item) for key, item in value.items()})
        case list():
            return YamlNode(mark, [unplaced(item) for item in value])
        case None | bool() | int() | float() | str():
            return YamlNode(mark, value)
    raise TypeError(f"a search space holds no {type(value).__name__}")


def shown(node: YamlNode) -> str:
    """The node's value on one short line for a message: much as YAML would have it, texts in quotes."""
    return shortened(_line(node, str, quoted))


def document(root: YamlNode) -> str:
    """YAML that reads as this tree: a line for each value of the first two levels, deeper ones on their line."""
    lines: list[str] = []
    for key, node in root.mapping("a search space", "{name: grid}").items():
        match node.value:
            case dict(mapping) if mapping:
                lines += [f"{_text(key)}:", *(f"  {_text(name)}: {flow(value)}" for name, value in mapping.items())]
            case list(items) if items:
                lines += [f"{_text(key)}:", *(f"  - {flow(item)}" for item in items)]
            case _:
                lines.append(f"{_text(key)}: {flow(node)}")
    return "\n".join(lines) + "\n"


def flow(node: YamlNode) -> str:
    """The node's value on one line of YAML (flow style), which reads as this very value."""
    return _line(node, _text, _text)


def _line(node: YamlNode, key: Callable[[str], str], scalar: Callable[[Scalar], str]) -> str:
    match node.value:
        case dict(mapping):
            return f"{{{', '.join(f'{key(name)}: {_line(item, key, scalar)}' for name, item in mapping.items())}}}"
        case list(items):
            return f"[{', '.join(_line(item, key, scalar) for item in items)}]"
        case value:
            return scalar(value)


def _text(value: Scalar) -> str:
    """A scalar that reads as this very value: a text plain where it stays text, else in double quotes."""
    if isinstance(value, str) and _WORD.fullmatch(value) and value not in _WORDS and not _YES_OR_NO.fullmatch(value):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value).replace("inf", ".inf").replace("nan", ".nan")
    return _UNPRINTABLE.sub(lambda found: f"\\U{ord(found[0]):08x}", json.dumps(value, ensure_ascii=False))


def read(path: Path | str) -> str:
    """The text of a UTF-8 file; SpaceError if it cannot be read, has more than 256 KB, or is not UTF-8."""
    try:
        content = input_file.read(Path(path), MAX_BYTES)
    except input_file.TooLargeError:
        raise _too_large(Mark(str(path), 1, 1)) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise SpaceError(path, f"a search space must be a readable file, but got {why!r}: check the path") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        mark = _mark(content[: error.start].decode("utf-8-sig"), str(path))
        raise mark.error(
            f"the file must be UTF-8, but got byte {content[error.start]:#04x}: save it as UTF-8"
        ) from None


def tree(text: str, file: str) -> YamlNode:
    """The tree of the one document in a YAML text; SpaceError, with all mistakes in `file`, if it breaks a rule."""
    with Mistakes() as mistakes:
        return read_tree(text, file, mistakes)


def read_tree(text: str, file: str, mistakes: Mistakes) -> YamlNode:
    """As `tree`, but a value or key that breaks a rule is noted among the mistakes, and read as text."""
    text = text.removeprefix("\ufeff")
    _check_text(text, file)
    events = _events(text, file)
    next(events)  # the stream's start
    event = next(events)
    if not isinstance(event, DocumentStartEvent):
        raise Mark(file, 1, 1).error(
            "a search space must be a mapping with a name, but the file is empty: write `name: ...`"
        )
    root = _Reader(events, file, mistakes).node(next(events), depth=0)
    if not isinstance(next(events), DocumentEndEvent) or isinstance(again := next(events), DocumentStartEvent):
        raise _position(again, file).error("a file must hold one document, but here a second one starts: remove it")
    return root


def _check_text(text: str, file: str) -> None:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise _too_large(Mark(file, 1, 1))
    if found := _UNPRINTABLE.search(text):
        rule = "the text must hold printable characters only"
        raise _mark(text[: found.start()], file).error(f"{rule}, but got {found[0]!a}: remove it")
    if found := _DIRECTIVE.search(text):
        raise _mark(text[: found.start()], file).error("a line must not begin with %, YAML's directives: remove it")


def _too_large(mark: Mark) -> SpaceError:
    return mark.error(f"a search space must be at most {MAX_BYTES} bytes, but the file is larger: shorten it")


def _mark(before: str, file: str) -> Mark:
    """Where the text goes on after `before`."""
    lines = _LINE_BREAK.split(before)
    return Mark(file, len(lines), len(lines[-1]) + 1)


def _position(event: Event, file: str) -> Mark:
    return Mark(file, event.start_mark.line + 1, event.start_mark.column + 1)


def _events(text: str, file: str) -> Iterator[Event]:
    mark = Mark(file, 1, 1)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            mark = _position(event, file)
            yield event
    except MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        mark = Mark(file, at.line + 1, at.column + 1) if at else mark
        raise mark.error(f"the text must be YAML 1.2, but {error.problem}: correct the text here") from None
    except (YAMLError, ValueError, OverflowError) as error:  # the latter from escapes such as "\UFFFFFFFF"
        raise mark.error(f"the text must be YAML 1.2, but after this {error}: correct the text") from None


class _Reader:
    """Makes nodes of parsing events, and counts them."""

    def __init__(self, events: Iterator[Event], file: str, mistakes: Mistakes) -> None:
        self.events = events
        self.file = file
        self.mistakes = mistakes
        self.values = 0

    def node(self, event: Event, depth: int) -> YamlNode:
        mark = _position(event, self.file)
        self._check(event, depth, mark)
        if isinstance(event, MappingStartEvent):
            return self._mapping(mark, depth)
        if isinstance(event, SequenceStartEvent):
            return YamlNode(mark, [self.node(item, depth + 1) for item in self._until(SequenceEndEvent)])
        if isinstance(event, ScalarEvent):
            with self.mistakes.apart():
                return YamlNode(mark, _scalar(event, mark))
            return YamlNode(mark, str(event.value)[:MAX_CHARACTERS])
        self.mistakes.add(mark.error("values must be written out, but got an alias: write the value here"))
        return YamlNode(mark, "")

    def _mapping(self, mark: Mark, depth: int) -> YamlNode:
        mapping: dict[str, YamlNode] = {}
        keys: dict[str, Mark] = {}
        for event in self._until(MappingEndEvent):
            key = self.node(event, depth + 1)
            value = self.node(next(self.events), depth + 1)
            with self.mistakes.apart():
                word = self._word(event, key.mark, keys)
                keys[word], mapping[word] = key.mark, value
        return YamlNode(mark, mapping, keys)

    def _word(self, event: Event, mark: Mark, known: dict[str, Mark]) -> str:
        if not isinstance(event, ScalarEvent):
            raise mark.error("a key must be a word, but got a list or mapping: write `word: value`")
        word = str(event.value)
        if word == "<<":
            raise mark.error("keys must be written out, but got the merge key <<: write them here")
        if word in known:
            raise mark.error(
                f"a key must appear once, but {word:.40} is also on line {known[word].line}: remove one of the two"
            )
        return word

    def _until(self, end: type[Event]) -> Iterator[Event]:
        while not isinstance(event := next(self.events), end):
            yield event

    def _check(self, event: Event, depth: int, mark: Mark) -> None:
        self.values += 1
        if self.values > MAX_VALUES:
            raise mark.error(f"a file must hold at most {MAX_VALUES} keys and values, but here is one more: shorten it")
        if depth > MAX_DEPTH:
            raise mark.error(f"values must be nested at most {MAX_DEPTH} deep, but here is one more level: flatten it")
        if isinstance(event, ScalarEvent | CollectionStartEvent) and (name := event.anchor or event.tag):
            self.mistakes.add(mark.error(f"values must have no anchors or tags, but got {name!s:.40}: remove it"))


def _scalar(event: ScalarEvent, mark: Mark) -> Scalar:
    text = str(event.value)
    if len(text) > MAX_CHARACTERS:
        raise mark.error(f"a value must be at most {MAX_CHARACTERS} characters, but got {len(text)}: shorten it")
    if event.style is not None:  # quoted, or a block of text
        return text
    if _YES_OR_NO.fullmatch(text):
        raise mark.error(
            f"a truth value must be true or false, but got {text}: write true or false, or quote it as text"
        )
    if _LEADING_ZERO.fullmatch(text):
        raise mark.error(f"an integer must have no leading zeros, but got {text}: remove them, or quote it as text")
    if _SEXAGESIMAL.fullmatch(text):
        raise mark.error(f"a number must not have colons, but got {text}: write it in decimals, or quote it as text")
    for pattern, number in _NUMBERS:
        if re.fullmatch(pattern, text):
            return number(text)
    return _WORDS.get(text, text)
