"""Pictures of a search, drawn with matplotlib: one module for each, and the look that they share."""
