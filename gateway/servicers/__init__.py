"""The gRPC edge: decode, call one verb, encode."""
