"""Rungway as a suggestion service of Katib: it answers each call from what the call says, and keeps nothing.

Katib sends the whole experiment with every call. What Rungway decided before comes back as a setting of the algorithm
(`log.py`); it is replayed through the scripts that every search uses, on an embedded store with a stopped clock
(`replay.py`). So a pod that was restarted, or a reply that got lost, changes nothing. docs/katib.md is for users.

From the outside in: `serve`, `servicer`, `suggesting`, then `replay`, `outcomes`, `experiment`, and last `log`.
"""
