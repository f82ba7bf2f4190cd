"""Bearer tokens: JSON Web Tokens (RFC 7519) signed with a private key that the issuer alone holds.

Only the key set that the verifier was made with decides. Whatever a token says about keys (`jwk`, `jku`, `x5c`, `x5u`)
is refused rather than ignored, as RFC 8725 advises against trusting received claims.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import orjson
from joserfc import jwt
from joserfc.errors import ClaimError, ExpiredTokenError, JoseError
from joserfc.jwk import KeySet, OKPKey
from joserfc.jws import JWSRegistry
from joserfc.registry import HeaderParameter
from joserfc.util import urlsafe_b64decode

from tenancy.private_file import read_or_create
from tenancy.token_keys import ASYMMETRIC_ALGORITHMS, is_usable, key_for

DEFAULT_ALGORITHMS = ("Ed25519", "ES256", "ES384", "RS256", "PS256")
MAX_TOKEN_LENGTH = 8192
MAX_HEADER_LENGTH = 512
MAX_SIGNED = 2_000
"""Tokens that a process knows again."""
MAX_SUBJECT_LENGTH = 255
MAX_TOKEN_ID_LENGTH = 128
# A token may carry these header parameters only: none that would change how it is verified.
HEADERS = {
    "alg": HeaderParameter("Algorithm", "str", required=True),
    "kid": HeaderParameter("Key ID", "str"),
    "typ": HeaderParameter("Type", "str"),
    "x5t": HeaderParameter("Certificate thumbprint", "str"),
    "x5t#S256": HeaderParameter("Certificate thumbprint", "str"),
}
TOKEN_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_CLAIM_REASONS = {
    "iss": "wrong issuer",
    "aud": "wrong audience",
    "exp": "without a valid expiry",
    "nbf": "not yet valid",
    "iat": "issued in the future",
    "sub": "without a subject",
}


class TokenRefused(Exception):
    """A bearer token that is not accepted. `reason` is a short text for the log; whoever sent it is told no reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says. `email` is present only where the issuer says that it has verified it."""

    issuer: str
    subject: str
    email: str | None
    expires_at: datetime
    token_id: str | None = None


class TokenVerifier:
    """Verifies tokens of one issuer for one audience against a fixed key set."""

    def __init__(
        self,
        keys: KeySet,
        issuer: str,
        audience: str,
        algorithms: Collection[str] = DEFAULT_ALGORITHMS,
        leeway_seconds: int = 30,
    ) -> None:
        """Raise ValueError for a key or an algorithm that whoever verifies could also sign with."""
        if not algorithms or not ASYMMETRIC_ALGORITHMS.issuperset(algorithms):
            raise ValueError(f"algorithms must be some of {', '.join(sorted(ASYMMETRIC_ALGORITHMS))}")
        if not keys or not all(map(is_usable, keys)):
            raise ValueError("a token verifier needs public keys (RSA, EC or OKP), and no symmetric one")
        self._keys = keys
        self._issuer = issuer
        self._algorithms = frozenset(algorithms)
        self._headers = JWSRegistry(algorithms=self._algorithms)
        self._headers.header_registry = HEADERS
        self._signed: dict[str, dict[str, Any]] = {}
        self._claims = jwt.JWTClaimsRegistry(
            leeway=leeway_seconds,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    async def claims(self, token: str) -> Claims:
        """As :meth:`verify`."""
        return self.verify(token)

    def verify(self, token: str) -> Claims:
        """The claims of a token, or TokenRefused saying why it is not accepted.

        A token whose signature was found to be right is known again by its text; when it is valid is looked at anew.
        """
        claims = self._signed.get(token)
        if claims is None:
            claims = self._signed_claims(token)
            if len(self._signed) >= MAX_SIGNED:
                self._signed.clear()
            self._signed[token] = claims
        self._check_claims(claims)
        return self._read(claims)

    def _signed_claims(self, token: str) -> dict[str, Any]:
        header = header_of(token)
        if header["alg"] not in self._algorithms:
            raise TokenRefused("signed with an algorithm that is not accepted")
        key = key_for(self._keys, header)
        if key is None:
            raise TokenRefused("not signed by a key that is trusted here")
        try:
            decoded = jwt.decode(token, key, algorithms=self._algorithms, registry=self._headers)
        except (JoseError, ValueError, RecursionError) as error:
            raise TokenRefused("not signed by a key that is trusted here") from error
        return decoded.claims

    def _check_claims(self, claims: dict[str, Any]) -> None:
        try:
            self._claims.validate(claims)
        except ExpiredTokenError as error:
            raise TokenRefused("expired") from error
        except ClaimError as error:
            raise TokenRefused(_CLAIM_REASONS.get(error.claim.split(",")[0], "malformed")) from error

    def _read(self, claims: dict[str, Any]) -> Claims:
        subject = claims["sub"]
        if len(subject) > MAX_SUBJECT_LENGTH or not subject.isprintable():
            raise TokenRefused("without a subject")
        try:
            expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        except (OverflowError, OSError, ValueError) as error:
            raise TokenRefused("without a valid expiry") from error
        email, token_id = claims.get("email"), claims.get("jti")
        named = isinstance(token_id, str) and len(token_id) <= MAX_TOKEN_ID_LENGTH and token_id.isprintable()
        verified = isinstance(email, str) and claims.get("email_verified") is True and len(email) <= 254
        return Claims(self._issuer, subject, email if verified else None, expires_at, token_id if named else None)


def header_of(token: str) -> Mapping[str, str]:
    """A token's header, before any cryptography: texts only, and none that would change how it is verified.

    The library is lenient about types of header values. Raises TokenRefused.
    """
    if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        raise TokenRefused("malformed")
    segments = token.split(".")
    if len(segments) != 3 or not all(segments) or len(segments[0]) > MAX_HEADER_LENGTH:
        raise TokenRefused("malformed")
    header = _decoded(segments[0])
    if not all(isinstance(value, str) for value in header.values()):
        raise TokenRefused("malformed")
    if header.get("alg") not in ASYMMETRIC_ALGORITHMS:
        raise TokenRefused("signed with an algorithm that is not accepted")
    if not header.keys() <= HEADERS.keys():
        raise TokenRefused("with a header that is not accepted")
    if header.get("typ", "JWT").lower() not in TOKEN_TYPES:
        raise TokenRefused("not an access token")
    return header


def issuer_named(token: str) -> str:
    """Whom a token says that it is of, which proves nothing yet: it only chooses whose keys must verify it.

    Raises TokenRefused.
    """
    issuer = _decoded(token.split(".")[1]).get("iss")
    if not isinstance(issuer, str):
        raise TokenRefused("wrong issuer")
    return issuer


def _decoded(segment: str) -> dict[str, Any]:
    try:
        found = orjson.loads(urlsafe_b64decode(segment.encode()))
    except ValueError as error:
        raise TokenRefused("malformed") from error
    if not isinstance(found, dict):
        raise TokenRefused("malformed")
    return found


class DevelopmentIssuer:
    """Issues tokens for a machine of one's own, with a key that never leaves the data directory."""

    ISSUER = "merchantry-development"
    AUDIENCE = "merchantry"
    ALGORITHM = "Ed25519"

    def __init__(self, key: OKPKey) -> None:
        self._key = key

    @classmethod
    def load_or_create(cls, directory: Path) -> Self:
        """The issuer whose key is `directory/issuer.jwk`, made if missing; several processes may ask at once.

        Raises ValueError where the file is not such a key or others than its owner may read it.
        """
        path = directory / "issuer.jwk"
        content = read_or_create(path, _new_key)
        try:
            key = OKPKey.import_key(orjson.loads(content))
        except (JoseError, ValueError, TypeError) as error:
            raise ValueError(
                f"{path} is not a private Ed25519 JSON Web Key: remove it to have a new one made"
            ) from error
        if not key.is_private or key.curve_name != "Ed25519":
            raise ValueError(f"{path} is not a private Ed25519 JSON Web Key: remove it to have a new one made")
        return cls(key)

    def issue(self, subject: str, email: str | None, lifetime_seconds: int) -> str:
        """A token for this subject that expires after `lifetime_seconds`."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.ISSUER,
            "aud": self.AUDIENCE,
            "sub": subject,
            "iat": now,
            "exp": now + lifetime_seconds,
        }
        if email is not None:
            claims |= {"email": email, "email_verified": True}
        self._key.ensure_kid()
        return jwt.encode({"alg": self.ALGORITHM, "kid": self._key.kid}, claims, self._key, algorithms=[self.ALGORITHM])

    def verifier(self) -> TokenVerifier:
        """Verifies what this issuer issues; holds the public half of the key only."""
        public = OKPKey.import_key(self._key.as_dict(private=False))
        return TokenVerifier(KeySet([public]), self.ISSUER, self.AUDIENCE, algorithms=(self.ALGORITHM,))


def _new_key() -> bytes:
    return orjson.dumps(OKPKey.generate_key("Ed25519", private=True).as_dict(private=True))
