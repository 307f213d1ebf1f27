"""All that is durable of a sweep, and the only code that writes it: tables, manifest, checkpoints, copies, the lock.

Numbers made from the tables are `statistics`; whether the files are whole is for `integrity`. No torch, no Ray.
"""
