"""The rules of the search: plans, ranking, spaces, sampling. Pure: no store, no wire, no clock, no randomness."""
