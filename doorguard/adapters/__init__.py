"""The edges: cameras, strike lines, store, keys, service manager; each behind a port."""
