"""The bytes of an audit event are exact, its commitment can be reckoned anywhere, and secrets are masked by name."""

import dataclasses
from datetime import UTC, datetime
from uuid import UUID

import pytest

from merchantry.domain.audit import MASK, AuditEvent, Outcome, canonical_bytes, commitment, masked

EVENT = AuditEvent(
    merchant_id=UUID("0190a0b0-0000-7000-8000-000000000001"),
    id=UUID("0190a0b0-0000-7000-8000-000000000002"),
    actor="staff:0190a0b0-0000-7000-8000-000000000003",
    on_behalf_of="merchant:0190a0b0-0000-7000-8000-000000000001",
    client="token",
    request_id="request-1",
    act="product.publish",
    subject="0190a0b0-0000-7000-8000-000000000004",
    outcome=Outcome.DONE,
    before=None,
    after={"title": "Café", "price_minor": 1250},
    occurred_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
    booked_at=datetime(2026, 3, 2, 12, 0, 0, 5, tzinfo=UTC),
    salt=bytes(range(32)),
)
BYTES = (
    '{"act":"product.publish","actor":"staff:0190a0b0-0000-7000-8000-000000000003",'
    '"after":{"price_minor":1250,"title":"Café"},"before":null,"booked_at":"2026-03-02T12:00:00.000005Z",'
    '"client":"token","format":"merchantry-audit-event/v1","id":"0190a0b0-0000-7000-8000-000000000002",'
    '"merchant_id":"0190a0b0-0000-7000-8000-000000000001","occurred_at":"2026-03-02T12:00:00.000000Z",'
    '"on_behalf_of":"merchant:0190a0b0-0000-7000-8000-000000000001","outcome":"DONE","request_id":"request-1",'
    '"subject":"0190a0b0-0000-7000-8000-000000000004"}'
)
COMMITMENT = "301d014ab2a4dd1de36b06ae4467a0ff531e70b7222a8a60c062d632d25a31b1"


def test_the_example_of_the_documentation_has_these_bytes_and_this_commitment() -> None:
    assert canonical_bytes(EVENT).decode() == BYTES
    assert commitment(EVENT).hex() == COMMITMENT


@pytest.mark.parametrize(
    "changed",
    [{"actor": "x"}, {"outcome": Outcome.REFUSED}, {"salt": bytes(32)}, {"after": None}, {"client": None}],
    ids=lambda changed: next(iter(changed)),
)
def test_whatever_is_changed_changes_the_commitment(changed: dict[str, object]) -> None:
    assert commitment(dataclasses.replace(EVENT, **changed)) != commitment(EVENT)  # type: ignore[arg-type]


def test_a_salt_of_another_length_and_facts_without_an_exact_form_are_refused() -> None:
    with pytest.raises(ValueError, match="salt"):
        commitment(dataclasses.replace(EVENT, salt=b"short"))
    with pytest.raises(ValueError, match="float"):
        canonical_bytes(dataclasses.replace(EVENT, after={"rate": 0.5}))


def test_secrets_are_masked_by_their_names_at_any_depth_and_nothing_else_is() -> None:
    facts = {"iban": "DE89", "token": None, "lines": [{"phone": "1", "sku": "a"}], "to": {"street": "s", "n": 1}}
    expected = {"iban": MASK, "token": None, "lines": [{"phone": MASK, "sku": "a"}], "to": {"street": MASK, "n": 1}}
    assert masked(facts) == expected
