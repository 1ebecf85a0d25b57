"""The gRPC edge of the node's local port: decode, call one verb, encode."""
