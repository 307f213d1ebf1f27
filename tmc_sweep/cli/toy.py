"""The command that shows how far the bounds lie below log p(x), on a toy model in which that is known."""

from typing import Annotated

import typer

from tmc_sweep.cli.app import Json, app


@app.command()
def toy(
    latents: Annotated[int, typer.Option("--latents", help="Latents of the chain.")] = 5,
    draws: Annotated[int, typer.Option("--draws", help="Draws to average over.")] = 2_000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the draws.")] = 0,
    shift: Annotated[
        float, typer.Option("--shift", help="Proposal's means off by this many standard deviations.")
    ] = 0.5,
    spread: Annotated[
        float, typer.Option("--spread", help="Proposal's standard deviations over the exact ones.")
    ] = 1.2,
    as_json: Json = False,
) -> None:
    """Show how far each bound lies below log p(x), by K. On a linear-Gaussian chain; needs no data."""
    from tmc_sweep.cli.show import show_gaps, show_json
    from tmc_sweep.objectives import toy as chain

    found = chain.gaps(latents, draws, seed, shift=shift, spread=spread)
    if as_json:
        given = {"latents": latents, "draws": draws, "seed": seed, "shift": shift, "spread": spread}
        show_json({**given, "log_evidence": chain.LOG_EVIDENCE, "gaps": [gap._asdict() for gap in found]})
    else:
        show_gaps(found, f"log p(x) minus the bound, in nats: {latents} latents, {draws} draws")
