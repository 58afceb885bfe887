"""The backup's file format: a plain header, then everything else under a key made from the passphrase.

Header: magic, format version, Argon2id's parameters, salt, nonce. Body: AES-256-GCM over store id, data key,
time and the whole database, with the header as associated data, so that no bit of the file can be changed
unnoticed. Argon2id's parameters are the second recommendation of RFC 9106 (64 MiB, three passes, four lanes),
which a Pi bears; they stand in the header so that they can grow.
"""

from __future__ import annotations

import secrets
import struct
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from doorguard.adapters.store.sealing import DATA_KEY_BYTES, NONCE_BYTES, STORE_ID_BYTES, DataKey
from doorguard.errors import StoreError, StoreTooNewError, UsageError

MAGIC = b"doorguard backup"
VERSION = 1
SALT_BYTES = 16
PASSES, MEMORY_KIB, LANES = 3, 64 * 1024, 4
MAX_PASSES, MAX_MEMORY_KIB, MAX_LANES = 16, 1024 * 1024, 16
"""Bounds at reading: a forged header must not exhaust the machine before the passphrase is even tried."""

MIN_PASSPHRASE = 8
MAX_BYTES = 2**31 - 4096
"""What AES-GCM seals in one piece; a store of 30 days holds a few megabytes."""

_HEADER = struct.Struct(f">{len(MAGIC)}sHIII{SALT_BYTES}s{NONCE_BYTES}s")
_PREFIX = struct.Struct(f">{STORE_ID_BYTES}s{DATA_KEY_BYTES}sd")


@dataclass(frozen=True, slots=True)
class Content:
    """What a backup holds: the database's bytes, the key to them, and when it was made."""

    key: DataKey
    made_utc: datetime
    image: bytes = field(repr=False)


def check_passphrase(passphrase: str) -> bytes:
    """Return the passphrase as bytes, the same from every keyboard; raises `UsageError` for a short one."""
    try:
        normal = unicodedata.normalize("NFKC", passphrase).encode()
    except UnicodeEncodeError as error:
        raise UsageError("the passphrase is not valid text; type it again") from error
    if len(passphrase) < MIN_PASSPHRASE:
        raise UsageError(f"the passphrase has {len(passphrase)} characters; give at least {MIN_PASSPHRASE}")
    return normal


def seal(content: Content, passphrase: str) -> bytes:
    """Return the file's bytes; raises `UsageError`, or `StoreError` for a store too large for one file."""
    secret = check_passphrase(passphrase)
    if len(content.image) > MAX_BYTES:
        raise StoreError("the store is larger than 2 GiB; lower events.keep_days, prune, and back up again")
    salt, nonce = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(NONCE_BYTES)
    header = _HEADER.pack(MAGIC, VERSION, PASSES, MEMORY_KIB, LANES, salt, nonce)
    prefix = _PREFIX.pack(content.key.store_id, content.key.secret, content.made_utc.timestamp())
    cipher = AESGCM(_stretch(secret, salt, PASSES, MEMORY_KIB, LANES))
    return header + cipher.encrypt(nonce, prefix + content.image, header)


def unseal(data: bytes, passphrase: str, file: Path) -> Content:
    """Open what `seal` made.

    Raises
    ------
    StoreTooNewError : a newer release made it.
    StoreError : it is no backup, the passphrase is wrong, or a bit of it was changed.

    """
    secret = check_passphrase(passphrase)
    if len(data) < _HEADER.size or not data.startswith(MAGIC):
        raise StoreError(f"{file} is no doorguard backup")
    header = data[: _HEADER.size]
    _, version, passes, memory_kib, lanes, salt, nonce = _HEADER.unpack(header)
    if version > VERSION:
        raise StoreTooNewError(f"{file} is a backup of format {version}; install the newer doorguard")
    wrong = f"{file} does not open: the passphrase is wrong or the file is damaged"
    is_sane = (
        0 < passes <= MAX_PASSES and 0 < lanes <= MAX_LANES and 8 * lanes <= memory_kib <= MAX_MEMORY_KIB
    )
    if not is_sane:
        raise StoreError(wrong)
    try:
        cipher = AESGCM(_stretch(secret, salt, passes, memory_kib, lanes))
        plain = cipher.decrypt(nonce, data[_HEADER.size :], header)
        store_id, key, made_s = _PREFIX.unpack_from(plain)
    except (InvalidTag, struct.error) as error:
        raise StoreError(wrong) from error
    return Content(DataKey(store_id, key), datetime.fromtimestamp(made_s, UTC), plain[_PREFIX.size :])


def _stretch(secret: bytes, salt: bytes, passes: int, memory_kib: int, lanes: int) -> bytes:
    return hash_secret_raw(
        secret,
        salt,
        time_cost=passes,
        memory_cost=memory_kib,
        parallelism=lanes,
        hash_len=32,
        type=Type.ID,
    )
