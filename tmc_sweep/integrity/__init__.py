"""Whether what is stored is whole and true, and how it is mended.

`verify` checks every file of a sweep to the bit and against the others, `repair` mends what can be mended, and
`reproduce` trains a stored trial again and compares. They read checkpoints, so they load torch; no Ray.
"""
