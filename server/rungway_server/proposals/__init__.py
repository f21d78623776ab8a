"""Models that propose configurations, as pure functions of a space, a seed and the results of a search."""
