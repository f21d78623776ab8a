"""Connections to Redis: its address, its primary, and one connection for many simultaneous calls."""
