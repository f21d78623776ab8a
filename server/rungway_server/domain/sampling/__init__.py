"""Drawing configurations: a pure function of seed, space and trial number, the same on every server."""
