"""Katib's contract: `api.proto` is Katib's own, `make proto` generates the rest from it."""
