"""Rungway's service: ARCHITECTURE.md has the map."""
