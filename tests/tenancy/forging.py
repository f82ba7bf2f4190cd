"""Tokens as attackers make them, with real keys: what `tests/hostile/forged_tokens.json` says, made into bytes."""

import base64
import hashlib
import hmac
import json
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc.jwk import ECKey, Key, KeyParameters, OctKey, OKPKey, RSAKey

AUDIENCE = "merchantry"
CORPUS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "hostile" / "forged_tokens.json").read_text(encoding="utf-8")
)


def _rsa(kid: str, bits: int = 2048, **parameters: str) -> RSAKey:
    made = rsa.generate_private_key(65537, bits)
    pem = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a key may be too short on purpose
        return RSAKey.import_key(pem, cast(KeyParameters, {"kid": kid, **parameters}))


@dataclass
class Forge:
    """Two issuers with their keys, and an attacker with keys of the same names."""

    first: str
    second: str
    keys: dict[str, Key] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keys = {
            "ed": OKPKey.generate_key("Ed25519", parameters={"kid": "ed"}),
            "ec": ECKey.generate_key("P-256", parameters={"kid": "ec"}),
            "rsa": _rsa("rsa", alg="RS256"),
            "enc": _rsa("enc", use="enc"),
            "short": _rsa("short", 1024),
            "second": OKPKey.generate_key("Ed25519", parameters={"kid": "second"}),
            "other ed": OKPKey.generate_key("Ed25519", parameters={"kid": "ed"}),
            "other ec": ECKey.generate_key("P-256", parameters={"kid": "ec"}),
            "other rsa": _rsa("rsa"),
        }

    def key_set(self) -> dict[str, Any]:
        """What the first issuer publishes; some of it is no use, and must not be."""
        listed = [self.keys[name].as_dict(private=False) for name in ("ed", "ec", "rsa", "enc", "short")]
        secret = OctKey.import_key(b"listed secret of 32 bytes length", {"kid": "secret"})
        return {"keys": [*listed, dict(secret.as_dict(private=True)), {"kty": "AKP", "kid": "newer"}, 7]}

    def second_key_set(self) -> dict[str, Any]:
        """What the second issuer publishes."""
        return {"keys": [self.keys["second"].as_dict(private=False)]}

    def token(self, entry: dict[str, Any]) -> str:
        """The token of an entry of the corpus."""
        header = {"alg": "Ed25519", "kid": "ed", "typ": "at+jwt"} | _expanded(entry.get("header", {}))
        if isinstance(header.get("jwk"), str):
            header["jwk"] = self.keys[header["jwk"]].as_dict(private=False)
        header = {name: value for name, value in header.items() if value is not None}
        payload = entry.get("payload")
        body = json.dumps(self._claims(entry)).encode() if payload is None else str(_expanded(payload)).encode()
        signed = f"{_text(json.dumps(header).encode())}.{_text(body)}"
        token = f"{signed}.{_text(self._signature(entry['sign'], signed.encode()))}"
        return self._edited(token, entry["edit"]) if "edit" in entry else token

    def _claims(self, entry: dict[str, Any]) -> dict[str, Any]:
        now = int(time.time())
        claims: dict[str, Any] = {"iss": "first", "aud": AUDIENCE, "sub": "anna", "iat": now, "exp": now + 60}
        claims |= _expanded(entry.get("claims", {}))
        if isinstance(claims["iss"], str):
            claims["iss"] = claims["iss"].replace("first", self.first).replace("second", self.second)
        if type(claims["exp"]) is int and claims["exp"] < 0:
            claims["exp"] += now
        return {name: value for name, value in claims.items() if value is not None}

    def _signature(self, how: str, signed: bytes) -> bytes:
        if how in ("nothing", "zeros"):
            return b"" if how == "nothing" else bytes(64)
        if how.startswith("hmac "):
            return hmac.digest(self._secret(how.removeprefix("hmac ")), signed, hashlib.sha256)
        name = how if how in self.keys else how.split(" ")[0]
        private: Any = self.keys[name].private_key
        if isinstance(private, rsa.RSAPrivateKey):
            digest = hashes.SHA512() if how.endswith("sha512") else hashes.SHA256()
            pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
            return private.sign(signed, pss if how.endswith("pss") else padding.PKCS1v15(), digest)
        if isinstance(private, ec.EllipticCurvePrivateKey):
            made = private.sign(signed, ec.ECDSA(hashes.SHA256()))
            r, s = decode_dss_signature(made)
            return made if how.endswith("der") else r.to_bytes(32, "big") + s.to_bytes(32, "big")
        signature: bytes = private.sign(signed)
        return signature

    def _secret(self, what: str) -> bytes:
        if what in ("empty", "two", "listed"):
            return {"empty": b"", "two": b"2\n", "listed": b"listed secret of 32 bytes length"}[what]
        name, form = what.split(" ")
        key: Any = self.keys[name]
        public = key.as_dict(private=False)
        if form in public:
            return base64.urlsafe_b64decode(public[form] + "==")
        return json.dumps(public).encode() if form == "jwk" else bytes(getattr(key, f"as_{form}")(private=False))

    def _edited(self, token: str, how: str) -> str:
        header, claims, signature = token.split(".")
        other = self.token({"sign": "ed", "header": {"typ": "JWT"}, "claims": {"sub": "ben"}}).split(".")
        edits = {
            "splice claims": f"{header}.{other[1]}.{signature}",
            "splice header": f"{other[0]}.{claims}.{signature}",
            "cut": token[:-1],
            "lengthen": token + "AAAA",
            "drop": f"{header}.{claims}.",
            "fourth": f"{token}.{signature}",
            "json": _text(json.dumps({"payload": claims, "signatures": [signature, signature]}).encode()),
            "pad": f"{header}=.{claims}=.{signature}=",
        }
        return edits[how]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _expanded(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"repeat", "times"}:
        return value["repeat"] * value["times"]
    return {name: _expanded(each) for name, each in value.items()} if isinstance(value, dict) else value
