"""Searches on this machine alone: a service as a child process, and workers that run a function."""
