"""The embedded store: a Redis of our own, so that nothing else must be installed."""
