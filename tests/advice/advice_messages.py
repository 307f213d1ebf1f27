"""Every sentence of the package that advises something, found in its sources: rule, got and a fix after a colon."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import tmc_sweep

ROOT = Path(tmc_sweep.__file__).parent
_ADVISES = re.compile(
    r"^(: |remove |write |call )\S|\b(must|needs?|cannot|required|but|belong)\b.*(: |; )\S|tmc-sweep [a-z]+|run again"
    r"|the same command|known ones are",
    re.DOTALL,
)
_HOLE = "\0"


class Message(NamedTuple):
    """One sentence: what it says around what is filled in."""

    file: str
    template: str

    @property
    def key(self) -> str:
        """Its file and its longest constant stretch, which names it in the catalogue."""
        return f"{self.file}: {max(self.template.split(_HOLE), key=len).strip()[:60]}"

    def says(self, text: str) -> bool:
        """Whether this text is, or holds, the sentence filled in."""
        pattern = ".*".join(map(re.escape, self.template.split(_HOLE)))
        return re.search(pattern, text, re.S) is not None


def messages(root: Path = ROOT) -> Iterator[Message]:
    """All of them; docstrings and options' help advise nothing."""
    for path in sorted(root.rglob("*.py")):
        yield from messages_in(str(path.relative_to(root)), path.read_text())


def messages_in(file: str, source: str) -> Iterator[Message]:
    """Those of one source."""
    tree = ast.parse(source)
    left_out = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    left_out |= {
        id(word.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for word in node.keywords
        if word.arg == "help"
    }
    left_out |= {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr | ast.FormattedValue)
        for part in ast.walk(node)
        if part is not node
    }
    for node in ast.walk(tree):
        if id(node) not in left_out and (template := _template(node)) and _ADVISES.search(template):
            yield Message(file, template)


def _template(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_template(part) or _HOLE for part in parts)
    return ""


MESSAGES = tuple(messages())


def found(words: str) -> Message:
    """The one message with these words; of FILE:WORDS the one in this file that is just that, {} what is filled in."""
    file, colon, rest = words.partition(".py:")
    if not colon:
        file, rest = "", words
    some = [each for each in MESSAGES if each.file.startswith(file) and rest in each.template.replace(_HOLE, "{}")]
    exact = [each for each in some if rest == each.template.replace(_HOLE, "{}")]
    some = exact or some
    if len(some) != 1:
        raise LookupError(f"{words!r} are in {[each.key for each in some]}")
    return some[0]
