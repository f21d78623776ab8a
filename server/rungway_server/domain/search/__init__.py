"""Searches: the searcher section, its plan of brackets and rungs, previews, and progress."""
