"""Generated from proto/rungway/v1 by `make proto`: do not edit."""
