"""The embedded store: a Redis of our own, for those who install nothing else."""
