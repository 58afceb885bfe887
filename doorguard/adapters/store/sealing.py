"""Encryption of the store: the master key wraps one data key, from which the working keys are derived.

AES-256-GCM (NIST SP 800-38D) with random 96-bit nonces: far fewer than the 2^32 messages per key at which
a repeated nonce becomes thinkable. HKDF-SHA256 (RFC 5869) separates the keys for templates and audit.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from doorguard.core.model import Encoding, ModelId, ResidentId
from doorguard.errors import StoreKeyError

NONCE_BYTES = 12
DATA_KEY_BYTES = 32
STORE_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class DataKey:
    """The store's own key. It never changes; what wraps it may."""

    store_id: bytes
    secret: bytes = field(repr=False)

    @classmethod
    def new(cls) -> DataKey:
        """Make a random one for a new store."""
        return cls(secrets.token_bytes(STORE_ID_BYTES), secrets.token_bytes(DATA_KEY_BYTES))

    def derive(self, purpose: bytes) -> bytes:
        """Return the 32-byte key for one purpose."""
        info = b"doorguard 1 " + purpose
        return HKDF(algorithm=SHA256(), length=32, salt=self.store_id, info=info).derive(self.secret)

    def wrap(self, master: bytes) -> bytes:
        """Return the secret sealed under a master key, nonce first."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + AESGCM(master).encrypt(nonce, self.secret, self.store_id)


def unwrap(wrapped: bytes, store_id: bytes, keys: Mapping[str, bytes], path: Path) -> tuple[str, DataKey]:
    """Open the data key with the first master key that fits; return where that key was found.

    Raises
    ------
    StoreKeyError : there is no key, or none opens this store. A new one is never made in its place.

    """
    for origin, master in keys.items():
        try:
            secret = AESGCM(master).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], store_id)
        except (InvalidTag, ValueError):
            continue
        return origin, DataKey(store_id, secret)
    tried = " nor ".join(keys) or "no key is here"
    what = f"{tried} does not open" if keys else f"{tried} to open"
    raise StoreKeyError(
        f"{what} the store {path}; put back its own key file or systemd credential, or restore a backup"
    )


class Seal:
    """Seals bytes, bound to their resident and model: moved to another row, they do not open."""

    def __init__(self, key: DataKey, purpose: bytes) -> None:
        self._cipher = AESGCM(key.derive(purpose))

    def seal(self, resident_id: ResidentId, model_id: ModelId, plain: bytes) -> tuple[bytes, bytes]:
        """Return nonce and sealed bytes."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce, self._cipher.encrypt(nonce, plain, _bound_to(resident_id, model_id))

    def open(self, resident_id: ResidentId, model_id: ModelId, nonce: bytes, sealed: bytes) -> bytes | None:
        """Return the bytes; None when they are not authentic."""
        try:
            return self._cipher.decrypt(nonce, sealed, _bound_to(resident_id, model_id))
        except (InvalidTag, ValueError):
            return None


class Seals:
    """The store's two: one key for encodings, one for pictures."""

    def __init__(self, key: DataKey) -> None:
        self.crops = Seal(key, b"crops")
        self.templates = Seal(key, b"templates")


def plain_encoding(encoding: Encoding) -> bytes:
    """Return an encoding as it is sealed: little-endian float32."""
    return np.ascontiguousarray(encoding, dtype="<f4").tobytes()


def read_encoding(plain: bytes | None) -> Encoding | None:
    """Return an encoding, read-only; None when there is none, or no row of float32."""
    if plain is None or len(plain) % 4:
        return None
    encoding: Encoding = np.frombuffer(plain, dtype="<f4").astype(np.float32)
    encoding.setflags(write=False)
    return encoding


def _bound_to(resident_id: ResidentId, model_id: ModelId) -> bytes:
    return f"{resident_id}\0{model_id}".encode()
