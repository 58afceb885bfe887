"""The demo: the daemon itself, real models and real photographs, before a simulated door."""
