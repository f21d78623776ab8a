"""Reads the files of other tools and writes configurations of Rungway. Python files are parsed and never executed."""
