"""Fakes of the ports, shipped: what the laptop demo runs on and what the tests are built from."""
