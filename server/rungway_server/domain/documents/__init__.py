"""Reading user documents key by key: each wrong value is noted with its path, and none stops the reading."""
