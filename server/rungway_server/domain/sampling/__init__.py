"""Configurations by seed and trial number: a pure function, the same on every server."""
