"""One Parquet file of a table: its schema, made from the declared columns, its encodings, and the checks on reading.

`to_parquet` makes a file's bytes of an Arrow table, `read_table` gives the table back. Each file carries in its
key-value metadata a format version, the id of its sweep, and its own SHA-256 (`seal.py`). Reading checks these, the
columns, their values, and whether the content fits into memory: the file may come from anybody.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import compute

from tmc_sweep.errors import NewerError, StorageError
from tmc_sweep.records import Column
from tmc_sweep.store import files
from tmc_sweep.store.seal import PLACEHOLDER, check_version, damaged, is_sealed, sealed
from tmc_sweep.store.values import refusals

VERSION = 1  # of the format of every table
TYPES = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "binary": pa.binary(),
}
_ENCODINGS = {  # of numbers and times; all others are written as dictionaries
    pa.float64(): "BYTE_STREAM_SPLIT",
    pa.int64(): "DELTA_BINARY_PACKED",
    pa.timestamp("us", tz="UTC"): "DELTA_BINARY_PACKED",
}
_VERSION_KEY, _SWEEP_KEY, _HASH_KEY = "tmc_sweep.format_version", "tmc_sweep.sweep_id", "tmc_sweep.sha256"
_A_VERSION = re.compile("[1-9][0-9]{0,8}")
_MARK = _HASH_KEY.encode() + b"\x18\x40"  # what comes before the hash: its key, and Thrift's head of a 64-byte string


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """The Arrow schema of the declared columns, in their order; to Arrow, any of them may hold nulls."""
    return pa.schema([(column.name, TYPES[column.dtype]) for column in columns])


def to_parquet(table: pa.Table, sweep_id: str) -> bytes:
    """The bytes of a Parquet file of the table, with format version, sweep id and its own hash.

    Columns that are dictionaries in memory are read back as plain ones.
    """
    encodings = {field.name: _ENCODINGS[field.type] for field in table.schema if field.type in _ENCODINGS}
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        table.schema,
        compression="zstd",
        use_dictionary=[name for name in table.column_names if name not in encodings],
        column_encoding=encodings,
        write_statistics=list(encodings),  # those of strings are a fifth of the work, and of hashes say nothing
        write_page_checksum=True,
        store_schema=False,  # it would make readers see our in-memory dictionaries as pandas categories
    ) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({_VERSION_KEY: str(VERSION), _SWEEP_KEY: sweep_id, _HASH_KEY: PLACEHOLDER})
    return sealed(bytes(sink.getvalue()), _MARK)


def rows_to_parquet(rows: Iterable[dict[str, Any]], columns: Sequence[Column], sweep_id: str) -> bytes:
    """The bytes of a Parquet file of these rows, each a mapping by column; otherwise as `to_parquet`."""
    return to_parquet(pa.Table.from_pylist(list(rows), arrow_schema(columns)), sweep_id)


@contextmanager
def opened(
    path: Path,
    columns: Sequence[Column],
    sweep_id: str | None = None,
    as_dictionaries: Sequence[str] = (),
    to_the_bit: bool = False,
) -> Iterator[pq.ParquetFile]:
    """The Parquet file at `path`, which must have these columns, to be read while inside.

    `as_dictionaries` names columns to read as dictionaries. With a `sweep_id` the file must be that sweep's. Then, and
    with `to_the_bit`, its SHA-256 is checked; otherwise only the checksums of the pages that are read.

    DamagedError if it is damaged, another program's or another sweep's; NewerError if a newer version wrote it;
    StorageError if it cannot be read, or would not fit into memory.
    """
    with files.explained("read", path), _whole(path), files.opened(path) as file:
        content = file.read_buffer() if to_the_bit or sweep_id is not None else None
        source = file if content is None else pa.BufferReader(content)
        footer = pq.read_metadata(source)
        sweep = _check_format(path, footer)
        if content is not None and not is_sealed(content.to_pybytes(), _MARK):
            raise damaged(path, "it is damaged (its SHA-256 is not the one it carries)")
        if sweep_id is not None and sweep != sweep_id:
            raise damaged(path, f"it belongs to another sweep ({sweep}, not {sweep_id})")
        stored = footer.schema.to_arrow_schema()
        _check_columns(path, stored, columns)
        encoded = sum(footer.row_group(group).total_byte_size for group in range(footer.num_row_groups))
        _check_size(path, footer.num_rows, max(encoded, 8 * footer.num_rows * footer.num_columns))
        dictionaries = [name for name in as_dictionaries if name in stored.names]
        yield pq.ParquetFile(source, metadata=footer, read_dictionary=dictionaries, page_checksum_verification=True)


def read_table(path: Path, columns: Sequence[Column], sweep_id: str | None = None) -> pa.Table:
    """The whole table in the file, with all declared columns.

    Errors as `opened`, and DamagedError if a column holds a value that it may not have.
    """
    table = read_encoded(path, columns, sweep_id=sweep_id)
    return table.cast(arrow_schema(columns))


def read_if_there(path: Path, columns: Sequence[Column], sweep_id: str | None = None) -> pa.Table:
    """As `read_table`; without a file an empty table with these columns."""
    return read_table(path, columns, sweep_id) if path.exists() else arrow_schema(columns).empty_table()


def read_encoded(
    path: Path, columns: Sequence[Column], names: Sequence[str] | None = None, sweep_id: str | None = None
) -> pa.Table:
    """As `read_table`, or the columns `names` of it, with texts and bytes as dictionaries.

    A configuration's values repeat in every row of a trial: as dictionaries they take a hundredth of the memory.
    """
    wanted = [column for column in columns if names is None or column.name in names]
    texts = [column.name for column in wanted if column.dtype in ("string", "binary")]
    with opened(path, columns, sweep_id, as_dictionaries=texts) as parquet:
        stored = [column for column in wanted if column.name in parquet.schema_arrow.names]
        table = parquet.read(columns=[column.name for column in stored]).replace_schema_metadata(None)
        table = table.unify_dictionaries().combine_chunks()
        table.validate(full=True)
        _check_decoded(path, table.select([name for name in texts if name in table.column_names]))
        for column in stored:
            for refusal in refusals(column, table[column.name]):
                raise damaged(path, f"its column {column.name} {refusal}")
    return completed(table, wanted)


def completed(table: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """The table with all of these columns: one that was declared after it was written holds its `absent` value."""
    for position, column in enumerate(columns):
        if column.name not in table.column_names:
            value = pa.scalar(column.absent, TYPES[column.dtype])
            table = table.add_column(position, column.name, pa.repeat(value, table.num_rows))
    return table


def read_sweep_id(path: Path, columns: Sequence[Column]) -> str:
    """The id of the sweep that the file belongs to, which is checked to the bit; errors as `opened`."""
    with opened(path, columns, to_the_bit=True) as parquet:
        return _stated(parquet.metadata)[_SWEEP_KEY]


def is_whole(content: bytes) -> bool:
    """Whether these bytes are, to the bit, what `to_parquet` once gave."""
    return is_sealed(content, _MARK)


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno:  # the system's error, not Arrow's about the content
            raise
        reason = " ".join(str(error).split())
        raise damaged(path, f"it is damaged ({reason.rstrip('.')})") from error


def _stated(footer: pq.FileMetaData) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in (footer.metadata or {}).items()}


def _check_size(path: Path, rows: int, decoded: int) -> None:
    """StorageError if what is in the file would not fit into half of the memory.

    A small file may hold one value billions of times, or a long text in many rows.
    """
    if decoded > files.MOST_BYTES:
        raise StorageError(
            f"{path} must fit into half of this machine's memory, but its {rows} rows take about "
            f"{decoded / 1e9:.3g} GB: read it on a machine with more, or move it away"
        )


def _check_decoded(path: Path, texts: pa.Table) -> None:
    """`_check_size` of columns of dictionaries with each of their values written out."""
    lengths = [(compute.binary_length(chunk.dictionary).cast(pa.int64()), chunk) for chunk in _chunks(texts)]
    if sum(len(chunk) * (compute.max(words).as_py() or 0) for words, chunk in lengths) > files.MOST_BYTES:
        decoded = sum(compute.sum(words.take(chunk.indices)).as_py() or 0 for words, chunk in lengths)
        _check_size(path, texts.num_rows, decoded)


def _chunks(table: pa.Table) -> list[pa.Array]:
    return [chunk for column in table.columns for chunk in column.chunks]


def _check_format(path: Path, footer: pq.FileMetaData) -> str:
    """The id of the sweep that the file names; DamagedError if it names none, NewerError if its format is newer."""
    stated = _stated(footer)
    version, sweep = stated.get(_VERSION_KEY, ""), stated.get(_SWEEP_KEY, "")
    if not _A_VERSION.fullmatch(version) or not sweep:
        raise damaged(path, "another program wrote it")
    check_version(path, int(version), VERSION)
    return sweep


def _check_columns(path: Path, got: pa.Schema, columns: Sequence[Column]) -> None:
    """Check a file's columns against the declared ones, of which those declared later may be missing.

    DamagedError if a required one is missing, or the types or the order differ; NewerError if there are others.
    """
    for column in columns:
        if column.required and column.name not in got.names:
            raise damaged(path, f"its column {column.name} is missing")
    types = {column.name: TYPES[column.dtype] for column in columns}
    for stored in got:
        if stored.name not in types:
            raise NewerError(
                f"{path} must have columns of this version, but has {stored.name}: "
                "use the newer tmc_sweep that wrote it"
            )
        if stored.type != types[stored.name]:
            raise damaged(path, f"its column {stored.name} holds {stored.type}, not {types[stored.name]}")
    if got.names != [name for name in types if name in got.names]:
        raise damaged(path, "its columns are in another order, or there twice")
