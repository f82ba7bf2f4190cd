"""News are declared once, shown as declared, and told to whom the event itself is told to."""

from pathlib import Path

import pytest

from merchantry.domain.event import CATALOGUE, EventKind
from merchantry.domain.notification import (
    NEWS,
    Audience,
    NewsGroup,
    group_of,
    heard_by_platform,
    heard_by_staff,
    kinds_of,
    markdown,
)
from merchantry.domain.permission import MerchantRole, Permission, PlatformRole

DOCUMENT = Path(__file__).parents[2] / "docs" / "notifications.md"


def test_the_documentation_shows_every_kind_of_news() -> None:
    assert markdown() in DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", list(NEWS))
def test_news_are_told_to_nobody_whom_the_event_is_not_told_to(kind: EventKind) -> None:
    assert group_of(kind) in NewsGroup
    assert NEWS[kind]
    assert Audience.BUYER not in NEWS[kind] or CATALOGUE[kind].to_buyer
    assert Audience.STAFF not in NEWS[kind] or CATALOGUE[kind].staff


def test_every_group_has_news() -> None:
    assert all(kinds_of([group]) for group in NewsGroup)
    assert kinds_of([]) == frozenset()


def test_staff_hear_what_their_permissions_reach() -> None:
    viewer, owner = (heard_by_staff(frozenset({role})) for role in (MerchantRole.VIEWER, MerchantRole.OWNER))
    assert EventKind.ORDER_CREATED in viewer
    assert EventKind.PAYOUT_PAID not in viewer
    assert viewer < owner
    assert heard_by_staff(frozenset({Permission.ORDER_READ})) == frozenset()
    assert heard_by_staff(frozenset()) == frozenset()


def test_the_platforms_people_hear_what_their_permissions_reach() -> None:
    assert EventKind.CASE_OPENED in heard_by_platform(frozenset({PlatformRole.REVIEWER}))
    assert heard_by_platform(frozenset({MerchantRole.OWNER})) == frozenset()
