"""Public keys that tokens are verified with: which of a JSON Web Key Set are fit, and which of them a token means."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, KeySet, OctKey, OKPKey, RSAKey

MAX_KEYS = 100
MIN_RSA_BITS = 2048
_MIN_MODULUS_LENGTH = (MIN_RSA_BITS + 5) // 6
"""In base64url, as a JWK holds it."""
_FAMILIES: Mapping[str, tuple[type[ECKey] | type[OKPKey] | type[RSAKey], str | None]] = {
    "Ed25519": (OKPKey, "Ed25519"),
    "EdDSA": (OKPKey, "Ed25519"),
    "ES256": (ECKey, "P-256"),
    "ES384": (ECKey, "P-384"),
    "ES512": (ECKey, "P-521"),
    **{f"{scheme}{bits}": (RSAKey, None) for scheme in ("RS", "PS") for bits in (256, 384, 512)},
}
"""Which kind of key, and which curve, an algorithm needs: a token never chooses how a key is used."""

ASYMMETRIC_ALGORITHMS = frozenset(_FAMILIES)


def read_keys(path: Path) -> KeySet:
    """The public keys of a JWK Set file (RFC 7517, section 5). ValueError names the file and what to do."""
    try:
        return usable_keys(orjson.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise ValueError(
            f'{path}: give a JSON Web Key Set, {{"keys": [...]}}, with the issuer\'s public keys'
        ) from error


def usable_keys(document: object) -> KeySet:
    """The keys of a JWK Set that signatures can be verified with; others are passed over, as RFC 7517 wants it.

    Raises ValueError where none is left: what is symmetric, for encryption, or too short verifies nothing.
    """
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise ValueError("not a JSON Web Key Set")
    keys = [key for key in map(_imported, listed) if key is not None]
    if not keys:
        raise ValueError("a key set without a public key that verifies signatures")
    return KeySet(keys)


def _imported(given: Any) -> Key | None:
    if not isinstance(given, dict) or given.get("kty") == "oct":
        return None
    if given.get("kty") == "RSA" and len(str(given.get("n"))) < _MIN_MODULUS_LENGTH:
        return None
    try:
        key = JWKRegistry.import_key(given)
        return key if is_usable(key) else None
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None


def is_usable(key: Key) -> bool:
    """Whether a key verifies signatures that nobody can make who only verifies."""
    if isinstance(key, OctKey) or key.get("use") not in (None, "sig"):
        return False
    if not {"verify", "sign"} & set(key.get("key_ops") or ["verify"]):
        return False
    return not isinstance(key, RSAKey) or key.raw_value.key_size >= MIN_RSA_BITS


def key_for(keys: KeySet, header: Mapping[str, str]) -> Key | None:
    """The one key that a token of this header can be signed by: of its name, its algorithm's kind, and pinned to no
    other algorithm. None where none or more than one fits."""
    family, curve = _FAMILIES.get(header["alg"], (None, None))
    if family is None:
        return None
    fitting = [
        key
        for key in keys
        if isinstance(key, family)
        and (curve is None or key.get("crv") == curve)
        and key.alg in (None, header["alg"])
        and ("kid" not in header or key.kid == header["kid"])
    ]
    return fitting[0] if len(fitting) == 1 else None
