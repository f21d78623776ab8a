"""The layout of an experiment in Redis: its keys, records and codecs, and the number of the layout."""
