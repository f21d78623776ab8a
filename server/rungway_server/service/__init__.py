"""Use cases, one short module per noun: check what came in, ask the store, nothing else."""
