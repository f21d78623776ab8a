"""Simulated searches: the service's own decisions, on a simulated clock, with recorded or synthetic learning curves."""
