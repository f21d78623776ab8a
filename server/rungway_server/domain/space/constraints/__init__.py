"""What must hold between the parameters of every configuration."""
