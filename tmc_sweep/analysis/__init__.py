"""What needs a trained model: bounds with many samples, reconstructions and latents, stored as artefact tables.

`trained` makes models of a sweep's newest checkpoints; `evaluation` is what `tmc-sweep evaluate` does, `analyse`, with
`reconstructions` and `latents`, what `tmc-sweep analyse` does. Figures are drawn from the tables alone. No Ray.
"""
