"""What an experiment looks like in Redis: its keys, records and codecs, and the number of the layout."""
