"""The only importer of Ray: sessions, trials of Ray Tune, and the one writer beside the driver."""
