"""Pages of orders that PostgreSQL writes in one text are the pages that would have been made of their rows."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from json import dumps
from random import Random
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from graphql_api.schema import schema
from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.services import contact_conversion
from merchantry.tables.contact import contact_key
from merchantry.tables.merchant import orders
from tenancy.principals import Merchant
from tests.builders import an_act
from tests.graphql_api.counting import counted
from tests.graphql_api.mall import Mall
from tests.graphql_api.orders_of_any_sort import (
    OrderWriter,
    a_query,
    a_seller,
    asked_as_it_comes,
)
from tests.graphql_api.random_documents import CONDITIONS

SEEDS = 80
SEEDS_OF_CONTACTS = 40
LISTS = (
    "nodes {}",
    "renamed: nodes {}",
    "edges {{ node {} cursor }}",
    "edges {{ at: cursor __typename }} edges {{ node {} renamed: node {{ id }} }} __typename",
    "...on OrderConnection {{ nodes {} }} nodes {{ number }}",
    "edges {{ cursor }} nodes {}",
    "edges {{ cursor node {} }} other: edges {{ cursor }}",
)
WITH_CONTACTS = (
    "nodes {{ contact ...{} shipTo {{ name country }} }}",
    "nodes {{ number ...{} to: shipTo {{ __typename postalCode name phone }} contact }}",
    "edges {{ cursor node {{ shipTo {{ city }} contact }} again: node {{ contact ...{} }} }}",
)
NOTED = (
    """{ platform { auditEvents(first: 100, filter: { act: "contact.read" }) { nodes { actor subject after } } } }"""
)


def a_page_document(seed: int, lists: Sequence[str] = LISTS) -> str:
    """Pages of a connection with anything of it; under ``at`` where the page lies."""
    random = Random(seed)
    writer = OrderWriter(schema.graphql_schema, random, left=40)
    filters = ["", "", "status: [TO_SHIP, DELIVERED, CANCELLED]", "overdue: true", 'externalRef: "nobody calls one so"']
    arguments = f"first: {random.choice([1, 4, 13, 100])}, after: $after {random.choice(filters)}"
    at = "at: pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
    body = f"{{ {at} {random.choice(lists).format(writer.order())} ...{writer.connection()} }}"
    return a_query(f"merchant {{ orders({arguments}) {body} }}", writer, "$after: String")


async def test_pages_that_come_as_one_text_are_the_pages_that_would_have_been_made(
    mall: Mall, monkeypatch: pytest.MonkeyPatch
) -> None:
    seller = await a_seller(mall, 30)
    ways = Counter[str]()
    for seed in range(SEEDS):
        document = a_page_document(seed)
        variables: dict[str, Any] = {f"c{at}": bool(seed >> at & 1) for at in range(CONDITIONS)}
        for _ in range(4):
            with counted(monkeypatch) as sent:
                written = await mall.ask(document, variables, who="olga", merchant=seller.slug)
            made = await asked_as_it_comes(mall, monkeypatch, document, variables, who="olga", merchant=seller.slug)
            assert dumps(written.body) == dumps(made.body), document
            at = made.data["merchant"]["orders"]["at"]
            is_one = any("string_agg(found.written" in text for text in sent)
            ways["one"] += is_one
            ways["one of edges"] += is_one and "edges {" in document
            ways["one, behind another"] += is_one and at["hasPreviousPage"]
            ways["one, nothing in it"] += is_one and at["endCursor"] is None
            ways["rows"] += not is_one
            if not at["hasNextPage"]:
                break
            variables["after"] = at["endCursor"]
    assert all(ways[way] > 4 for way in ways), ways
    assert ways["one"] > SEEDS // 2, ways


@pytest.mark.parametrize("role", [MerchantRole.OWNER, MerchantRole.ACCOUNTANT])
async def test_contacts_of_pages_that_come_as_one_text_are_opened_and_noted_as_ever(
    mall: Mall, monkeypatch: pytest.MonkeyPatch, role: MerchantRole
) -> None:
    seller = await a_seller(mall, 30)
    await seal(mall, seller, forgotten=5)
    for who in ("rita", "rob"):
        await mall.hire(who, seller, role)
    await mall.appoint("auditor", PlatformRole.AUDITOR)
    ways = Counter[str]()
    for seed in range(SEEDS_OF_CONTACTS):
        document = a_page_document(seed, WITH_CONTACTS)
        variables: dict[str, Any] = {f"c{at}": bool(seed >> at & 1) for at in range(CONDITIONS)}
        with counted(monkeypatch) as sent:
            written = await mall.ask(document, variables, who="rita", merchant=seller.slug)
        made = await asked_as_it_comes(mall, monkeypatch, document, variables, who="rob", merchant=seller.slug)
        assert dumps(written.body) == dumps(made.body), document
        ways["one"] += any("string_agg(found.written" in text for text in sent)
        ways["shown"] += '"SHOWN"' in dumps(made.body)
        ways["erased"] += '"ERASED"' in dumps(made.body)
    may_open = role is MerchantRole.OWNER
    assert ways["one"] > SEEDS_OF_CONTACTS // 2, ways
    assert (ways["shown"] > 10, ways["erased"] > 10) == (may_open, may_open)
    noted = (await mall.ask(NOTED, who="auditor")).data["platform"]["auditEvents"]["nodes"]
    of_rita, of_rob = (
        Counter(dumps([each["subject"], each["after"]]) for each in noted if each["actor"] == f"staff:{account}")
        for account in [await mall.account("rita"), await mall.account("rob")]
    )
    assert of_rita == of_rob
    assert (of_rita.total() > 10, of_rita.total() > 0) == (may_open, may_open)


async def test_a_contact_that_does_not_open_is_told_of_as_ever(mall: Mall, monkeypatch: pytest.MonkeyPatch) -> None:
    seller = await a_seller(mall, 3)
    await seal(mall, seller)
    async with mall.database.write("test") as tx, tx.as_merchant(seller.id) as session:
        await session.execute(
            update(orders).where(orders.c.contact.is_not(None)).values(contact=b"nothing of the kind")
        )
    document = "{ merchant { slug orders { nodes { number shipTo { city } } } } }"
    written = await mall.ask(document, who="olga", merchant=seller.slug)
    made = await asked_as_it_comes(mall, monkeypatch, document, {}, who="olga", merchant=seller.slug)
    for answer in (written, made):
        assert answer.body["data"] == {"merchant": {"slug": seller.slug, "orders": None}}
        assert answer.codes == ["INTERNAL"]


async def seal(mall: Mall, seller: Merchant, *, forgotten: int = 0) -> None:
    """Seal the merchant's contacts, and destroy the keys of some."""
    async with mall.database.write("test") as tx, tx.as_merchant(seller.id) as session:
        assert await contact_conversion.seal_some(session, mall.tools.vault, an_act())
    some = select(contact_key.c.subject_id).where(contact_key.c.merchant_id == seller.id).limit(forgotten)
    async with mall.database.write("test") as tx, tx.as_platform() as session:
        await session.execute(delete(contact_key).where(contact_key.c.subject_id.in_(some)))


async def test_every_page_by_its_cursor_together_is_all_orders_once(mall: Mall) -> None:
    seller = await a_seller(mall, 30)
    document = """query ($first: Int, $after: String) { merchant { orders(first: $first, after: $after) {
        edges { cursor node { number } } pageInfo { startCursor endCursor hasNextPage } } } }"""
    (every,) = [page async for page in pages_of(mall, seller, document, 100)]
    assert len({edge["cursor"] for edge in every["edges"]}) == 30
    for first in (1, 7, 10, 29, 30):
        pages = [page async for page in pages_of(mall, seller, document, first)]
        assert [edge for page in pages for edge in page["edges"]] == every["edges"]
        assert len(pages) == -(-30 // first)
        for page in pages:
            found = page["pageInfo"]
            assert (found["startCursor"], found["endCursor"]) == (
                page["edges"][0]["cursor"],
                page["edges"][-1]["cursor"],
            )


async def pages_of(mall: Mall, seller: Merchant, document: str, first: int) -> AsyncIterator[dict[str, Any]]:
    """All pages of so many orders."""
    after = None
    while True:
        answer = await mall.ask(document, {"first": first, "after": after}, who="olga", merchant=seller.slug)
        yield (page := answer.data["merchant"]["orders"])
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return


async def test_a_page_is_one_statement_in_one_round_trip(mall: Mall, monkeypatch: pytest.MonkeyPatch) -> None:
    seller = await a_seller(mall, 3)
    document = "{ merchant { orders(first: 2) { pageInfo { hasNextPage } edges { cursor node { lines { sku } } } } } }"
    with counted(monkeypatch) as sent:
        answer = await mall.ask(document, who="olga", merchant=seller.slug)
    assert answer.data["merchant"]["orders"]["pageInfo"] == {"hasNextPage": True}
    assert [text for text in sent if text.startswith("SELECT") and "set_config" not in text] == [sent[1]]
    assert sent.round_trips == 1
