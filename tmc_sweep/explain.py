"""Pydantic's errors as our sentences: the rule, what came, and the fix.

Pydantic checks values; this module words what it finds, so that no rule is written twice. `explain` is used wherever a
pydantic model is filled from what a user wrote: a search space, `--set`, a configuration in Python.

What a value must be follows from its field's type and constraints: `int` with `ge=1` gives "a positive integer". Where
these do not say all, `json_schema_extra` of the field does, in words that follow "must be": `rule` replaces the derived
text, `hint` follows it, and `of` names what a number counts, as in "a positive number of seconds".
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

_UNKNOWN_KEY = ("extra_forbidden", "invalid_key")  # pydantic's types of error; the second is for a key that is no text
_BROKEN = "broken_rule"  # the type of what our own validators raise
_BOUNDS = ("ge", "gt", "le", "lt")
_WRITTEN = {10**9: "10**9", 2**63 - 1: "2**63 - 1"}  # numbers whose digits nobody would count


_ELSEWHERE = {  # words of other programs for the same thing: W&B, Katib, Hydra, Ray Tune
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
    """An annotation for a field whose value is one of some words: `Annotated[str, OneOf(METRICS)]`.

    `typing.Literal` does this for words that are written in the source; these may be computed. With a `pattern`,
    whatever it matches as a whole is valid, and `others` says in words what that is besides the listed ones.
    """

    words: tuple[str, ...]
    others: str = ""
    pattern: str = ""

    @property
    def rule(self) -> str:
        """What a value must be, in words that follow "must be"."""
        return f"one of {', '.join(self.words)}{f', or {self.others}' if self.others else ''}"

    def __get_pydantic_core_schema__(self, _: object, __: object) -> CoreSchema:
        """Pydantic's schema: a text that is one of the words, or that the pattern matches."""
        return (
            core_schema.str_schema(pattern=self.pattern) if self.pattern else core_schema.literal_schema([*self.words])
        )


def broken(sentence: str, field: str = "") -> PydanticCustomError:
    """The exception for a validator of a pydantic model to raise; `sentence` has the rule, what came, and the fix.

    `field` names the value that the sentence is about, where the validator looks at several: the error then points at
    that value's line in the file.
    """
    return PydanticCustomError(_BROKEN, "{sentence}", {"sentence": sentence, "field": field})


def path_of(error: ErrorDetails) -> tuple[int | str, ...]:
    """The keys and indices that lead to the value that an error is about, such as ("space", "K", 2)."""
    field = error["ctx"]["field"] if error["type"] == _BROKEN else ""
    return (*error["loc"], field) if field else error["loc"]


def missing_key(error: ErrorDetails) -> str:
    """The key that is required and missing, if the error is about one, else ""."""
    return str(error["loc"][-1]) if error["type"] == "missing" else ""


def did_you_mean(got: object, known: Iterable[object]) -> str:
    """The end of a sentence, `: did you mean 'x'?`, or "" if no known word is near.

    A word that another program uses for the same thing is near whatever its letters: `maximize` means `max`.
    """
    words = [str(word) for word in known]
    same = [_ELSEWHERE[str(got)]] if _ELSEWHERE.get(str(got)) in words else []
    near = same or difflib.get_close_matches(str(got), words, n=1)
    return f": did you mean {near[0]!r}?" if near else ""


def telling(invalid: ValidationError) -> list[ErrorDetails]:
    """Those of pydantic's errors that a user should be told, unknown keys first.

    Left out is what follows from another error: a required key that is missing because it was misspelt, and a default
    that could not be derived because the value that it follows from is wrong.
    """
    errors = [error for error in invalid.errors() if error["input"] is not PydanticUndefined]
    errors.sort(key=lambda error: error["type"] not in _UNKNOWN_KEY)
    unknown = [error["loc"][-1] for error in errors if error["type"] in _UNKNOWN_KEY]
    return [error for error in errors if not (missing := missing_key(error)) or not did_you_mean(missing, unknown)]


def explain(model: type[BaseModel], error: ErrorDetails) -> str:
    """The sentence for one of pydantic's errors about a value of this model: rule, got, fix."""
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
    """What a value of this field must be, in words that follow "must be", such as "a positive integer"."""
    known: Mapping[str, Any] = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    text = known.get("rule") or _by_constraints(info, f" of {known['of']}" if "of" in known else "")
    return ", ".join(filter(None, (text, known.get("hint"))))


def choices(info: FieldInfo) -> tuple[str, ...]:
    """The words that a value of this field may be; none if it is a number or free text."""
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
    """The rule of an integer from `ge` to `le`, both included: "a positive integer", "an integer from 1 to 64"."""
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
