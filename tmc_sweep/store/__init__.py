"""All that is durable of a sweep, and the only code that writes it: tables, manifest, checkpoints, copies, the lock.

To read tables as data frames, begin with `read`. To follow a row to the disk, read `recorder` (what a message changes),
then `epochs` and `parts` (the epoch table), `parquet` (one file) and `files` (what is durable, and when). `trials` and
`attempts` are the two other tables that a run writes, `artefacts` those that `evaluate` and `analyse` write,
`checkpoints` the checkpoint files, and `publish` and `pull` copy a sweep to another place and back.

Numbers made from the tables are in `statistics`; whether the files are whole is for `integrity`. No torch, no Ray.
"""
