"""Sealed JSON files: the manifest and the index of a copy, each with a format version and its own SHA-256.

`dump` and `parse` are for any dataclass of pydantic's that has a field `format_version`.
"""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from tmc_sweep.store.seal import PLACEHOLDER, check_version, damaged, is_sealed, sealed

_MARK = b'"sha256": "'  # no text in the file can hold it: quotes inside of a JSON string are escaped
Kind = TypeVar("Kind")


def dump(value: Any, kind: TypeAdapter[Any]) -> bytes:
    """The bytes of a file that holds `value`, which is of the type that `kind` adapts."""
    fields = {**kind.dump_python(value, mode="json"), "sha256": PLACEHOLDER}
    return sealed(json.dumps(fields, indent=2).encode(), _MARK)


def parse(path: Path, content: bytes, kind: TypeAdapter[Kind], newest: int) -> Kind:
    """The value that the bytes of the file `path` hold, checked against the types of `kind` and against its seal.

    DamagedError if it is not such a file, or not as it was written; NewerError if its version is above `newest`.
    """
    try:
        fields = from_json(content)
        if isinstance(fields, dict) and type(version := fields.get("format_version")) is int:
            check_version(path, version, newest)
            del fields["sha256"]
        value = kind.validate_json(to_json(fields), strict=True)
    except (ValueError, KeyError) as error:
        raise damaged(path, f"it is damaged ({_first(error)})") from error
    if not is_sealed(content, _MARK):
        raise damaged(path, "it is damaged (its SHA-256 is not the one it carries)")
    return value


def _first(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return " ".join(str(error).split())
    found = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, found['loc']))}: {found['msg']}".removeprefix(": ")
