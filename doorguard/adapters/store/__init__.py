"""Residents, templates and events in one encrypted, durable, tamper-evident SQLite file."""

from doorguard.adapters.store.backup import BackupReport, backup
from doorguard.adapters.store.opening import model_named_by
from doorguard.adapters.store.restore import RestoreReport, Target, restore
from doorguard.adapters.store.sealed_file import check_passphrase
from doorguard.adapters.store.store import Store

__all__ = [
    "BackupReport",
    "RestoreReport",
    "Store",
    "Target",
    "backup",
    "check_passphrase",
    "model_named_by",
    "restore",
]
