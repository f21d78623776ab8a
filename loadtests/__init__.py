"""Load tests: the throughput of the service on this machine, compared with a no-op rpc on the same server stack."""
