"""Searches: their configuration, their plan of brackets and rungs, and what a plan comes to."""
