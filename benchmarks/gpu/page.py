"""The section of docs/performance.md on a GPU, from the JSON of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.gpu.parts import PARTS
from benchmarks.page import replace_section, table, wrapped

BEGIN = "<!-- gpu: from here on written by `python -m benchmarks.gpu --page` -->\n"
END = "<!-- gpu: end -->\n"


def write(page: Path, results: Mapping[str, Any]) -> None:
    """Put the section of these results into the page, between its two markers."""
    page.write_text(replace_section(page.read_text(), section(results), BEGIN, END))


def section(results: Mapping[str, Any]) -> str:
    """Where it was measured and how each part ended; with the figures, if they are a GPU's."""
    where, parts = results["where"], results["parts"]
    ended = [
        {
            "part": part.name,
            "rows": len(parts[part.name]["rows"]),
            "seconds": parts[part.name]["seconds"],
            "limit_seconds": part.seconds,
            "ended": parts[part.name]["ended"],
        }
        for part in PARTS
        if part.name in parts
    ]
    tables = [] if where["device"] == "cpu" else [_part(part.title, parts.get(part.name)) for part in PARTS]
    return "\n\n".join([wrapped(_said(where)), table(ended), *filter(None, tables)]) + "\n"


def _said(where: Mapping[str, Any]) -> str:
    commit = (where["commit"] or "unknown")[:12]
    on = f"Python {where['python']}, torch {where['torch']}, commit {commit}, {where['date']}"
    if where["device"] == "cpu":
        return f"**Never run on a GPU.** Rehearsed with a processor in its place ({where['processor']}; {on}):"
    memory = where["gpu_bytes"]
    size = f" of {memory / 2**30:.0f} GiB" if memory else ""
    return f"Measured on {where['gpu'] or 'a GPU'}{size}, in a machine with {where['processor']} ({on}); wall time:"


def _part(title: str, measured: Mapping[str, Any] | None) -> str:
    if not measured or not measured["rows"]:
        return ""
    names = list(dict.fromkeys(name for row in measured["rows"] for name in row))
    rows = [{name: row.get(name) for name in names} for row in measured["rows"]]
    if not any(row.get("failed") for row in rows):
        rows = [{name: value for name, value in row.items() if name != "failed"} for row in rows]
    return f"### {title}\n\n{table(rows)}"
