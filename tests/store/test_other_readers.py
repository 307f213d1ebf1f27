"""Readers that are not ours, in environments of their own: the files are plain tables to each of them.

TMC_SWEEP_READERS=DIR keeps the environments there for the next time.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from table_rows import record

from tmc_sweep.config import TrialConfig
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store.epochs import EpochTable
from tmc_sweep.store.read import read_epochs
from tmc_sweep.store.trials import TrialTable

pytestmark = pytest.mark.long

PANDAS = """
import json, sys, pandas as pd
one, two, trials, *ids = sys.argv[1:]
a, b, t = (pd.read_parquet(path) for path in (one, two, trials))
groups = pd.concat([a, b]).groupby(["objective", "K", "lr"])["test_objective"].mean().reset_index()
merged = a.merge(t[["trial_id", "status"]], on="trial_id").groupby("status").size()
print(json.dumps([list(a), groups.values.tolist(), merged.to_dict(), int(a["trial_id"].isin(ids).sum())]))
"""
POLARS = """
import json, sys, polars as pl
one, two, trials, *ids = sys.argv[1:]
a, b, t = (pl.read_parquet(path) for path in (one + "/*.parquet", two + "/*.parquet", trials))
keys = ["objective", "K", "lr"]
groups = pl.concat([a, b]).group_by(keys).agg(pl.col("test_objective").mean()).sort(keys)
merged = a.join(t.select("trial_id", "status"), on="trial_id").group_by("status").len()
isin = a.filter(pl.col("trial_id").is_in(ids)).height
print(json.dumps([a.columns, [list(row) for row in groups.rows()], dict(merged.rows()), isin]))
"""
DUCKDB = """
import json, sys, duckdb
one, two, trials, *ids = sys.argv[1:]
a, b = (f"read_parquet('{path}/*.parquet')" for path in (one, two))
rows = lambda query: [list(row) for row in duckdb.sql(query).fetchall()]
keys = "objective, K, lr"
both = f"(select * from {a} union all select * from {b})"
groups = rows(f"select {keys}, avg(test_objective) from {both} group by {keys} order by {keys}")
merged = rows(f"select status, count(*) from {a} join '{trials}' using (trial_id) group by status")
isin = rows(f"select count(*) from {a} where trial_id in {tuple(ids)}")[0][0]
print(json.dumps([duckdb.sql(f"select * from {a}").columns, groups, dict(merged), isin]))
"""


def sweep(paths: SweepPaths, objective: str) -> list[TrialConfig]:
    """Trials of which one is done, in two cells each."""
    configs = [TrialConfig(objective=objective, K=K, lr=lr, epochs=2) for K in (5, 20) for lr in (1e-3, 1e-2)]
    table, trials = EpochTable.open(paths), TrialTable.open(paths)
    trials.ensure(configs)
    for config in configs:
        table.add(config, [record(config.trial_id, epoch, config.K + epoch / 8) for epoch in (1, 2)])
    trials.update(configs[0].trial_id, status="done")
    table.commit()
    trials.commit()
    return configs


@pytest.mark.parametrize(
    ("needs", "code"),
    [(["pandas==2.2.*", "pyarrow"], PANDAS), (["polars"], POLARS), (["duckdb"], DUCKDB)],
    ids=["pandas-2.2", "polars", "duckdb"],
)
def test_groups_joins_two_sweeps_and_membership_are_what_ours_finds(
    needs: list[str], code: str, tmp_path: Path, request: pytest.FixtureRequest
):
    one, two = SweepPaths(tmp_path, "one"), SweepPaths(tmp_path, "two")
    ids = [config.trial_id for config in sweep(one, "tmc")[:2]]
    sweep(two, "iwae")
    folder = Path(os.environ.get("TMC_SWEEP_READERS") or tmp_path) / request.node.callspec.id
    if not folder.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin/pip", "install", "--quiet", *needs], check=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [folder / "bin/python", "-W", "error", "-c", code, one.epochs, two.epochs, one.trials, *ids]
    said = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    ours = read_epochs(one.epochs)
    both = pd.concat([ours, read_epochs(two.epochs)]).groupby(["objective", "K", "lr"])["test_objective"].mean()
    assert json.loads(said) == [list(ours), both.reset_index().to_numpy().tolist(), {"done": 2, "pending": 6}, 4]
