"""What the service says, as Python values."""
