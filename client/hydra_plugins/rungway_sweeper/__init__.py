"""The sweeper of Hydra that searches with Rungway: `hydra/sweeper=rungway`. Hydra finds it here by itself."""
