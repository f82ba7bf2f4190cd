"""The public log by the public door: heads, tiles, proofs, and receipts that are checked without the server."""

import base64
import json
from typing import Any

from merchantry.domain.checkpoint import Checkpoint
from merchantry.domain.merkle import check_consistency
from merchantry.domain.note import Note, VerifierKey
from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.domain.receipt import checkpoint_of, parse_receipt
from merchantry.domain.tile import Tile
from merchantry.jobs.sequencing import sequence_all
from merchantry.transparency.log_keys import LogKeys
from merchantry.transparency.signing import verify
from tenancy.principals import Merchant
from tests.builders import a_merchant, a_product
from tests.graphql_api.documents import a_line, buy
from tests.graphql_api.mall import Mall

KEYS = LogKeys.from_seeds("mall.example/log", [bytes(range(32))])
HEAD = "{ log { origin keys checkpoint { size root note signedAt confirmed witnesses } } }"
SPLITS = """{ merchant { splits { nodes { logStatus entries { seq logStatus receipt { leafIndex document } } } } } }"""


async def a_sale(mall: Mall) -> Merchant:
    """A merchant that sold once; its owner is olga, the buyer bea."""
    merchant = await a_merchant(mall.database)
    await mall.hire("olga", merchant, MerchantRole.OWNER)
    kite = await a_product(mall.database, merchant, prices={"BRL": 10_000})
    await buy(mall, "bea", a_line(merchant, kite))
    return merchant


async def splits(mall: Mall, merchant: Merchant) -> list[dict[str, Any]]:
    found = await mall.ask(SPLITS, who="olga", merchant=merchant.slug)
    nodes: list[dict[str, Any]] = found.data["merchant"]["splits"]["nodes"]
    return nodes


async def test_a_log_without_a_head_says_so(mall: Mall) -> None:
    assert (await mall.ask(HEAD)).data["log"] == {"origin": None, "keys": [], "checkpoint": None}
    for path in ("checkpoint", "confirmed", "tile/0/000.p/1", "tile/0/nonsense", "tile"):
        assert (await mall.http.get(f"/log/{path}")).status_code == 404
    asked = await mall.ask('{ log { inclusionProof(index: "0", size: "1") } }')
    assert asked.codes == ["NOT_FOUND"]


async def test_anybody_follows_the_log(mall: Mall) -> None:
    await a_sale(mall)
    await sequence_all(mall.database, KEYS, mall.clock())
    first = (await mall.ask(HEAD)).data["log"]
    await a_sale(mall)
    await sequence_all(mall.database, KEYS, mall.clock())
    second = (await mall.ask(HEAD)).data["log"]
    assert second["origin"] == "mall.example/log"
    key = VerifierKey.parse(second["keys"][0])
    served = await mall.http.get("/log/checkpoint")
    assert served.text == second["checkpoint"]["note"]
    assert served.headers["content-type"] == "text/plain; charset=utf-8"
    heads = []
    for each in (first, second):
        note = Note.parse(each["checkpoint"]["note"])
        verify(note, key)
        heads.append(Checkpoint.parse(note.text))
    old, new = heads
    assert old.size < new.size
    asked = await mall.ask(f'{{ log {{ consistencyProof(old: "{old.size}", new: "{new.size}") }} }}')
    path = [base64.b64decode(each) for each in asked.data["log"]["consistencyProof"]]
    check_consistency(old.size, old.root, new.size, new.root, path)
    tile = await mall.http.get(f"/log/{Tile(0, 0, new.size).path}")
    assert len(tile.content) == 32 * new.size
    assert "immutable" in tile.headers["cache-control"]
    assert (await mall.http.get(f"/log/{Tile(0, 0, new.size + 1).path}")).status_code == 404


async def test_an_entry_is_queued_then_signed_and_its_receipt_is_checked_offline(mall: Mall) -> None:
    merchant = await a_sale(mall)
    [waiting] = await splits(mall, merchant)
    assert (waiting["logStatus"], waiting["entries"][0]["receipt"]) == ("QUEUED", None)
    await sequence_all(mall.database, KEYS, mall.clock())
    [signed] = await splits(mall, merchant)
    assert signed["logStatus"] == "SIGNED"
    for entry in signed["entries"]:
        receipt = parse_receipt(json.loads(json.dumps(entry["receipt"]["document"])))
        verify(receipt.checkpoint, KEYS.verifiers[0])
        receipt.check(checkpoint_of(receipt))
        assert receipt.entry.canonical is not None
        assert json.loads(receipt.entry.canonical)["seq"] == int(entry["seq"])
        assert receipt.balances is not None
        assert receipt.balances.canonical is not None


RECEIPTS = "query ($id: ID!) { viewer { receipts(orderId: $id) { leafIndex document } } }"


async def test_a_buyer_proves_a_payment_and_learns_nothing_of_its_division(mall: Mall) -> None:
    merchant = await a_merchant(mall.database)
    kite = await a_product(mall.database, merchant, prices={"BRL": 10_000})
    order = (await buy(mall, "bea", a_line(merchant, kite)))["orders"][0]
    assert (await mall.ask(RECEIPTS, {"id": order["id"]}, who="bea")).data["viewer"]["receipts"] == []
    await sequence_all(mall.database, KEYS, mall.clock())
    [shown] = (await mall.ask(RECEIPTS, {"id": order["id"]}, who="bea")).data["viewer"]["receipts"]
    receipt = parse_receipt(shown["document"])
    verify(receipt.checkpoint, KEYS.verifiers[0])
    receipt.check(checkpoint_of(receipt))
    assert receipt.entry.canonical is None
    assert receipt.balances is not None
    assert receipt.balances.canonical is None
    assert receipt.buyer is not None
    assert json.loads(receipt.buyer.canonical or "{}")["amount_minor"] == "11000"
    assert "commission" not in json.dumps(shown)
    for who in ("cara", None):
        asked = await mall.ask(RECEIPTS, {"id": order["id"]}, who=who)
        assert asked.codes == ["NOT_FOUND" if who else "UNAUTHENTICATED"]


async def test_another_merchant_and_the_public_see_no_status_and_no_receipt(mall: Mall) -> None:
    merchant = await a_sale(mall)
    await sequence_all(mall.database, KEYS, mall.clock())
    await a_merchant(mall.database, "rival")
    for who, slug in (("olga", "rival"), ("bea", merchant.slug), (None, merchant.slug)):
        found = await mall.ask(SPLITS, who=who, merchant=slug)
        assert not (found.body.get("data") or {}).get("merchant")


async def test_numbers_that_are_none_are_named(mall: Mall) -> None:
    for document, name in (
        ('{ log { inclusionProof(index: "x", size: "1") } }', "index"),
        ('{ log { inclusionProof(index: "2", size: "1") } }', "index"),
        ('{ log { consistencyProof(old: "2", new: "1") } }', "old"),
        ('{ log { checkpoint(size: "-1") { size } } }', "size"),
    ):
        [error] = (await mall.ask(document)).body["errors"]
        assert error["extensions"]["code"] == "INVALID_INPUT"
        assert error["extensions"]["path"] == [name]


async def test_an_admin_says_what_statements_and_payouts_wait_for(mall: Mall) -> None:
    await mall.appoint("adam", PlatformRole.ADMIN)
    await mall.appoint("fin", PlatformRole.FINANCE)
    asked = """mutation ($to: LogRequirement!) { logRequirementSet(input: {requirement: $to, reason: "a new policy"}) {
        __typename ... on LogRequirementSet { requirement } } }"""
    refused = await mall.ask(asked, {"to": "CONFIRMED"}, who="fin")
    assert refused.data["logRequirementSet"] == {"__typename": "NotPermitted"}
    read = "{ platform { logRequirement } }"
    assert (await mall.ask(read, who="fin")).data == {"platform": {"logRequirement": "NONE"}}
    done = await mall.ask(asked, {"to": "CONFIRMED"}, who="adam")
    assert done.data["logRequirementSet"] == {"__typename": "LogRequirementSet", "requirement": "CONFIRMED"}
    assert (await mall.ask(read, who="fin")).data == {"platform": {"logRequirement": "CONFIRMED"}}
