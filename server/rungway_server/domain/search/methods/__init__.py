"""The search methods: each is a pure function from a searcher section to a plan."""
