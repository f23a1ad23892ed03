"""The secret of a key: how one is made, recognised and hashed. Pure."""

import hashlib
import hmac
import re
import secrets
from typing import Final, NewType

from api.auth.errors import BadSecret

Proof = NewType("Proof", bytes)
"""The hash of a secret: enough to know its holder again, and worthless to a thief."""
PREFIX: Final = "swk_"
_SHAPE: Final = re.compile(r"swk_[A-Za-z0-9_-]{32,200}")
_HINT_LENGTH: Final = len(PREFIX) + 4


def new_secret() -> str:
    """Return a new key with 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def check_secret(secret: str) -> str:
    """Return a key that has the form of one. Raise `BadSecret`."""
    if not is_secret(secret):
        raise BadSecret
    return secret


def is_secret(text: str) -> bool:
    """Say whether the text has the form of a key."""
    return _SHAPE.fullmatch(text) is not None


def prove(secret: str) -> Proof:
    """Return what is stored. One round of SHA-256 is enough: nobody guesses 256 random bits."""
    return Proof(hashlib.sha256(secret.encode()).digest())


def same_proof(one: bytes, other: bytes) -> bool:
    """Compare in a time that tells nothing of where they differ."""
    return hmac.compare_digest(one, other)


def hint_of(secret: str) -> str:
    """Return what is shown of a key, so that a person can tell two apart."""
    return secret[:_HINT_LENGTH]
