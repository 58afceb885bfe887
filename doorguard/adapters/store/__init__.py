"""Residents, templates and events in one encrypted, durable, tamper-evident SQLite file."""

from doorguard.adapters.store.store import Store

__all__ = ["Store"]
