"""Load tests: what the service carries on this machine, beside a no-op rpc on the same server stack."""
