"""Signatures are those of the specification, count for one message at one moment, and for secrets that are in force."""

from datetime import UTC, datetime, timedelta

import pytest

from merchantry.gateways.webhook_signature import (
    ID,
    SIGNATURE,
    TIMESTAMP,
    Secrets,
    SecretUnusable,
    SignatureRefused,
    new_secret,
)
from tests.builders import NOON

OLD, NEW = new_secret(b"o" * 24), new_secret(b"n" * 32)
BODY = b'{"type": "payment.captured"}'
# Of the examples that implementations of the specification are checked with.
EXAMPLE_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EXAMPLE_AT = datetime.fromtimestamp(1614265330, UTC)
EXAMPLE_BODY = b'{"test": 2432232314}'
EXAMPLE_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_message_is_signed_as_the_specification_says() -> None:
    signed = Secrets([EXAMPLE_SECRET]).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", EXAMPLE_AT, EXAMPLE_BODY)
    assert signed == {
        ID: "msg_p5jXN8AQM9LWM0D4loKWxJek",
        TIMESTAMP: "1614265330",
        SIGNATURE: EXAMPLE_SIGNATURE,
    }
    assert Secrets([EXAMPLE_SECRET]).verify(signed, EXAMPLE_BODY, EXAMPLE_AT) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_while_a_secret_is_replaced_both_count_and_afterwards_the_new_one_alone() -> None:
    by_old = Secrets([OLD]).sign("m", NOON, BODY)
    by_new = Secrets([NEW, OLD]).sign("m", NOON, BODY)
    both = {**by_old, SIGNATURE: f"{by_old[SIGNATURE]} v1a,bm90aGluZw== {by_new[SIGNATURE]}"}
    for signed in (by_old, by_new, both):
        assert Secrets([NEW, OLD]).verify(signed, BODY, NOON) == "m"
    assert Secrets([NEW]).verify(both, BODY, NOON) == "m"
    with pytest.raises(SignatureRefused):
        Secrets([NEW]).verify(by_old, BODY, NOON)


@pytest.mark.parametrize("off", [timedelta(minutes=5, seconds=1), timedelta(minutes=-5, seconds=-1)])
def test_a_message_counts_at_its_time_only(off: timedelta) -> None:
    signed = Secrets([NEW]).sign("m", NOON, BODY)
    assert Secrets([NEW]).verify(signed, BODY, NOON + off * 0.99) == "m"
    with pytest.raises(SignatureRefused):
        Secrets([NEW]).verify(signed, BODY, NOON + off)


@pytest.mark.parametrize(
    "changed",
    [
        {ID: "n"},
        {ID: ""},
        {ID: "m" * 201},
        {ID: "m\n"},
        {TIMESTAMP: "1772452801"},
        {TIMESTAMP: "9" * 12},
        {TIMESTAMP: "-1"},
        {TIMESTAMP: "1e9"},
        {TIMESTAMP: "١٧٧٢٤٥٢٨٠٠"},
        {SIGNATURE: ""},
        {SIGNATURE: "v1"},
        {SIGNATURE: "v1,"},
        {SIGNATURE: "v1,%%%"},
        {SIGNATURE: "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {SIGNATURE: "é " * 1000},
    ],
    ids=range(15),
)
def test_what_is_not_what_was_signed_is_refused(changed: dict[str, str]) -> None:
    signed = Secrets([NEW]).sign("m", NOON, BODY)
    with pytest.raises(SignatureRefused):
        Secrets([NEW]).verify({**signed, **changed}, BODY, NOON)


@pytest.mark.parametrize("body", [BODY + b" ", b"", b"\xff"])
def test_another_body_is_refused(body: bytes) -> None:
    with pytest.raises(SignatureRefused):
        Secrets([NEW]).verify(Secrets([NEW]).sign("m", NOON, BODY), body, NOON)


def test_without_secrets_nothing_is_anybodys() -> None:
    with pytest.raises(SignatureRefused):
        Secrets([]).verify(Secrets([NEW]).sign("m", NOON, BODY), BODY, NOON)


@pytest.mark.parametrize("text", ["", "whsec_", "secret", "whsec_c2hvcnQ=", "whsec_!!!!", new_secret(b"x" * 65)])
def test_a_secret_that_is_too_short_too_long_or_no_base64_is_refused(text: str) -> None:
    with pytest.raises(SecretUnusable):
        Secrets([text])
