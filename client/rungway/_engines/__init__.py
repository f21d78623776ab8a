"""Workers of a search in a cluster of another engine: what `rungway.ray` and `rungway.dask` share."""
