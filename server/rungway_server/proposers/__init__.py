"""`rungway propose`: another library proposes the configurations of a search, in a process of its own."""
