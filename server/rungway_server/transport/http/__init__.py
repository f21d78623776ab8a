"""The HTTP port: the rpcs of the gRPC port as JSON and protobuf, over HTTP/1.1 with the Connect protocol."""
