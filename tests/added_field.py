"""What a package with one more field of a trial says of it, as JSON: `added_field.py NAME OTHER WRONG GOLDEN`."""

import json
import sys
from pathlib import Path

from tmc_sweep.config import TrialConfig
from tmc_sweep.costs import shape
from tmc_sweep.errors import InputError
from tmc_sweep.integrity.verify import verify
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import EPOCH_COLUMNS
from tmc_sweep.shapes import pack_key
from tmc_sweep.space.load import parse
from tmc_sweep.statistics.paired import paired_differences
from tmc_sweep.statistics.summary import summarize
from tmc_sweep.store.docs import columns_markdown
from tmc_sweep.store.read import read_epochs
from tmc_sweep.sweep.runner import run

YAML = """
name: added
base: {architecture: {latents: [4]}, train_images: 50, test_images: 20, epochs: 1}
space: {NAME: {grid_search: [USUAL, OTHER]}}
seeds: 2
statistic: {last: 1}
resources: {gpu: 0}
"""


def refusal(text: str) -> str:
    try:
        return parse(text, "added.yaml").name
    except InputError as error:
        return str(error)


def main(name: str, other: str, wrong: str, golden: Path) -> None:
    usual = str(TrialConfig.model_fields[name].default)
    yaml = YAML.replace("NAME", name).replace("USUAL", usual).replace("OTHER", other)
    space = parse(yaml, "added.yaml")
    plain, changed = space.cells
    known = [json.loads(line) for line in (golden / "trial_ids.jsonl").read_text().splitlines()]
    stored = SweepPaths(golden / "v2", "golden")
    paths = run(space, "results", executor="inline").paths
    summary, pairs = summarize(paths.epochs), paired_differences(paths.epochs, by=name)
    sys.stdout.write(
        json.dumps(
            {
                "refused": refusal(yaml.replace(other, wrong)),
                "misspelt": refusal(yaml.replace(f"{name}:", f"{name}s:")),
                "ids": all(TrialConfig.stored(each["config"]).trial_id == each["trial_id"] for each in known),
                "stored": read_epochs(stored.epochs)[name].unique().tolist(),
                "whole": verify(stored).problems == (),
                "column": [[each.dtype, each.unit, each.meaning] for each in EPOCH_COLUMNS if each.name == name],
                "page": [line for line in columns_markdown().splitlines() if line.startswith(f"| `{name}` ")],
                "other_trial": changed.trial_id != plain.trial_id and changed.cell_id != plain.cell_id,
                "one_pack": pack_key(changed) == pack_key(plain),
                "one_cost": shape(changed) == shape(plain),
                "table": sorted(read_epochs(paths.epochs)[name].unique().tolist()),
                "summary": summary[name].tolist(),
                "pairs": pairs[["baseline", "value"]].to_numpy().tolist(),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:4], Path(sys.argv[4]))  # type: ignore[arg-type]
