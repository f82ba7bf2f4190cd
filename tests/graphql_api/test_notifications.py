"""Notifications by the public door: whom an event is told to, once, and for as long as they may hear of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from starlette.applications import Starlette
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from graphql_api.relay import encode_id
from merchantry.domain.event import EventKind
from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.jobs.notifying import notify, notify_all, prune
from merchantry.jobs.telling import KEPT
from merchantry.services import merchant as merchants
from merchantry.services import outbox, staff
from tenancy.database import Database
from tenancy.principals import Merchant
from tests.builders import a_merchant, a_product, an_act
from tests.graphql_api.a_schema import served
from tests.graphql_api.documents import a_line, buy, ship
from tests.graphql_api.mall import Mall, open_mall

LIST = """query ($f: NotificationFilter, $n: Int, $a: String) { viewer { unreadCount
  notifications(filter: $f, first: $n, after: $a) { nodes { id kind group audience merchantSlug subject readAt }
    pageInfo { endCursor hasNextPage } } } }"""
MARK = """mutation ($i: NotificationsMarkReadInput!) { notificationsMarkRead(input: $i) { __typename
  ... on NotificationsMarked { changed unreadCount } ... on Problem { code path } } }"""
PREFER = """mutation ($i: NotificationPreferenceSetInput!) { notificationPreferenceSet(input: $i) { __typename
  ... on NotificationPreferenceChanged { preferences { merchantSlug group channel } }
  ... on Problem { code path } } }"""
OF_MERCHANT = "{ merchant { notifications { nodes { id kind } } } }"
WAIT_SECONDS = 20


@pytest.fixture
async def mall(database: Database, tmp_path: Path) -> AsyncIterator[Mall]:
    async with open_mall(database, tmp_path) as mall:
        kites = await a_merchant(database, "kites")
        boats = await a_merchant(database, "boats")
        for name, merchant, role in (
            ("olga", kites, MerchantRole.OWNER),
            ("vera", kites, MerchantRole.VIEWER),
            ("berta", boats, MerchantRole.OWNER),
        ):
            await mall.hire(name, merchant, role)
        await mall.appoint("fin", PlatformRole.FINANCE)
        mall.accounts = {"kites": kites.id, "boats": boats.id}
        yield mall


async def a_sale(mall: Mall, database: Database, buyer: str = "ana", slug: str = "kites") -> str:
    """An order that is paid and shipped; its id."""
    shop = Merchant(mall.accounts[slug], slug, "active")
    kite = await a_product(database, shop)
    bought = await buy(mall, buyer, a_line(shop, kite, 1, "50.00"))
    order_id: str = bought["orders"][0]["id"]
    return order_id


async def told(mall: Mall, who: str, **filters: Any) -> list[dict[str, Any]]:
    answer = await mall.ask(LIST, {"f": filters or None, "n": 100}, who=who)
    nodes: list[dict[str, Any]] = answer.data["viewer"]["notifications"]["nodes"]
    return nodes


async def count(mall: Mall, who: str) -> int:
    number: int = (await mall.ask("{ viewer { unreadCount } }", who=who)).data["viewer"]["unreadCount"]
    return number


async def mark(mall: Mall, who: str, **given: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await mall.ask(MARK, {"i": given}, who=who)).data["notificationsMarkRead"]
    return answer


async def prefer(mall: Mall, who: str, **given: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await mall.ask(PREFER, {"i": given}, who=who)).data["notificationPreferenceSet"]
    return answer


async def test_each_is_told_what_concerns_them_and_others_nothing(mall: Mall, database: Database) -> None:
    order_id = await a_sale(mall, database)
    await mall.notify()
    assert [each["kind"] for each in await told(mall, "ana")] == ["order.paid", "order.created"]
    (of_staff,) = await told(mall, "olga")
    assert (of_staff["kind"], of_staff["group"], of_staff["audience"]) == ("order.created", "ORDERS", "STAFF")
    assert (of_staff["merchantSlug"], of_staff["subject"]["order"]) == ("kites", order_id)
    assert {each["audience"] for each in await told(mall, "ana")} == {"BUYER"}
    assert len(await told(mall, "vera")) == 1
    for other in ("berta", "bob", "fin"):
        assert await told(mall, other) == []
        assert await count(mall, other) == 0
    shown = (await mall.ask(OF_MERCHANT, who="olga", merchant="kites")).data["merchant"]["notifications"]["nodes"]
    assert [each["id"] for each in shown] == [of_staff["id"]]
    assert (await mall.ask(LIST)).codes == ["UNAUTHENTICATED"] * 2


async def test_an_event_is_told_once_however_often_it_is_read(mall: Mall, database: Database) -> None:
    await a_sale(mall, database)
    await mall.notify()
    before = await told(mall, "ana")
    with psycopg.connect(database.logins.owner) as owner:
        owner.execute("UPDATE platform.outbox_consumer SET seq = 0 WHERE name = 'notifications'")
    rounds = await asyncio.gather(*(notify(database, mall.clock()) for _ in range(3)), return_exceptions=True)
    assert not [each for each in rounds if isinstance(each, Exception)]
    await notify_all(database, mall.clock())
    assert await told(mall, "ana") == before


async def test_roles_decide_what_is_told_and_a_lost_one_hides_what_was(mall: Mall, database: Database) -> None:
    kites = mall.accounts["kites"]
    async with database.write("test") as tx, tx.as_merchant(kites) as session:
        facts = {"payout": kites, "number": "PO-1", "amount_minor": 100, "currency": "BRL"}
        await outbox.publish(session, EventKind.PAYOUT_FAILED, facts, an_act())
    await mall.notify()
    assert [each["kind"] for each in await told(mall, "olga")] == ["payout.failed"]
    assert await told(mall, "vera") == []
    assert [each["audience"] for each in await told(mall, "fin")] == ["PLATFORM"]
    (mine,) = await told(mall, "olga")
    account = await mall.account("olga")
    await mall.hire("petra", Merchant(kites, "kites", "active"), MerchantRole.OWNER)
    async with database.write("test") as tx, tx.as_platform() as session:
        await staff.revoke_role(session, account, kites, MerchantRole.OWNER, an_act())
    await until_unseen(mall, "olga")
    assert await count(mall, "olga") == 0
    assert (await mark(mall, "olga", ids=[mine["id"]]))["code"] == "NOT_FOUND"
    node = await mall.ask("query ($i: ID!) { node(id: $i) { id } }", {"i": mine["id"]}, who="olga")
    assert node.data["node"] is None


async def until_unseen(mall: Mall, who: str) -> None:
    """A lost right is heard of a moment after the commit."""
    async with asyncio.timeout(WAIT_SECONDS):
        while await told(mall, who):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_suspended_merchants_notifications_are_shut(mall: Mall, database: Database) -> None:
    await a_sale(mall, database)
    await mall.notify()
    async with database.write("test") as tx, tx.as_platform() as session:
        await merchants.set_status(session, "kites", "suspended", an_act())
    assert await told(mall, "olga") == []
    assert len(await told(mall, "ana")) == 2


async def test_reading_is_counted_by_id_and_up_to_a_cursor(mall: Mall, database: Database) -> None:
    for _ in range(2):
        await a_sale(mall, database)
    await mall.notify()
    assert await count(mall, "ana") == 4
    page = (await mall.ask(LIST, {"n": 3}, who="ana")).data["viewer"]["notifications"]
    newest = page["nodes"][0]["id"]
    assert await mark(mall, "ana", ids=[newest]) == {
        "__typename": "NotificationsMarked",
        "changed": 1,
        "unreadCount": 3,
    }
    assert (await mark(mall, "ana", ids=[newest]))["changed"] == 0
    assert len(await told(mall, "ana", unread=True)) == 3
    assert (await mark(mall, "ana", upTo=page["pageInfo"]["endCursor"]))["unreadCount"] == 1
    assert (await mark(mall, "ana", ids=[newest], read=False))["unreadCount"] == 2
    rest = (await mall.ask(LIST, {"n": 3, "a": page["pageInfo"]["endCursor"]}, who="ana")).data["viewer"]
    assert len(rest["notifications"]["nodes"]) == 1


async def test_nobody_marks_or_finds_what_is_another_s(mall: Mall, database: Database) -> None:
    await a_sale(mall, database)
    await mall.notify()
    (of_olga,) = await told(mall, "olga")
    missing = encode_id("Notification", mall.accounts["kites"], mall.accounts["boats"])
    for who in ("ana", "vera", "berta", "fin"):
        assert await mark(mall, who, ids=[of_olga["id"]]) == await mark(mall, who, ids=[missing])
        node = await mall.ask("query ($i: ID!) { node(id: $i) { id } }", {"i": of_olga["id"]}, who=who)
        assert node.data["node"] is None
    assert await count(mall, "olga") == 1
    refused = (await mark(mall, "ana"))["code"], (await mark(mall, "ana", ids=[], upTo="x"))["code"]
    assert refused == ("INVALID_INPUT", "INVALID_INPUT")
    assert (await mark(mall, "ana", ids=[missing] * 101))["code"] == "INVALID_INPUT"


@pytest.mark.parametrize("slug", ["boats", "no-such", "", "凧" * 1000], ids=["another's", "nobody's", "empty", "long"])
async def test_a_merchant_that_is_not_ones_own_is_unknown(mall: Mall, slug: str) -> None:
    answer = await prefer(mall, "olga", merchantSlug=slug, group="ORDERS", channel="NONE")
    assert answer == {"__typename": "NotFound", "code": "NOT_FOUND", "path": ["input", "merchantSlug"]}
    listed = await mall.ask(LIST, {"f": {"merchantSlug": slug}}, who="olga")
    assert listed.codes == ["NOT_FOUND"]


async def test_preferences_hold_at_one_merchant_or_wherever_nothing_else_is_said(
    mall: Mall, database: Database
) -> None:
    await mall.hire("olga", Merchant(mall.accounts["boats"], "boats", "active"), MerchantRole.OWNER)
    await prefer(mall, "olga", group="ORDERS", channel="NONE")
    said = await prefer(mall, "olga", merchantSlug="kites", group="ORDERS", channel="IN_APP")
    assert said["preferences"] == [
        {"merchantSlug": None, "group": "ORDERS", "channel": "NONE"},
        {"merchantSlug": "kites", "group": "ORDERS", "channel": "IN_APP"},
    ]
    for slug in ("kites", "boats"):
        await a_sale(mall, database, slug=slug)
    await mall.notify()
    assert [each["merchantSlug"] for each in await told(mall, "olga")] == ["kites"]
    assert len(await told(mall, "berta")) == 1
    shown = (await mall.ask("{ viewer { notificationPreferences { channel } } }", who="berta")).data["viewer"]
    assert shown["notificationPreferences"] == []


async def test_filters_show_a_part(mall: Mall, database: Database) -> None:
    order_id = await a_sale(mall, database)
    await ship(mall, "olga", Merchant(mall.accounts["kites"], "kites", "active"), order_id)
    await mall.notify()
    assert len(await told(mall, "ana", groups=["ORDERS"])) == 3
    assert await told(mall, "ana", groups=["SETTLEMENT", "RETURNS"]) == []
    assert await told(mall, "ana", groups=[]) == []
    assert len(await told(mall, "olga", merchantSlug="kites")) == 1


async def test_an_erased_buyer_was_told_nothing(mall: Mall, database: Database) -> None:
    await a_sale(mall, database)
    await mall.notify()
    with psycopg.connect(database.logins.owner) as owner:
        owner.execute("UPDATE platform.buyer_order SET status = 'completed'")
        owner.execute("SELECT 1")
        ana = await mall.account("ana")
        erase = "DELETE FROM platform.buyer_order WHERE buyer_id = %s"
        owner.execute(erase, [ana])  # as if nothing had to be kept
        owner.execute("UPDATE platform.checkout SET contact = NULL, ship_to = NULL")
    await mall.ask('mutation { viewerErase(input: {reason: "x"}) { __typename } }', who="ana")
    with psycopg.connect(database.logins.owner) as owner:
        left = owner.execute("SELECT count(*) FROM platform.notification WHERE account_id = %s", [ana]).fetchone()
    assert left == (0,)


async def test_notifications_go_with_their_events(mall: Mall, database: Database) -> None:
    await a_sale(mall, database)
    await mall.notify()
    assert await prune(database, mall.clock()) == 0
    mall.clock.now += KEPT * 2
    with psycopg.connect(database.logins.owner) as owner:
        owner.execute("UPDATE platform.outbox_head SET pruned_to = seq")
    assert await prune(database, mall.clock()) > 0
    assert await told(mall, "ana") == []


async def test_the_count_is_told_live_to_its_account_only(mall: Mall, database: Database) -> None:
    async with (
        asyncio.timeout(WAIT_SECONDS),
        served(cast(Starlette, mall.app)) as address,
        connect(f"ws://{address}/graphql", subprotocols=[Subprotocol("graphql-transport-ws")]) as socket,
    ):
        payload = {"authorization": f"Bearer {mall.token('ana')}"}
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        await socket.recv()
        query = {"query": "subscription { notificationCount }"}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": query}))
        counted = []

        async def hear() -> None:
            counted.append(json.loads(await socket.recv())["payload"]["data"]["notificationCount"])

        await hear()
        await a_sale(mall, database, "bob")
        await mall.notify()
        await a_sale(mall, database, "ana")
        await mall.notify()
        await hear()
        page = (await mall.ask(LIST, {"n": 1}, who="ana")).data["viewer"]["notifications"]
        await mark(mall, "ana", upTo=page["pageInfo"]["endCursor"])
        await hear()
    assert counted == [0, 2, 0]


async def test_texts_are_in_the_viewer_s_language(mall: Mall, database: Database) -> None:
    await a_sale(mall, database)
    await mall.notify()
    ask = "{ viewer { language notifications(first: 1) { nodes { text } } } }"
    choose = """mutation ($i: ViewerLanguageSetInput!) { viewerLanguageSet(input: $i) {
      ... on ViewerLanguageChanged { language } } }"""
    wrong = {"i": {"ids": [encode_id("Notification", mall.accounts["kites"], mall.accounts["boats"])]}}
    mark_it = (
        "mutation ($i: NotificationsMarkReadInput!) { notificationsMarkRead(input: $i) { ... on Problem { message } } }"
    )
    said = []
    for chosen, accepted in (("EN", "zh-CN"), ("ZH_HANS", "en"), (None, "zh-CN"), (None, None)):
        await mall.ask(choose, {"i": {"language": chosen}}, who="ana")
        headers = {"accept-language": accepted} if accepted else {}
        shown = (await mall.ask(ask, who="ana", headers=headers)).data["viewer"]
        problem = (await mall.ask(mark_it, wrong, who="ana", headers=headers)).data["notificationsMarkRead"]
        said.append((shown["language"], shown["notifications"]["nodes"][0]["text"][:2], problem["message"][:2]))
    english, chinese = ("EN", "Yo", "Th"), ("ZH_HANS", "您的", "找不")
    assert said == [english, chinese, chinese, english]
