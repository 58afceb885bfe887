"""doorguard: face access for a Raspberry Pi door. One photo enrols; no cloud; fails closed."""

__version__ = "0.1.0"
