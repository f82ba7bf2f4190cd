"""Payee accounts by the public door: an owner adds, somebody else of the platform verifies, nobody reads a number."""

from typing import Any
from uuid import uuid4

import psycopg
import pytest

from graphql_api.relay import encode_id
from merchantry.domain.permission import MerchantRole, PlatformRole
from tenancy.principals import Merchant
from tests.builders import a_merchant
from tests.graphql_api.documents import PROBLEM
from tests.graphql_api.mall import Answer, Mall
from tests.services.test_payee import IBAN, OTHER_IBAN, contents

ACCOUNT = "id kind currency shown status usableFrom createdAt flagged"


def document(mutation: str) -> str:
    """The mutation with all that its account shows."""
    name = mutation[0].upper() + mutation[1:]
    success = {"Add": "Added", "Verify": "Verified", "Flag": "Flagged", "Unflag": "Unflagged"}
    done = f"PayeeAccount{success[name.removeprefix('PayeeAccount')]}"
    return (
        f"mutation ($input: {name}Input!) {{ {mutation}(input: $input) {{ __typename"
        f" ... on {done} {{ account {{ {ACCOUNT} }} }} {PROBLEM} }} }}"
    )


def given(**changed: Any) -> dict[str, Any]:
    """An account at a bank."""
    usual = {"kind": "BANK", "currency": "EUR", "holder": "Quirina Xavier", "iban": IBAN}
    return {**usual, "idempotencyKey": str(uuid4()), **changed}


@pytest.fixture
async def shop(mall: Mall) -> Merchant:
    """A merchant with its staff, and people of the platform, one of whom is an owner too."""
    merchant = await a_merchant(mall.database, "kites")
    for name, role in (("olga", "OWNER"), ("both", "OWNER"), ("acca", "ACCOUNTANT"), ("mara", "MANAGER")):
        await mall.hire(name, merchant, MerchantRole[role])
    for name, platform_role in (("fina", "FINANCE"), ("both", "FINANCE"), ("anna", "ANALYST")):
        await mall.appoint(name, PlatformRole[platform_role])
    return merchant


async def add(mall: Mall, who: str = "olga", **changed: Any) -> dict[str, Any]:
    """Add an account as somebody of the merchant's staff."""
    answer = await mall.ask(document("payeeAccountAdd"), {"input": given(**changed)}, who=who, merchant="kites")
    result: dict[str, Any] = answer.data["payeeAccountAdd"]
    return result


async def at_platform(mall: Mall, mutation: str, account_id: str, who: str = "fina", **more: Any) -> dict[str, Any]:
    """Do something to an account as somebody of the platform."""
    sent = {"payeeAccountId": account_id, "idempotencyKey": str(uuid4()), **more}
    result: dict[str, Any] = (await mall.ask(document(mutation), {"input": sent}, who=who)).data[mutation]
    return result


async def read(mall: Mall, who: str) -> Answer:
    """The merchant's accounts, as somebody of its staff reads them."""
    asked = f"{{ merchant {{ payeeAccounts {{ nodes {{ {ACCOUNT} }} }} }} }}"
    return await mall.ask(asked, who=who, merchant="kites")


async def test_an_account_is_added_verified_and_read_without_its_number(mall: Mall, shop: Merchant) -> None:
    added = await add(mall)
    assert added["__typename"] == "PayeeAccountAdded"
    account = added["account"]
    assert (account["shown"], account["status"], account["kind"]) == ("•••• 3000", "COOLING", "BANK")
    own = await at_platform(
        mall, "payeeAccountVerify", (await add(mall, "both", currency="USD"))["account"]["id"], "both"
    )
    assert own["__typename"] == "OwnAct"
    verified = await at_platform(mall, "payeeAccountVerify", account["id"])
    assert verified["account"] == {**account, "status": "VERIFIED"}
    nodes = (await read(mall, "acca")).data["merchant"]["payeeAccounts"]["nodes"]
    assert {node["id"] for node in nodes} >= {account["id"]}
    assert (await read(mall, "mara")).codes == ["NOT_PERMITTED"]
    assert (await add(mall, "acca"))["__typename"] == "NotPermitted"


async def test_a_change_cools_off_and_the_account_before_is_retired(mall: Mall, shop: Merchant) -> None:
    await add(mall)
    mall.clock.advance(days=30)
    changed = (await add(mall, iban=OTHER_IBAN))["account"]
    assert changed["usableFrom"] == "2026-04-04T12:00:00+00:00"
    nodes = (await read(mall, "olga")).data["merchant"]["payeeAccounts"]["nodes"]
    assert [node["status"] for node in nodes] == ["COOLING", "RETIRED"]
    news = "{ merchant { notifications { nodes { kind subject } } auditEvents { nodes { act before after actor } } } }"
    await mall.notify()
    told = (await mall.ask(news, who="olga", merchant="kites")).data["merchant"]
    kinds = [node["kind"] for node in told["notifications"]["nodes"]]
    assert sorted(kinds) == ["case.decided", "payee_account.added", "payee_account.added", "payee_account.retired"]
    assert "payee_account.add" in [node["act"] for node in told["auditEvents"]["nodes"]]
    assert OTHER_IBAN not in str(told)


async def test_finance_reads_a_merchants_accounts_and_an_analyst_does_not(mall: Mall, shop: Merchant) -> None:
    account = (await add(mall))["account"]
    asked = f'{{ platform {{ merchant(slug: "kites") {{ slug payeeAccounts {{ {ACCOUNT} }} }} }} }}'
    assert (await mall.ask(asked, who="fina")).data["platform"]["merchant"]["payeeAccounts"] == [account]
    assert (await mall.ask(asked, who="anna")).data["platform"]["merchant"] == {"slug": "kites", "payeeAccounts": None}
    node = f"query ($id: ID!) {{ node(id: $id) {{ ... on PayeeAccount {{ {ACCOUNT} }} }} }}"
    for who, expected in (("fina", account), ("anna", None), (None, None)):
        assert (await mall.ask(node, {"id": account["id"]}, who=who)).data["node"] == expected
    missing = encode_id("PayeeAccount", uuid4(), uuid4())
    assert (await mall.ask(node, {"id": missing}, who="fina")).data["node"] is None


async def test_an_account_is_flagged_with_a_reason_and_let_go_again(mall: Mall, shop: Merchant) -> None:
    account = (await add(mall))["account"]
    flagged = await at_platform(mall, "payeeAccountFlag", account["id"], reason="The bank asks who this is.")
    assert flagged["account"] == {**account, "status": "FLAGGED", "flagged": "The bank asks who this is."}
    refused = await at_platform(mall, "payeeAccountVerify", account["id"])
    assert (refused["__typename"], refused["code"]) == ("PayeeAccountRefused", "PAYEE_ACCOUNT_REFUSED")
    blank = await at_platform(mall, "payeeAccountFlag", account["id"], reason=" ")
    assert blank["path"] == ["input", "reason"]
    assert (await at_platform(mall, "payeeAccountUnflag", account["id"]))["account"] == account


async def test_an_account_of_no_merchant_is_not_found(mall: Mall, shop: Merchant) -> None:
    for merchant_id in (shop.id, uuid4()):
        unknown = encode_id("PayeeAccount", merchant_id, uuid4())
        for mutation, more in (("payeeAccountVerify", {}), ("payeeAccountFlag", {"reason": "?"})):
            answer = await at_platform(mall, mutation, unknown, **more)
            assert (answer["__typename"], answer["path"]) == ("NotFound", ["input", "payeeAccountId"])


async def test_what_is_wrong_with_an_account_is_told_with_its_path_and_without_its_number(
    mall: Mall, shop: Merchant
) -> None:
    wrong = await add(mall, iban=IBAN[:-1] + "1")
    assert (wrong["__typename"], wrong["path"]) == ("InvalidInput", ["input", "iban"])
    assert IBAN[:-1] not in wrong["message"]
    number = await add(mall, iban=None, accountNumber="123456", country="BR")
    assert (number["__typename"], number["path"]) == ("InvalidInput", ["input", "bic"])
    assert (await add(mall, currency="XXX"))["__typename"] == "UnknownCurrency"


async def test_a_key_repeats_the_same_account_and_refuses_another(mall: Mall, shop: Merchant) -> None:
    key = str(uuid4())
    first = await add(mall, idempotencyKey=key)
    assert await add(mall, idempotencyKey=key) == first
    for changed in ({"iban": OTHER_IBAN}, {"holder": "Somebody Else"}, {"currency": "USD"}):
        assert (await add(mall, idempotencyKey=key, **changed))["__typename"] == "IdempotencyConflict"
    assert len((await read(mall, "olga")).data["merchant"]["payeeAccounts"]["nodes"]) == 1
    sent = {"idempotencyKey": str(uuid4())}
    verified = await at_platform(mall, "payeeAccountVerify", first["account"]["id"], **sent)
    assert await at_platform(mall, "payeeAccountVerify", first["account"]["id"], **sent) == verified


async def test_no_table_tells_a_number_and_no_hash_depends_on_it(mall: Mall, shop: Merchant) -> None:
    await add(mall)
    await add(mall, currency="USD", iban=OTHER_IBAN, holder="Yolanda Zweig")
    for name, text in contents(mall.database.logins, shop):
        for secret in (IBAN, OTHER_IBAN, "Quirina", "Xavier", "Zweig"):
            for written in (secret, secret.encode().hex()):
                assert written not in text, (name, written)
    with psycopg.connect(mall.database.logins.owner) as connection:
        hashes = connection.execute("SELECT input_hash FROM platform.idempotency").fetchall()
    assert len(hashes) == 2
    assert hashes[0] == hashes[1]


CASES = "{ platform { cases(kind: [PAYEE_CHANGE]) { nodes { id status title subject { id } } } } }"
DECIDE = f"mutation ($input: CaseDecideInput!) {{ caseDecide(input: $input) {{ __typename {PROBLEM} }} }}"


async def cases(mall: Mall) -> list[dict[str, Any]]:
    """Cases about accounts, the newest first."""
    found = (await mall.ask(CASES, who="fina")).data["platform"]["cases"]["nodes"]
    return list(found)


async def test_a_new_account_is_a_case_that_ends_when_it_is_verified_or_replaced(mall: Mall, shop: Merchant) -> None:
    first = (await add(mall))["account"]
    (asked,) = await cases(mall)
    assert (asked["status"], asked["subject"]["id"]) == ("OPEN", first["id"])
    assert asked["title"].endswith("EUR: •••• 3000")
    mall.clock.advance(minutes=1)
    second = (await add(mall, iban=OTHER_IBAN))["account"]
    assert [each["status"] for each in await cases(mall)] == ["OPEN", "SETTLED"]
    await at_platform(mall, "payeeAccountVerify", second["id"])
    assert [each["status"] for each in await cases(mall)] == ["SETTLED", "SETTLED"]


@pytest.mark.parametrize(("vote", "status"), [("APPROVE", "VERIFIED"), ("REJECT", "FLAGGED")])
async def test_a_decision_about_a_new_account_verifies_or_flags_it(
    mall: Mall, shop: Merchant, vote: str, status: str
) -> None:
    account = (await add(mall, "both"))["account"]
    (asked,) = await cases(mall)
    given = {"caseId": asked["id"], "vote": vote, "reason": "asked them", "idempotencyKey": "k"}
    own = (await mall.ask(DECIDE, {"input": given}, who="both")).data["caseDecide"]
    assert own["__typename"] == "OwnAct"
    decided = (await mall.ask(DECIDE, {"input": given}, who="fina")).data["caseDecide"]
    assert decided["__typename"] == "CaseDecided"
    nodes = (await read(mall, "olga")).data["merchant"]["payeeAccounts"]["nodes"]
    assert [(node["id"], node["status"]) for node in nodes] == [(account["id"], status)]
