"""What the verifier accepts and what it refuses, by tokens that attackers are known to send."""

import base64
import hashlib
import hmac
import json
import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

from tenancy.token_keys import read_keys
from tenancy.tokens import DevelopmentIssuer, TokenRefused, TokenVerifier

ISSUER = "https://issuer.example"
AUDIENCE = "merchantry"
KEY = OKPKey.generate_key("Ed25519", parameters={"kid": "one"})
OTHER_KEY = OKPKey.generate_key("Ed25519", parameters={"kid": "one"})


def a_verifier(*keys: Any, **options: Any) -> TokenVerifier:
    public = [type(key).import_key(key.as_dict(private=False)) for key in keys or (KEY,)]
    return TokenVerifier(KeySet(public), ISSUER, AUDIENCE, **options)


def some_claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "anna", "iat": now, "exp": now + 60} | changes
    return {name: value for name, value in claims.items() if value is not None}


def a_token(key: Any = KEY, header: dict[str, Any] | None = None, **changes: Any) -> str:
    header = {"alg": "Ed25519", "kid": "one"} | (header or {})
    return jwt.encode(header, some_claims(**changes), key, algorithms=[header["alg"]])


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def a_forged_token(header: Any, payload: Any = None, signature: bytes = b"x") -> str:
    parts = [json.dumps(part).encode() for part in (header, some_claims() if payload is None else payload)]
    return ".".join([*map(base64url, parts), base64url(signature)])


def signed_by(key: OKPKey, header: Any, payload: bytes) -> str:
    """A token with any header and payload and a good signature."""
    signing_input = base64url(json.dumps(header).encode()) + "." + base64url(payload)
    signature = key.private_key.sign(signing_input.encode())  # type: ignore[union-attr]
    return f"{signing_input}.{base64url(signature)}"


def refusal(token: str, verifier: TokenVerifier | None = None) -> str:
    with pytest.raises(TokenRefused) as refused:
        (verifier or a_verifier()).verify(token)
    return refused.value.reason


def test_a_good_token_gives_its_claims() -> None:
    claims = a_verifier().verify(a_token(email="anna@example.org", email_verified=True))
    assert (claims.issuer, claims.subject, claims.email) == (ISSUER, "anna", "anna@example.org")
    assert claims.expires_at.timestamp() > time.time()


def test_an_unverified_email_is_not_believed() -> None:
    assert a_verifier().verify(a_token(email="anna@example.org")).email is None
    assert a_verifier().verify(a_token(email="anna@example.org", email_verified="true")).email is None
    assert a_verifier().verify(a_token(email=["anna@example.org"], email_verified=True)).email is None


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("ES256", ECKey.generate_key("P-256", parameters={"kid": "one"})),
        ("RS256", RSAKey.generate_key(2048, parameters={"kid": "one"})),
        ("PS256", RSAKey.generate_key(2048, parameters={"kid": "one"})),
    ],
)
def test_other_asymmetric_algorithms_are_accepted(algorithm: str, key: Any) -> None:
    token = a_token(key, {"alg": algorithm})
    assert a_verifier(key).verify(token).subject == "anna"
    assert refusal(token, a_verifier(key, algorithms=["Ed25519"])) == "signed with an algorithm that is not accepted"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
def test_a_token_without_a_signature_is_refused(algorithm: str) -> None:
    token = a_forged_token({"alg": algorithm, "kid": "one"}, signature=b"")
    assert refusal(token) == "malformed"
    assert refusal(token + "eA") == "signed with an algorithm that is not accepted"


@pytest.mark.parametrize(
    "secret", [KEY.as_pem(private=False), json.dumps(KEY.as_dict(private=False)).encode()], ids=["pem", "jwk"]
)
def test_hs256_with_the_public_key_as_secret_is_refused(secret: bytes) -> None:
    head, body, _ = a_forged_token({"alg": "HS256", "kid": "one"}).split(".")
    signature = hmac.digest(secret, f"{head}.{body}".encode(), hashlib.sha256)
    assert refusal(f"{head}.{body}.{base64url(signature)}") == "signed with an algorithm that is not accepted"


def test_an_rsa_key_does_not_verify_an_elliptic_signature() -> None:
    elliptic, rsa = ECKey.generate_key("P-256"), RSAKey.generate_key(2048, parameters={"kid": "one"})
    token = a_token(elliptic, {"alg": "ES256"})
    assert refusal(token, a_verifier(rsa)) == "not signed by a key that is trusted here"


def test_a_token_by_another_key_of_the_same_name_is_refused() -> None:
    assert refusal(a_token(OTHER_KEY)) == "not signed by a key that is trusted here"


@pytest.mark.parametrize("kid", ["two", "", "../one", "one\x00", "one' OR '1'='1", "/dev/null"])
def test_a_key_id_only_names_a_trusted_key(kid: str) -> None:
    verifier = a_verifier(KEY, OKPKey.generate_key("Ed25519", parameters={"kid": "three"}))
    assert refusal(a_token(header={"kid": kid}), verifier) == "not signed by a key that is trusted here"


@pytest.mark.parametrize("kid", [1, None, ["one"], {"one": 1}])
def test_a_key_id_that_is_no_text_is_malformed(kid: Any) -> None:
    assert refusal(a_forged_token({"alg": "Ed25519", "kid": kid})) == "malformed"


@pytest.mark.parametrize(
    "header",
    [
        {"jku": "https://attacker.example/keys.json"},
        {"x5u": "https://attacker.example/chain.pem"},
        {"crit": "exp"},
        {"cty": "JWT"},
        {"nonce": "1"},
    ],
)
def test_a_header_that_would_change_verification_is_refused(header: dict[str, Any]) -> None:
    token = signed_by(KEY, {"alg": "Ed25519", "kid": "one"} | header, json.dumps(some_claims()).encode())
    assert refusal(token) == "with a header that is not accepted"


def test_an_embedded_key_is_never_used() -> None:
    header = {"alg": "Ed25519", "kid": "one", "jwk": OTHER_KEY.as_dict(private=False)}
    assert refusal(signed_by(OTHER_KEY, header, json.dumps(some_claims()).encode())) == "malformed"


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"crit": ["b64"], "b64": False}, {"b64": False}, {"crit": 5}])
def test_a_critical_header_is_refused(header: dict[str, Any]) -> None:
    token = signed_by(KEY, {"alg": "Ed25519", "kid": "one"} | header, json.dumps(some_claims()).encode())
    assert refusal(token) == "malformed"


def test_header_and_payload_of_two_tokens_do_not_mix() -> None:
    anna, ben = a_token().split("."), a_token(sub="ben").split(".")
    for spliced in ([anna[0], ben[1], anna[2]], [anna[0], anna[1], ben[2]]):
        assert refusal(".".join(spliced)) == "not signed by a key that is trusted here"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": "somebody-else"}, "wrong audience"),
        ({"aud": ["a", "b"]}, "wrong audience"),
        ({"aud": None}, "wrong audience"),
        ({"aud": 7}, "wrong audience"),
        ({"iss": "https://attacker.example"}, "wrong issuer"),
        ({"iss": [ISSUER]}, "wrong issuer"),
        ({"iss": None}, "wrong issuer"),
        ({"exp": 1_000_000_000}, "expired"),
        ({"exp": None}, "without a valid expiry"),
        ({"exp": "tomorrow"}, "without a valid expiry"),
        ({"exp": True}, "without a valid expiry"),
        ({"exp": 10**30}, "without a valid expiry"),
        ({"nbf": 4_000_000_000}, "not yet valid"),
        ({"iat": 4_000_000_000}, "issued in the future"),
        ({"sub": None}, "without a subject"),
        ({"sub": ""}, "without a subject"),
        ({"sub": 5}, "without a subject"),
        ({"sub": "x" * 256}, "without a subject"),
        ({"sub": "an\x00na"}, "without a subject"),
    ],
)
def test_claims_are_checked(changes: dict[str, Any], reason: str) -> None:
    assert refusal(a_token(**changes)) == reason


def test_the_clock_may_be_off_by_half_a_minute() -> None:
    assert a_verifier().verify(a_token(exp=int(time.time()) - 15)).subject == "anna"
    assert refusal(a_token(exp=int(time.time()) - 45)) == "expired"


def test_an_expiry_that_is_no_number_never_passes() -> None:
    for text in ("NaN", "Infinity", "1e400"):
        payload = json.dumps(some_claims(exp=0)).replace('"exp": 0', f'"exp": {text}').encode()
        assert refusal(signed_by(KEY, {"alg": "Ed25519", "kid": "one"}, payload)) == "without a valid expiry"


def test_audiences_may_be_several() -> None:
    assert a_verifier().verify(a_token(aud=["another", AUDIENCE])).subject == "anna"


def test_an_identity_token_type_is_refused() -> None:
    assert refusal(a_token(header={"typ": "secevent+jwt"})) == "not an access token"


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "a.b.c.d.e",
        "..",
        "ä.b.c",
        "x" * 10_000,
        a_token() + "=",
        a_forged_token([]),
        a_forged_token("alg"),
        a_forged_token(None),
        a_forged_token({"alg": {"alg": "Ed25519"}}),
        a_forged_token({"alg": "Ed25519", "kid": "k" * 600}),
    ],
)
def test_whatever_is_no_token_is_refused(token: str) -> None:
    assert refusal(token) in ("malformed", "not signed by a key that is trusted here")


@pytest.mark.parametrize("payload", [b"[]", b"null", b"not json", b"[" * 3000, b"\xff"])
def test_a_signed_payload_that_holds_no_claims_is_refused(payload: bytes) -> None:
    token = signed_by(KEY, {"alg": "Ed25519", "kid": "one"}, payload)
    assert refusal(token) == "not signed by a key that is trusted here"


def test_a_verifier_takes_no_key_that_can_sign() -> None:
    with pytest.raises(ValueError, match="no symmetric"):
        TokenVerifier(KeySet([OctKey.generate_key(256)]), ISSUER, AUDIENCE)
    for algorithms in (["HS256"], ["none"], []):
        with pytest.raises(ValueError, match="algorithms must be"):
            a_verifier(algorithms=algorithms)


def test_the_development_issuer_keeps_its_key(tmp_path: Path) -> None:
    first = DevelopmentIssuer.load_or_create(tmp_path / "data")
    second = DevelopmentIssuer.load_or_create(tmp_path / "data")
    claims = second.verifier().verify(first.issue("anna", "anna@example.org", 60))
    assert (claims.issuer, claims.subject, claims.email) == ("merchantry-development", "anna", "anna@example.org")
    assert first.verifier().verify(first.issue("ben", None, 60)).email is None
    assert refusal(first.issue("anna", None, -60), first.verifier()) == "expired"
    assert refusal(a_token(), first.verifier()) == "not signed by a key that is trusted here"


def test_the_development_key_is_its_owners_only(tmp_path: Path) -> None:
    DevelopmentIssuer.load_or_create(tmp_path)
    path = tmp_path / "issuer.jwk"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["issuer.jwk"]
    path.chmod(0o644)
    with pytest.raises(ValueError, match="chmod 600"):
        DevelopmentIssuer.load_or_create(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"kty": "oct", "k": "eA"}', json.dumps(KEY.as_dict(private=False)).encode()],
    ids=["empty", "list", "no key", "symmetric", "public"],
)
def test_a_broken_development_key_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "issuer.jwk"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ValueError, match=r"issuer\.jwk is not a private Ed25519"):
        DevelopmentIssuer.load_or_create(tmp_path)


def issue_in(directory: Path) -> str:
    return DevelopmentIssuer.load_or_create(directory).issue("anna", None, 60)


def test_processes_that_start_at_once_share_one_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        tokens = pool.map(issue_in, [tmp_path] * 8, chunksize=1)
    verifier = DevelopmentIssuer.load_or_create(tmp_path).verifier()
    assert {verifier.verify(token).subject for token in tokens} == {"anna"}


def test_keys_are_read_from_a_key_set_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [KEY.as_dict(private=False)]}))
    assert TokenVerifier(read_keys(path), ISSUER, AUDIENCE).verify(a_token()).subject == "anna"
    for broken in ("", "{}", "[]", '{"keys": [1]}', '{"keys": []}'):
        path.write_text(broken)
        with pytest.raises(ValueError, match="JSON Web Key Set"):
            read_keys(path)
