"""Search spaces: the tree of parameters, read from a document, written back, and checked against configurations."""
