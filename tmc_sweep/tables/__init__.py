"""What is stored of a sweep: the tables, the checkpoint files, the lock, and the last-epochs summary. Loads no torch."""
