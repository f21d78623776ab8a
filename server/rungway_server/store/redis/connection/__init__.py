"""Connections to Redis: where it is, who is primary, many calls under way on one connection."""
