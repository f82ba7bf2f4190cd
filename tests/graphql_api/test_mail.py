"""Mail by the public door, through a real mail server: to whom, in which words, once, and not any more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import update

from merchantry.domain.event import EventKind
from merchantry.domain.mail import RETRIES, link_token, parse_token
from merchantry.domain.permission import MerchantRole
from merchantry.gateways import smtp
from merchantry.gateways.smtp import Tls
from merchantry.jobs.mailing import KEPT, mail, mail_all, prune
from merchantry.jobs.notifying import notify, notify_all
from merchantry.jobs.telling import tell_all
from merchantry.jobs.tools import Mailing, Tools
from merchantry.mail.letters import sender_of
from merchantry.services import mail_sending, outbox, staff
from tenancy.database import Database
from tenancy.principals import Merchant
from tenancy.tables import account
from tests.builders import a_merchant, a_product, an_act
from tests.graphql_api.documents import a_line, buy, place, ship
from tests.graphql_api.guests import BEGIN, a_guest, claim
from tests.graphql_api.mall import Mall, open_mall
from tests.graphql_api.test_notifications import PREFER, told
from tests.jobs.mailbox import Mailbox, Received, a_certificate, open_mailbox

SET_EMAIL = """mutation ($i: ViewerEmailSetInput!) { viewerEmailSet(input: $i) { __typename
  ... on ViewerEmailChanged { email { address status } } ... on Problem { code message } } }"""
EMAIL = "{ viewer { email { address status } } }"
ERASE = """mutation ($i: ViewerEraseInput!) { viewerErase(input: $i) { __typename } }"""
LANGUAGE = "mutation ($i: ViewerLanguageSetInput!) { viewerLanguageSet(input: $i) { __typename } }"
ANA = "ana@buyers.test"
OLGA = "olga@example.test"
SENDER = sender_of("The mall <news@mall.test>", "mall.test", "http://mall.test/")


@dataclass
class Post:
    """A mall with a mail server."""

    mall: Mall
    mailbox: Mailbox
    mailing: Mailing
    kites: Merchant
    tools: Tools = field(init=False)

    def __post_init__(self) -> None:
        self.tools = replace(self.mall.tools, mailing=self.mailing)

    async def send(self) -> list[Received]:
        """Tell whom it concerns, and send; what came now."""
        before = len(self.mailbox.got)
        await tell_all(self.mall.database)
        await notify_all(self.mall.database, self.mall.clock(), self.mailing.digest_at)
        await mail_all(self.tools, self.mailing)
        return self.mailbox.got[before:]

    async def wish(self, who: str, channel: str, group: str = "ORDERS", **more: Any) -> None:
        given = {"group": group, "channel": channel, **more}
        answer = await self.mall.ask(PREFER, {"i": given}, who=who)
        assert answer.data["notificationPreferenceSet"]["__typename"] == "NotificationPreferenceChanged"

    async def give(self, who: str, email: str | None) -> dict[str, Any]:
        found: dict[str, Any] = (await self.mall.ask(SET_EMAIL, {"i": {"email": email}}, who=who)).data[
            "viewerEmailSet"
        ]
        return found

    async def email(self, who: str) -> Any:
        return (await self.mall.ask(EMAIL, who=who)).data["viewer"]["email"]

    async def follow(self, link: str, method: str = "POST") -> int:
        return (await self.mall.http.request(method, link)).status_code

    async def reader(self, who: str, email: str, channel: str = "EMAIL") -> None:
        """A buyer who gave an address, confirmed it, and wants mail."""
        await self.give(who, email)
        (asked,) = await self.send()
        assert await self.follow(asked.link) == 200
        await self.wish(who, channel)
        self.mailbox.got.clear()

    async def staff_reader(self, who: str = "olga", email: str = OLGA) -> None:
        """One of staff, written to at the address that they sign in with."""
        await self.wish(who, "EMAIL")
        account_id = await self.mall.account(who)
        async with self.mall.database.write("test") as tx, tx.as_platform() as session:
            await session.execute(update(account).where(account.c.id == account_id).values(email=email))

    async def sale(self, who: str = "ana") -> dict[str, Any]:
        kite = await a_product(self.mall.database, self.kites)
        bought = await buy(self.mall, who, a_line(self.kites, kite, 1, "50.00"))
        order: dict[str, Any] = bought["orders"][0]
        return order

    def rows(self) -> list[tuple[Any, ...]]:
        """What mail there is: kind, status, attempts."""
        with psycopg.connect(self.mall.database.logins.owner) as owner:
            asked = "SELECT kind, status, attempts FROM platform.mail WHERE kind <> 'confirmation' ORDER BY created_at"
            return owner.execute(asked).fetchall()


@pytest.fixture
async def post(database: Database, tmp_path: Path) -> AsyncIterator[Post]:
    async with AsyncExitStack() as stack:
        mall = await stack.enter_async_context(open_mall(database, tmp_path))
        mailbox = await stack.enter_async_context(open_mailbox())
        kites = await a_merchant(database, "kites")
        await mall.hire("olga", kites, MerchantRole.OWNER)
        yield Post(mall, mailbox, Mailing(mailbox.server(), SENDER), kites)


async def test_nothing_is_sent_to_an_address_before_it_is_confirmed(post: Post) -> None:
    assert await post.email("ana") is None
    given = await post.give("ana", f"  {ANA} ")
    assert given["email"] == {"address": ANA, "status": "UNCONFIRMED"}
    await post.wish("ana", "EMAIL")
    await post.sale()
    (asked,) = await post.send()
    assert asked.message["Subject"] == "Confirm your e-mail address"
    assert asked.message["List-Unsubscribe"] is None
    assert {each["kind"] for each in await told(post.mall, "ana")} == {"order.created", "order.paid"}
    assert await post.follow(asked.link, "GET") == 200
    assert (await post.email("ana"))["status"] == "UNCONFIRMED"
    assert await post.follow(asked.link) == 200
    assert await post.follow(asked.link) == 200
    assert (await post.email("ana"))["status"] == "CONFIRMED"
    await post.sale()
    assert {each.to for each in await post.send()} == {ANA}
    changed = await post.give("ana", "ana@other.test")
    assert changed["email"]["status"] == "UNCONFIRMED"
    assert await post.follow(asked.link) == 404


async def test_a_mail_says_what_happened_in_its_readers_language_as_text_and_html(post: Post) -> None:
    await post.reader("ana", ANA)
    await post.staff_reader()
    await post.mall.ask(LANGUAGE, {"i": {"language": "ZH_HANS"}}, who="ana")
    order = await post.sale()
    sent = await post.send()
    number = order["number"]
    (english,) = post.mailbox.of(OLGA)
    assert english.message["Subject"] == f"New order {number} for R$60.00."
    assert english.message["From"] == "The mall <news@mall.test>"
    assert english.message["Auto-Submitted"] == "auto-generated"
    assert english.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert english.message["List-Unsubscribe"].startswith("<http://mall.test/mail?link=")
    assert english.message["Date"].datetime == post.mall.clock().replace(microsecond=0)
    assert english.id.endswith("@mall.test>")
    chinese = {each.message["Subject"] for each in post.mailbox.of(ANA)}
    assert chinese == {f"您的订单 {number} 已提交，金额 R$60.00。", f"您的订单 {number} 已付款。"}
    assert "不再接收此类邮件" in post.mailbox.of(ANA)[0].part("plain")
    assert '<html lang="zh-Hans">' in post.mailbox.of(ANA)[0].part("html")
    assert len(sent) == 3
    assert await told(post.mall, "ana") == []
    assert await post.send() == []


async def test_texts_that_people_wrote_are_escaped_and_never_make_a_header(post: Post) -> None:
    await post.reader("ana", ANA)
    with psycopg.connect(post.mall.database.logins.owner) as owner:
        name = "<script>alert(1)</script>\r\nBcc: eve@evil.test"
        owner.execute("UPDATE platform.merchant_profile SET display_name = %s", [name])
    facts = {"number": "1\r\nBcc: eve@evil.test", "total_minor": 100, "currency": "BRL"}
    await post.sale()
    await tell_all(post.mall.database)
    with psycopg.connect(post.mall.database.logins.owner) as owner:
        owner.execute(
            "UPDATE platform.outbox SET facts = facts || jsonb_build_object('number', %s::text)"
            " WHERE kind = 'order.paid'",
            [facts["number"]],
        )
    sent = await post.send()
    assert len(sent) == 2
    for each in sent:
        assert "<script>" not in each.part("html")
        assert "&lt;script&gt;" in each.part("html")
        assert each.message["Bcc"] is None
        assert "\n" not in each.message["Subject"]
    for address in ("ana@x.test\r\nBcc: eve@evil.test", "ana@x.test,eve@evil.test", "Ana<ana@x.test>", '"a b"@x.test'):
        assert (await post.give("ana", address))["code"] == "INVALID_INPUT"


async def test_what_is_put_off_is_tried_again_under_the_same_id(post: Post) -> None:
    await post.reader("ana", ANA)
    await post.sale()
    post.mailbox.to_rcpt = ["451 4.7.1 Greylisted"] * 2
    assert await post.send() == []
    assert [row[1:] for row in post.rows()] == [("waiting", 1)] * 2
    assert await post.send() == []
    post.mall.clock.advance(minutes=2)
    assert len({each.id for each in await post.send()}) == 2
    assert [row[1:] for row in post.rows()] == [("sent", 2)] * 2


async def test_what_is_put_off_for_over_a_day_is_given_up(post: Post) -> None:
    await post.staff_reader()
    await post.sale()
    post.mailbox.to_data = ["452 4.3.1 The disk is full"] * 100
    for wait in (timedelta(), *RETRIES):
        post.mall.clock.now += wait * 2
        assert await post.send() == []
    assert post.rows() == [("news", "failed", len(RETRIES) + 1)]


async def test_an_unknown_address_gets_nothing_any_more_until_it_is_changed(post: Post) -> None:
    await post.reader("ana", ANA)
    await post.sale()
    post.mailbox.unknown = {ANA}
    assert await post.send() == []
    assert {row[1] for row in post.rows()} == {"bad_address"}
    assert (await post.email("ana"))["status"] == "REFUSED"
    await post.sale()
    assert await post.send() == []
    assert len(post.rows()) == 2
    assert len(await told(post.mall, "ana")) == 2, "who can't be written to is told in the list"
    await post.reader("ana", "ana@new.test")
    await post.sale()
    assert {each.to for each in await post.send()} == {"ana@new.test"}


async def test_staff_whose_address_was_refused_are_written_to_at_another(post: Post) -> None:
    await post.staff_reader()
    post.mailbox.unknown = {OLGA}
    await post.sale()
    assert await post.send() == []
    assert await post.email("olga") == {"address": OLGA, "status": "REFUSED"}
    await post.staff_reader(email="olga@new.test")
    await post.sale()
    assert [each.to for each in await post.send()] == ["olga@new.test"]


async def test_a_policy_that_refuses_is_no_matter_of_the_address(post: Post) -> None:
    await post.staff_reader()
    post.mailbox.to_rcpt = ["550 5.7.1 Relaying denied"]
    await post.sale()
    assert await post.send() == []
    assert post.rows() == [("news", "failed", 1)]
    assert (await post.email("olga"))["status"] == "CONFIRMED"


async def test_a_server_that_is_away_costs_time_and_no_attempt(post: Post) -> None:
    await post.staff_reader()
    port = post.mailbox.port
    await post.sale()
    away = replace(post.mailing, server=replace(post.mailing.server, port=1))
    await tell_all(post.mall.database)
    await notify_all(post.mall.database, post.mall.clock(), away.digest_at)
    for _ in range(3):
        assert await mail(post.tools, away) == (1, True)
    assert post.rows() == [("news", "waiting", 0)]
    assert post.mailbox.port == port
    assert len(await post.send()) == 1


async def test_a_worker_that_dies_after_the_server_took_a_mail_sends_it_again_under_its_id(post: Post) -> None:
    await post.staff_reader()
    await post.sale()
    post.mailbox.drops = 1
    first = await post.send()
    post.mall.clock.advance(minutes=2)
    second = await post.send()
    assert len(first) == len(second) == 1
    assert first[0].id == second[0].id


async def test_a_lease_that_runs_out_is_taken_over_and_nothing_is_recorded_twice(post: Post) -> None:
    await post.staff_reader()
    await post.sale()
    await tell_all(post.mall.database)
    await notify_all(post.mall.database, post.mall.clock(), post.mailing.digest_at)
    async with post.mall.database.write("test") as tx, tx.as_platform() as session:
        (held,) = await mail_sending.claim(session, post.mall.clock(), 5)
    assert await mail_all(post.tools, post.mailing) == 0
    post.mall.clock.now += mail_sending.LEASE + timedelta(seconds=1)
    assert await mail_all(post.tools, post.mailing) == 1
    async with post.mall.database.write("test") as tx, tx.as_platform() as session:
        assert await mail_sending.letter(session, post.tools.vault, held, an_act()) is None
    assert len(post.mailbox.got) == 1


async def test_two_workers_at_once_send_each_mail_once(post: Post) -> None:
    await post.staff_reader()
    for _ in range(4):
        await post.sale()
    await tell_all(post.mall.database)
    at = post.mall.clock()
    await asyncio.gather(*(notify(post.mall.database, at, post.mailing.digest_at) for _ in range(2)))
    await notify_all(post.mall.database, at, post.mailing.digest_at)
    await asyncio.gather(*(mail_all(post.tools, post.mailing) for _ in range(3)))
    assert len(post.mailbox.got) == len({each.id for each in post.mailbox.got}) == 4


async def test_what_is_rolled_back_is_mailed_to_nobody(post: Post) -> None:
    await post.staff_reader()

    async def undone() -> None:
        async with post.mall.database.write("test") as tx, tx.as_merchant(post.kites.id) as session:
            facts = {"order": uuid4(), "number": "1-1", "total_minor": 100, "currency": "BRL"}
            await outbox.publish(session, EventKind.ORDER_CREATED, facts, an_act())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await undone()
    assert await post.send() == []
    assert post.rows() == []


async def test_a_link_ends_mail_of_its_group_and_of_its_reader_alone(post: Post) -> None:
    await post.reader("ana", ANA)
    await post.reader("bob", "bob@buyers.test")
    await post.wish("ana", "EMAIL", "RETURNS")
    await post.sale("ana")
    await post.sale("bob")
    await post.send()
    link, of_bob = post.mailbox.of(ANA)[0].link, post.mailbox.of("bob@buyers.test")[0].link
    base, token = link.split("=", 1)
    account_id, scope, _ = parse_token(token) or pytest.fail("no token")
    forged = [
        f"{base}={link_token(account_id, scope, bytes(32))}",
        f"{base}={token.split('.')[0]}.{of_bob.rsplit('.', 1)[1]}",
        f"{base}={token[:-4]}AAAA",
        *(f"{base}={each}" for each in ("x", "a.b", "é.é", "A" * 5000, ".", "%00.%00")),
    ]
    for each in forged:
        assert await post.follow(each) == 404
        assert await post.follow(each, "GET") == 404
    assert await post.follow(link, "GET") == 200
    await post.sale("ana")
    assert len(await post.send()) == 2, "looking at a link ends nothing"
    await post.sale("ana")
    await tell_all(post.mall.database)
    await notify_all(post.mall.database, post.mall.clock(), post.mailing.digest_at)
    answer = await post.mall.http.post(link, data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert await post.send() == [], "nor is sent what waited already"
    await post.sale("ana")
    await post.sale("bob")
    assert {each.to for each in await post.send()} == {"bob@buyers.test"}
    asked = "{ viewer { notificationPreferences { group channel } } }"
    said = (await post.mall.ask(asked, who="ana")).data["viewer"]["notificationPreferences"]
    assert {(each["group"], each["channel"]) for each in said} == {("ORDERS", "IN_APP"), ("RETURNS", "EMAIL")}


async def test_wishes_are_respected(post: Post) -> None:
    await post.staff_reader()
    for channel, mails, listed in (("NONE", 0, 0), ("IN_APP", 0, 1), ("EMAIL", 1, 1), ("BOTH", 1, 2)):
        await post.wish("olga", channel, merchantSlug="kites")
        await post.sale()
        assert len(await post.send()) == mails, channel
        assert len(await told(post.mall, "olga")) == listed, channel


async def test_a_digest_is_one_mail_a_day_with_what_is_new(post: Post) -> None:
    await post.reader("ana", ANA, "DIGEST")
    numbers = [(await post.sale())["number"] for _ in range(2)]
    assert await post.send() == []
    numbers.append((await post.sale())["number"])
    assert await post.send() == []
    assert [row[0] for row in post.rows()] == ["digest"]
    post.mall.clock.advance(days=1)
    (digest,) = await post.send()
    assert digest.message["Subject"] == "What is new"
    assert all(digest.part("plain").count(number) == 2 for number in numbers)
    assert len(await told(post.mall, "ana")) == 6
    post.mall.clock.advance(days=1)
    assert await post.send() == []
    await post.sale()
    await post.send()
    assert await post.follow(digest.link) == 200
    post.mall.clock.advance(days=1)
    assert await post.send() == []


async def test_whoever_was_dismissed_gets_nothing_that_waits(post: Post) -> None:
    await post.staff_reader()
    await post.sale()
    await tell_all(post.mall.database)
    await notify_all(post.mall.database, post.mall.clock(), post.mailing.digest_at)
    assert post.rows() == [("news", "waiting", 0)]
    await post.mall.hire("petra", post.kites, MerchantRole.OWNER)
    account_id = await post.mall.account("olga")
    async with post.mall.database.write("test") as tx, tx.as_platform() as session:
        await staff.revoke_role(session, account_id, post.kites.id, MerchantRole.OWNER, an_act())
    assert await post.send() == []
    assert post.rows() == [("news", "dropped", 0)]


async def test_erasure_leaves_no_address_no_mail_and_no_link(post: Post) -> None:
    await post.reader("ana", ANA)
    cancel = "mutation ($i: OrderCancelInput!) { orderCancel(input: $i) { __typename } }"
    order = await post.sale()
    (link, *_) = [each.link for each in await post.send()]
    await post.mall.ask(cancel, {"i": {"orderId": order["id"], "reason": "x", "idempotencyKey": "c"}}, who="ana")
    await tell_all(post.mall.database)
    await notify_all(post.mall.database, post.mall.clock(), post.mailing.digest_at)
    answer = await post.mall.ask(ERASE, {"i": {"reason": "I leave"}}, who="ana")
    assert "errors" not in answer.body, answer.body
    with psycopg.connect(post.mall.database.logins.owner) as owner:
        left = owner.execute("SELECT done_at IS NOT NULL FROM platform.erasure").fetchall()
        assert left == [(True,)]
        for table in ("mail", "mail_address"):
            assert owner.execute(f"SELECT count(*) FROM platform.{table}").fetchone() == (0,)  # noqa: S608
    assert await post.follow(link) == 404
    assert await post.send() == []


async def test_addresses_are_sealed_and_their_owners_alone_see_them(post: Post) -> None:
    await post.reader("ana", ANA)
    with psycopg.connect(post.mall.database.logins.owner) as owner:
        rows = owner.execute("SELECT t::text FROM platform.mail_address t").fetchall()
    assert len(rows) == 1
    assert ANA.encode().hex() not in str(rows)
    assert await post.email("bob") is None
    guest = await a_guest(post.mall)
    assert (await post.mall.ask(SET_EMAIL, {"i": {"email": ANA}}, who=guest)).codes == ["UNAUTHENTICATED"]
    assert (await post.mall.ask(SET_EMAIL, {"i": {"email": ANA}})).codes == ["UNAUTHENTICATED"]
    assert (await post.give("ana", None))["email"] is None
    await post.sale()
    assert await post.send() == []


async def test_strangers_are_not_flooded_with_questions(post: Post) -> None:
    for number in range(5):
        assert (await post.give("ana", f"victim{number}@x.test"))["__typename"] == "ViewerEmailChanged"
        await post.give("ana", None)
    assert (await post.give("ana", "victim@x.test"))["code"] == "INVALID_INPUT"
    assert await post.send() == []
    both = await asyncio.gather(*(post.give("bob", "bob@x.test") for _ in range(2)))
    assert [each["__typename"] for each in both] == ["ViewerEmailChanged"] * 2
    assert len(await post.send()) == 1


async def test_orders_of_guests_keep_nobody_from_being_told(post: Post) -> None:
    kite = await a_product(post.mall.database, post.kites)
    await place(post.mall, await a_guest(post.mall), a_line(post.kites, kite, 1, "50.00"))
    await post.staff_reader()
    assert [each.to for each in await post.send()] == [OLGA]


async def test_without_a_mail_server_nothing_waits_and_all_are_told_in_the_list(post: Post) -> None:
    await post.staff_reader()
    await post.sale()
    await post.mall.notify()
    assert post.rows() == []
    assert len(await told(post.mall, "olga")) == 1


async def test_old_mail_is_forgotten(post: Post) -> None:
    await post.staff_reader()
    await post.sale()
    await post.send()
    post.mall.clock.now += KEPT - timedelta(hours=1)
    assert await prune(post.tools) == 0
    post.mall.clock.advance(hours=2)
    assert await prune(post.tools) == 1


@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.TLS], ids=["starttls", "tls"])
async def test_mail_goes_over_tls_to_a_server_that_is_trusted_and_knows_us(
    post: Post, tls: Tls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "CONNECT_SECONDS", 2.0)
    context, trusted = a_certificate(tmp_path)
    await post.staff_reader()
    await post.sale()
    async with open_mailbox(tls=tls, context=context, user="mall") as mailbox:
        known = {"ca": trusted, "user": "mall", "password": "secret"} if tls is Tls.STARTTLS else {"ca": trusted}
        for more in ({}, {**known, "password": "wrong"}) if tls is Tls.STARTTLS else ({},):
            post.mailing = replace(post.mailing, server=mailbox.server(tls, **more))
            await post.send()
            assert mailbox.got == []
            assert post.rows() == [("news", "waiting", 0)]
        post.mailing = replace(post.mailing, server=mailbox.server(tls, **known))
        await post.send()
        assert [(each.to, each.over_tls) for each in mailbox.got] == [(OLGA, tls is Tls.STARTTLS)]


def text_of(received: Received) -> str:
    body = received.message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


async def test_a_guest_is_written_to_of_their_order_with_a_link_that_opens_it(post: Post) -> None:
    post.mailing = replace(post.mailing, sender=replace(SENDER, storefront_url="https://shop.test"))
    who = await a_guest(post.mall, email="gus@buyers.test")
    order = await post.sale(who)
    (mail_,) = await post.send()
    assert (mail_.to, mail_.message["List-Unsubscribe"]) == ("gus@buyers.test", None)
    assert order["number"] in mail_.message["Subject"]
    text = text_of(mail_)
    link = f"https://shop.test/orders/{order['number']}#"
    token = text.partition(link)[2].split()[0]
    assert token == post.mall.guests[who]
    assert "List" not in text
    await ship(post.mall, "olga", post.kites, order["id"])
    (shipped,) = await post.send()
    assert shipped.message["Subject"] == f"A parcel of your order {order['number']} is on its way."
    assert await post.send() == []


async def test_a_guest_is_written_to_in_the_language_of_the_order(post: Post) -> None:
    asked = {"input": {"email": "mei@buyers.test"}}
    begun = await post.mall.ask(BEGIN, asked, headers={"accept-language": "zh-CN"})
    post.mall.guests["mei"] = begun.data["guestCheckoutBegin"]["token"]
    order = await post.sale("mei")
    (mail_,) = await post.send()
    assert mail_.message["Content-Language"] == "zh-Hans"
    assert mail_.message["Subject"].startswith(f"您的订单 {order['number']}")
    assert "http" not in text_of(mail_)


async def test_who_took_a_guests_orders_is_not_written_to_at_the_guests_address(post: Post) -> None:
    who = await a_guest(post.mall)
    await post.sale(who)
    await tell_all(post.mall.database)
    await notify_all(post.mall.database, post.mall.clock(), post.mailing.digest_at)
    assert (await claim(post.mall, "ana", post.mall.guests[who]))["__typename"] == "GuestCheckoutClaimed"
    assert await post.send() == []
    assert post.rows() == [("guest", "dropped", 0)]
