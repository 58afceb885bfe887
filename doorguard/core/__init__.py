"""Pure decisions: standard library and NumPy only; no file, clock, thread, log or random source."""
