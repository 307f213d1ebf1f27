"""What is stored of a sweep: tables, checkpoint files, lock, manifest, and the last-epochs summary. Loads no torch."""
