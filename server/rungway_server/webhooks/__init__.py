"""Messages to other programs about searches: that one has ended, paused itself, or has a new best (docs/adr/0015)."""
