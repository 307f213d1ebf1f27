"""What a GPU gives, measured in nine minutes: rows as JSON, part by part, the most important first.

    python -m benchmarks.gpu --data FOLDER --results gpu.json      # there
    python -m benchmarks.gpu --results gpu.json --page docs/performance.md    # here: its tables, and no measuring

The machine needs no Ray and no network, only torch, numpy and what `--needs` lists. These travel as wheels:

    python -m benchmarks.gpu --needs > needs.txt
    pip download --no-deps --only-binary=:all: --python-version 3.12 -d wheels -r needs.txt
    pip install --no-index --no-deps wheels/*.whl                  # there

FOLDER holds MNIST's four files, also as .gz. `--device cpu` tries it all with a processor in the GPU's place.
"""

import argparse
import json
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.gpu.parts import ALL_SECONDS, PARTS

RESULTS = Path(__file__).with_name("results.json")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, or write the page, or tell what must travel."""
    options = _options(arguments)
    if options.needs:
        from benchmarks.gpu.needs import needs

        print(*needs(), sep="\n")
    elif options.page:
        from benchmarks.gpu.page import write

        write(options.page, json.loads(options.results.read_text()))
    elif options.part:
        _part(options)
    else:
        _check(options.device)
        from benchmarks.gpu.run import Options, run

        chosen = [part for part in PARTS if part.name in options.only]
        run(chosen, Options(options.device, options.data, options.results, options.minutes * 60))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [part.name for part in PARTS]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="with MNIST (default: random images)")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE", help="JSON of all rows")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="PART", help=", ".join(names))
    parser.add_argument(
        "--minutes", type=float, default=ALL_SECONDS / 60, help="for all parts together (default: 8.75)"
    )
    parser.add_argument(
        "--page", type=Path, metavar="FILE", help="write the tables of --results there, measure nothing"
    )
    parser.add_argument("--needs", action="store_true", help="print what must be installed beside torch and numpy")
    parser.add_argument("--part", choices=names, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _check(device: str) -> None:
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch must find a GPU, but finds none: run this on a machine with one, or try --device cpu")


def _part(options: argparse.Namespace) -> None:
    """One part in this process: a row a line on stdout, and whatever libraries say on stderr."""
    rows = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import torch

    from benchmarks.gpu.setting import Setting

    setting = Setting(options.device, options.data)
    torch.set_num_threads(setting.threads)
    for row in import_module(f"benchmarks.gpu.{options.part}").rows(setting):
        print(json.dumps(row), file=rows, flush=True)


if __name__ == "__main__":
    main()
