"""The command that holds sweeps against the article's claims."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tmc_sweep.cli.app import Json, Results, app
from tmc_sweep.cli.forward import forward, on_cluster
from tmc_sweep.cli.terminal import show, tell

if TYPE_CHECKING:  # they load pandas
    from tmc_sweep.article.claims import Judged, Judgement


@app.command()
@on_cluster(forward)
def claims(
    names: Annotated[list[str], typer.Argument(help="Names of sweeps.", show_default=False)],
    results: Results = Path("results"),
    as_json: Json = False,
) -> None:
    """Judge the article's claims by these sweeps. Each with the readings and intervals behind its verdict."""
    from tmc_sweep.article.claims import judgements
    from tmc_sweep.cli.show import show_json
    from tmc_sweep.report.tables import SweepTables

    sweeps = [SweepTables.read(results, name) for name in dict.fromkeys(names)]
    for sweep in sweeps:
        if sweep.left_out:
            tell(sweep.left_out)
    found = judgements(sweeps)
    if as_json:
        show_json([_plain(judgement) for judgement in found])
        return
    for judgement in found:
        show(*_lines(judgement, told=len(sweeps) > 1), "")


def _lines(judgement: "Judgement", *, told: bool) -> list[str]:
    """A claim, its verdict and its readings as lines; with `told` each reading names its sweep."""
    from tmc_sweep.article.text import bounds, location

    claim = judgement.claim
    lines = [f"{judgement.verdict}: {claim.id}", f"  {claim.sentence} ({claim.source})"]
    if judgement.readings or judgement.elsewhere:
        lines.append(f"  rule: {bounds(claim.rule)}{f' ({claim.rule.why})' if claim.rule.why else ''}")
    lines += [f"  {_reading(each, told)}" for each in judgement.readings]
    lines += [f"  elsewhere: {_reading(each, told)}" for each in judgement.elsewhere]
    if judgement.missing:
        settings = "; ".join(map(location, judgement.missing)) if judgement.readings else "all of it"
        then = f", then `{claim.also}`" if claim.also else ""
        lines.append(f"  not yet measured: {settings}: `tmc-sweep run search_spaces/{claim.sweep}.yaml`{then}")
    return lines


def _reading(judged: "Judged", told: bool) -> str:
    from tmc_sweep.article.text import basis, location, with_interval

    reading = judged.reading
    sweep = f", in {reading.where['sweep']}" if told and "sweep" in reading.where else ""
    said = [text for text in (with_interval(reading), basis(reading)) if text]
    departed = f" ({'; '.join(judged.departures)})" if judged.departures else ""
    return f"{location(reading.where)}: {', '.join(said)}{sweep}: {judged.verdict}{departed}"


def _plain(judgement: "Judgement") -> dict[str, Any]:
    claim = judgement.claim
    return {
        "claim": claim.id,
        "sentence": claim.sentence,
        "source": claim.source,
        "verdict": judgement.verdict,
        "rule": claim.rule.model_dump(),
        "readings": [_plain_reading(each) for each in judgement.readings],
        "elsewhere": [_plain_reading(each) for each in judgement.elsewhere],
        "missing": [dict(setting) for setting in judgement.missing],
    }


def _plain_reading(judged: "Judged") -> dict[str, Any]:
    reading = judged.reading
    return {
        "where": dict(reading.where),
        "value": reading.value,
        "low": reading.low,
        "high": reading.high,
        "unit": reading.unit,
        "n": reading.n,
        "counted": reading.counted,
        "epochs": reading.epochs,
        "verdict": judged.verdict,
        "departures": judged.departures,
        "why": reading.why,
    }
