"""Small JSON files of ours, each with a version of its own and its SHA-256: the manifest, and the index of a copy."""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from tmc_sweep.store.seal import PLACEHOLDER, check_version, damaged, is_sealed, sealed

_MARK = b'"sha256": "'  # quotes inside of a JSON string are escaped, so no text holds it
Kind = TypeVar("Kind")


def dump(value: Any, kind: TypeAdapter[Any]) -> bytes:
    """The file that holds `value`, a dataclass with a `format_version`."""
    fields = {**kind.dump_python(value, mode="json"), "sha256": PLACEHOLDER}
    return sealed(json.dumps(fields, indent=2).encode(), _MARK)


def parse(path: Path, content: bytes, kind: TypeAdapter[Kind], newest: int) -> Kind:
    """What the file `path` holds, by the types of `kind`; DamagedError if it is none, StorageError if it is newer."""
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
