"""What code written for other tools imports instead, so that it goes on with Rungway."""
