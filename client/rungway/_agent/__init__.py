"""Runs a training command that knows nothing of Rungway, once for each trial."""
