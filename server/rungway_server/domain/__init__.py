"""The rules of the search: plans, promotion, spaces, sampling. Pure: no store, no wire, no clock, no global randomness."""
