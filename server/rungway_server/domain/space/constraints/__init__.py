"""Constraints: expressions over the parameters that every configuration must meet."""
