"""Load tests: what the service carries on this machine, compared with a no-op rpc on the same server stack."""
