"""Search spaces: what may be searched, read, written and checked."""
