"""Pydantic's errors as our sentences: rule, got, fix.

A model's fields state their rule in `json_schema_extra={"rule": ...}`, worded to follow "must be".
"""

import difflib
from collections.abc import Iterable
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticUndefined

_UNKNOWN_KEY = ("extra_forbidden", "invalid_key")  # the latter is no text


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
    return [error for error in errors if error["type"] != "missing" or not did_you_mean(error["loc"][-1], unknown)]


def explain(model: type[BaseModel], error: ErrorDetails) -> str:
    """One sentence for one of pydantic's errors: rule, got, fix."""
    loc = [str(part) for part in error["loc"] if isinstance(part, str) or error["type"] == "invalid_key"]
    where = ".".join(loc)
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    owner, field = _owner(model, loc)
    if error["type"] in _UNKNOWN_KEY:
        known = list(owner.model_fields)
        return f"{where} is not a known key{did_you_mean(loc[-1], known) or ': the known ones are ' + ', '.join(known)}"
    if error["type"] == "missing":
        return f"{where} is required, but is missing: add it"
    extra = owner.model_fields[field].json_schema_extra if field in owner.model_fields else None
    rule = str(extra["rule"]) if isinstance(extra, dict) and "rule" in extra else error["msg"]
    choices = filter(str.isidentifier, rule.removeprefix("one of ").split(", ") if rule.startswith("one of ") else [])
    return f"{where} must be {rule}, but got {_shown(error['input'])}{did_you_mean(error['input'], choices)}"


def _owner(model: type[BaseModel], loc: list[str]) -> tuple[type[BaseModel], str]:
    for part in loc[:-1]:
        annotation = model.model_fields[part].annotation
        for possible in (annotation, *get_args(annotation)):
            if isinstance(possible, type) and issubclass(possible, BaseModel):
                model = possible
    return model, loc[-1] if loc else ""


def _shown(value: object) -> str:
    text = (
        {True: "true", False: "false", None: "null"}[value] if value is None or isinstance(value, bool) else repr(value)
    )
    return text if len(text) <= 80 else text[:77] + "..."
