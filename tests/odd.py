"""Stored files whose seal is right and whose content is odd: what a crafted copy, or a bug of a later day, may hold."""

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
from safetensors.numpy import load, save

from tmc_sweep.paths import SweepPaths
from tmc_sweep.store import manifest
from tmc_sweep.store.parquet import to_parquet
from tmc_sweep.store.seal import sealed

NUMBERS: list[Any] = [-1, 0, 7, 2**31, 2**62, -(2**63), None]
FLOATS: list[Any] = [-1.0, 0.0, 1e-320, 1e308, -1e308, float("nan"), float("inf"), float("-inf"), None]
TEXTS: list[Any] = ["", "x", "../../x", "/etc/passwd", "\x1b[31m", "‮", "=1+1", "[[", "{}", "a" * 5000, "\n\n", None]
TIMES = ["9999-01-01T00:00:00+00:00", "0001-01-01T00:00:00+23:00", "2025-01-01T00:00:00"]
LARGE = [2**63, 10**30, 10**400]
OBJECTS: list[Any] = [*NUMBERS, *LARGE, *FLOATS, *TEXTS, *TIMES, True, [], {}, [[]], [None], {"a": {}}, [1, "2"]]
DEEP = "[" * 100_000


def table(path: Path, sweep_id: str, chance: random.Random) -> str:
    """One value of a table is another of its type; or a column is of another type, or gone."""
    import pyarrow.parquet as pq

    stored = pq.read_table(path).replace_schema_metadata(None)
    name, row = chance.choice(stored.column_names), chance.randrange(max(1, stored.num_rows))
    position, column = stored.column_names.index(name), stored[name]
    way = chance.choice(["value", "value", "value", "type", "gone", "twice", "none"])
    if way == "value" and stored.num_rows:
        values = column.to_pylist()
        values[row] = odd = _odd(column.type, chance)
        stored = stored.set_column(position, name, _array(values, column.type))
        way = f"{name}[{row}] = {odd!r:.30}"
    elif way == "type":
        stored = stored.set_column(position, name, pa.array([chance.choice(["a", b"a", 1.5, [1]])] * stored.num_rows))
    elif way == "gone":
        stored = stored.remove_column(position)
    elif way == "twice":
        stored = pa.concat_tables([stored, stored.slice(row, 1)])
    else:
        stored = stored.slice(0, 0)
    path.write_bytes(to_parquet(stored, sweep_id))
    return f"{path.name} {name} {way}"


def _array(values: list[Any], dtype: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(dtype):
        return pa.array(
            [value if value is None or isinstance(value, int) else round(value.timestamp() * 1e6) for value in values],
            pa.int64(),
        ).cast(dtype)
    return pa.array(values, dtype)


def _odd(dtype: pa.DataType, chance: random.Random) -> Any:
    if pa.types.is_boolean(dtype):
        return chance.choice([True, False, None])
    if pa.types.is_binary(dtype):
        return chance.choice([b"", b"\xff" * 9, None])
    of_type = FLOATS if pa.types.is_floating(dtype) else TEXTS if pa.types.is_string(dtype) else NUMBERS
    return chance.choice(of_type)


def json_file(path: Path, chance: random.Random) -> str:
    """One value of a sealed JSON file is another, of any type."""
    fields = json.loads(path.read_bytes())
    del fields["sha256"]
    what = _change(fields, chance)
    text = json.dumps({**fields, "sha256": "0" * 64}, indent=2)
    if chance.random() < 0.1:
        text, what = text.replace('"packs": ', f'"packs": {DEEP}, "q": '), "deep"
    path.write_bytes(sealed(text.encode(), b'"sha256": "'))
    return f"{path.name} {what}"


def _change(value: Any, chance: random.Random) -> str:
    """Of a mapping or list, at any depth."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not keys:
        return "nothing"
    key = chance.choice(keys)
    if isinstance(value[key], dict | list) and value[key] and chance.random() < 0.6:
        return f"{key}.{_change(value[key], chance)}"
    odd = chance.choice(OBJECTS)
    if chance.random() < 0.15 and isinstance(value, dict):
        del value[key]
        return f"no {key}"
    value[key] = odd
    return f"{key} = {odd!r:.30}"


def checkpoint(path: Path, chance: random.Random) -> str:
    """What a checkpoint states, or one of its tensors, is another; its name has the hash of what it holds."""
    payload = path.read_bytes()
    length = int.from_bytes(payload[:8], "little")
    metadata = json.loads(payload[8 : 8 + length])["__metadata__"]
    tensors = load(payload)
    way = chance.choice(["history", "history", "metadata", "tensor", "garbage"])
    if way == "history":
        history = json.loads(metadata["history"])
        way = f"history {_change(history, chance)}" if history else way
        metadata["history"] = DEEP if chance.random() < 0.1 else json.dumps(history)
    elif way == "metadata":
        key = chance.choice(list(metadata))
        metadata[key] = str(chance.choice(OBJECTS))
        way = f"{key} = {metadata[key]:.30}"
    elif way == "tensor":
        key = chance.choice(list(tensors))
        if chance.random() < 0.5:
            del tensors[key]
        else:
            tensors[key] = tensors[key].astype("float64").reshape(-1)[:1]
        way = f"tensor {key}"
    content = chance.randbytes(100) if way == "garbage" else save(tensors, metadata)
    path.unlink()
    renamed = path.with_name(f"{path.stem[:12]}-{hashlib.sha256(content).hexdigest()[:16]}.safetensors")
    renamed.write_bytes(content)
    return f"{renamed.name} {way}"


def change(paths: SweepPaths, chance: random.Random) -> str:
    """Change one file of a stored sweep; what was changed."""
    sweep_id = manifest.read_manifest(paths).sweep_id
    tables = [path for path in (paths.part(0), *paths.tables) if path.exists()]
    checkpoints = sorted(paths.checkpoints.rglob("*.safetensors"))
    kind = chance.choice(["table", "table", "manifest", "checkpoint"])
    if kind == "table":
        return table(chance.choice(tables), sweep_id, chance)
    return json_file(paths.manifest, chance) if kind == "manifest" else checkpoint(chance.choice(checkpoints), chance)
