"""Pydantic's errors as our sentences: rule, got, fix.

What a value must be follows from its field's type and constraints. Where these do not say all, `json_schema_extra`
does, in words that follow "must be": `rule` in place of them, `hint` after them, `of` after a number.
"""

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, PydanticUndefined, core_schema

from tmc_sweep.text import quoted, shortened

_UNKNOWN_KEY = ("extra_forbidden", "invalid_key")  # the latter is no text
_BROKEN = "broken_rule"
_BOUNDS = ("ge", "gt", "le", "lt")
_WRITTEN = {10**9: "10**9", 2**63 - 1: "2**63 - 1"}


_ELSEWHERE = {  # words of other programs' sweeps
    **dict.fromkeys(("type", "method", "algorithmName"), "algorithm"),
    **dict.fromkeys(("max_epochs", "num_epochs"), "epochs"),
    "learning_rate": "lr",
    "dataset": "data",
    "samples": "num_samples",
    "min_iter": "grace_epochs",
    "eta": "reduction",
    "name": "metric",
    "goal": "mode",
    "maximize": "max",
    "minimize": "min",
    "bayes": "tpe",
    "hyperband": "asha",
}


@dataclass(frozen=True)
class OneOf:
    """What `Literal` is, of words that are only known when the program runs: `Annotated[str, OneOf(METRICS)]`.

    With a `pattern` all that it matches is valid: the words, and others, which are told in words of their own.
    """

    words: tuple[str, ...]
    others: str = ""
    pattern: str = ""

    @property
    def rule(self) -> str:
        """What a value must be, worded to follow "must be"."""
        return f"one of {', '.join(self.words)}{f', or {self.others}' if self.others else ''}"

    def __get_pydantic_core_schema__(self, _: object, __: object) -> CoreSchema:
        """Only these words are valid, or what the pattern matches."""
        return (
            core_schema.str_schema(pattern=self.pattern) if self.pattern else core_schema.literal_schema([*self.words])
        )


def broken(sentence: str, field: str = "") -> PydanticCustomError:
    """What a validator raises: its rule, what it got and the fix in one sentence.

    `field` names the value that the sentence is about, where the validator looks at several.
    """
    return PydanticCustomError(_BROKEN, "{sentence}", {"sentence": sentence, "field": field})


def path_of(error: ErrorDetails) -> tuple[int | str, ...]:
    """Keys and indices that lead to the value that an error is about."""
    field = error["ctx"]["field"] if error["type"] == _BROKEN else ""
    return (*error["loc"], field) if field else error["loc"]


def missing_key(error: ErrorDetails) -> str:
    """The key that is not there, if that is what an error is about, else ""."""
    return str(error["loc"][-1]) if error["type"] == "missing" else ""


def did_you_mean(got: object, known: Iterable[object]) -> str:
    """`: did you mean 'x'?` for the nearest known word, or the one that other programs call so, or nothing."""
    words = [str(word) for word in known]
    same = [_ELSEWHERE[str(got)]] if _ELSEWHERE.get(str(got)) in words else []
    near = same or difflib.get_close_matches(str(got), words, n=1)
    return f": did you mean {near[0]!r}?" if near else ""


def telling(invalid: ValidationError) -> list[ErrorDetails]:
    """Pydantic's errors, unknown keys first.

    Less what is missing where one of these is probably meant for it, and defaults that follow from what is wrong.
    """
    errors = [error for error in invalid.errors() if error["input"] is not PydanticUndefined]
    errors.sort(key=lambda error: error["type"] not in _UNKNOWN_KEY)
    unknown = [error["loc"][-1] for error in errors if error["type"] in _UNKNOWN_KEY]
    return [error for error in errors if not (missing := missing_key(error)) or not did_you_mean(missing, unknown)]


def explain(model: type[BaseModel], error: ErrorDetails) -> str:
    """One sentence for one of pydantic's errors: rule, got, fix."""
    loc = [str(part) for part in error["loc"] if isinstance(part, str) or error["type"] == "invalid_key"]
    where = ".".join(loc)
    if error["type"] == _BROKEN:
        return str(error["ctx"]["sentence"])
    owner, field = _owner(model, loc)
    if error["type"] in _UNKNOWN_KEY:
        known = list(owner.model_fields)
        return f"{where} is not a known key{did_you_mean(loc[-1], known) or ': the known ones are ' + ', '.join(known)}"
    if missing_key(error):
        return f"{where} is required, but is missing: add it"
    info = owner.model_fields.get(field) or FieldInfo()
    near = did_you_mean(error["input"], choices(info))
    return f"{where} must be {rule_of(info) or error['msg']}, but got {shortened(quoted(error['input']))}{near}"


def rule_of(info: FieldInfo) -> str:
    """What a value of this field must be, worded to follow "must be"."""
    known: Mapping[str, Any] = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    text = known.get("rule") or _by_constraints(info, f" of {known['of']}" if "of" in known else "")
    return ", ".join(filter(None, (text, known.get("hint"))))


def choices(info: FieldInfo) -> tuple[str, ...]:
    """The words that a value of this field is one of; empty if it is no word."""
    found = _one_of(info)
    return found.words if found else ()


def _one_of(info: FieldInfo) -> OneOf | None:
    if get_origin(info.annotation) is Literal:
        return OneOf(get_args(info.annotation))
    return next((each for each in info.metadata if isinstance(each, OneOf)), None)


def bounds(info: FieldInfo) -> dict[str, Any]:
    """A field's constraints of ge, gt, le and lt, by name."""
    return {name: getattr(each, name) for each in info.metadata for name in _BOUNDS if hasattr(each, name)}


def _by_constraints(info: FieldInfo, of: str) -> str:
    if found := _one_of(info):
        return found.rule
    kinds = {*get_args(info.annotation)} - {NoneType} or {info.annotation}
    if kinds == {bool}:
        return "true or false"
    if kinds == {int}:
        return integer(**bounds(info))
    return _number(of, **bounds(info)) if kinds == {float} else ""


def integer(ge: int, le: int | None = None) -> str:
    """The rule of an integer from `ge` to `le`."""
    if le is None:
        return "a positive integer" if ge == 1 else f"an integer from {ge} up"
    return str(le) if ge == le else f"an integer from {ge} to {_WRITTEN.get(le, le)}"


def _number(of: str, gt: float = -math.inf, ge: float = -math.inf, lt: float = math.inf, le: float = math.inf) -> str:
    text = f"a positive number{of}" if gt == 0 else f"a number{of}{f' above {gt:g}' if gt > -math.inf else ''}"
    text += f" up to {le:g}" if le < math.inf else f" below {lt:g}" if lt < math.inf else ""
    return f"{text}, {ge:g} or more" if ge > -math.inf else text


def _owner(model: type[BaseModel], loc: list[str]) -> tuple[type[BaseModel], str]:
    for part in loc[:-1]:
        annotation = model.model_fields[part].annotation
        for possible in (annotation, *get_args(annotation)):
            if isinstance(possible, type) and issubclass(possible, BaseModel):
                model = possible
    return model, loc[-1] if loc else ""
