"""How callers reach the use cases: gRPC servicers, health, and errors on the wire."""
