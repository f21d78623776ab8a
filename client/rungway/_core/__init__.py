"""What both clients share: calls written once, leases, reports on their way, errors, configuration."""
