"""Measure all, one after the other, each in a process of its own: benchmarks/results.json and docs/performance.md.

    python -m benchmarks                     # wants a quiet machine
    python -m benchmarks --only step pack    # measures these anew, keeps the other rows
    python -m benchmarks --quick             # do they all run? shows nothing, writes nothing

Rows that were measured on another machine, or with other versions, are dropped.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from benchmarks.page import replace_section, section
from benchmarks.suite import ROOT, SUITE

RESULTS = ROOT / "benchmarks" / "results.json"
PAGE = ROOT / "docs" / "performance.md"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmarks asked for, and write what was measured."""
    options = _options(arguments)
    results = stored(options.results)
    for benchmark in SUITE:
        if benchmark.name in options.only:
            print(f"{benchmark.name} …", end=" ", file=sys.stderr, flush=True)
            results["benchmarks"][benchmark.name] = benchmark.run(quick=options.quick)
            print(f"{results['benchmarks'][benchmark.name]['seconds']} s", file=sys.stderr)
            if options.results:
                options.results.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    if options.page:
        written = section(results["machine"], results["benchmarks"])
        options.page.write_text(replace_section(options.page.read_text(), written))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [benchmark.name for benchmark in SUITE]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--quick", action="store_true", help="few rounds of small cases; writes only where told to")
    parser.add_argument("--results", type=Path, help="JSON file of all rows (default: benchmarks/results.json)")
    parser.add_argument("--page", type=Path, help="page with the two markers (default: docs/performance.md)")
    options = parser.parse_args(arguments)
    if not options.quick:
        options.results, options.page = options.results or RESULTS, options.page or PAGE
    return options


def stored(file: Path | None) -> dict[str, Any]:
    """What was measured before, if that was on this machine."""
    here = machine()
    before = json.loads(file.read_text()) if file and file.is_file() else {}
    return before if before.get("machine") == here else {"machine": here, "benchmarks": {}}


if __name__ == "__main__":
    main()
