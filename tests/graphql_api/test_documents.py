"""Statements and invoices as files: for whom the API shows them, and only while the ledger still says the same."""

from io import BytesIO

import httpx
import psycopg
import pytest
from psycopg import sql
from pypdf import PdfReader

from tenancy.schemas import schema_of
from tests.graphql_api.mall import Mall
from tests.graphql_api.settled import Settled, open_settled
from tests.services.test_settlement import local

BEGINNINGS = {"pdf": b"%PDF-", "xlsx": b"PK", "csv": b"\xef\xbb\xbf"}


@pytest.fixture
async def desk(mall: Mall) -> Settled:
    """The mall after a week."""
    return await open_settled(mall)


async def get(desk: Settled, path: str, who: str | None, merchant: str | None = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {desk.mall.token(who)}"} if who else {}
    return await desk.mall.http.get(path, headers=headers | ({"x-merchant": merchant} if merchant else {}))


async def paths(desk: Settled) -> dict[str, list[str]]:
    """Where the shop's statement and invoice are, by format."""
    shown = "documents { pdf xlsx csv }"
    ask = f"{{ merchant {{ statements {{ nodes {{ {shown} invoices {{ {shown} }} }} }} }} }}"
    (found,) = (await desk.ask(ask, "olga"))["statements"]["nodes"]
    return {each: [found["documents"][each], found["invoices"][0]["documents"][each]] for each in BEGINNINGS}


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    return answer.status_code, answer.json()["errors"][0]["extensions"]["code"]


@pytest.mark.parametrize("format", BEGINNINGS)
async def test_a_document_is_downloaded_by_whoever_may_read_the_ledger(desk: Settled, format: str) -> None:
    for path in (await paths(desk))[format]:
        for who, merchant in (("acc", "shop"), ("fin", None), ("aud", None)):
            answer = await get(desk, path, who, merchant)
            assert answer.status_code == 200, answer.text
            assert answer.content.startswith(BEGINNINGS[format]) or format == "csv"
            name = path.rpartition("/")[2]
            assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
            assert answer.headers["cache-control"] == "no-store"
        again = await get(desk, path, "olga", "shop")
        assert again.content == answer.content or format == "xlsx"


async def test_the_file_says_what_the_statement_says(desk: Settled) -> None:
    answer = await get(desk, (await paths(desk))["csv"][0], "olga", "shop")
    assert "112.50" in answer.text
    assert (await desk.statement())["number"] in answer.text


async def test_who_may_not_read_a_document_is_refused_as_in_the_api(desk: Settled) -> None:
    for path in (await paths(desk))["csv"]:
        assert code(await get(desk, path, None)) == (401, "UNAUTHENTICATED")
        assert code(await get(desk, path, "olga")) == (400, "NO_MERCHANT_SELECTED")
        assert code(await get(desk, path, "vic", "shop")) == (403, "NOT_PERMITTED")
        assert code(await get(desk, path, "rev")) == (403, "NOT_PERMITTED")
        for who, merchant in (("otto", "shop"), ("fin", "shop"), ("olga", "no-such")):
            assert code(await get(desk, path, who, merchant)) == (403, "MERCHANT_REFUSED")
        bad = await desk.mall.http.get(path, headers={"authorization": "Bearer x"})
        assert code(bad) == (401, "UNAUTHENTICATED")


async def test_another_merchants_document_answers_as_one_that_does_not_exist(desk: Settled) -> None:
    for path in (await paths(desk))["pdf"]:
        foreign = await get(desk, path, "otto", "other")
        missing = await get(desk, path.replace("00001", "00009"), "otto", "other")
        assert code(foreign) == (404, "NOT_FOUND")
        assert foreign.text == missing.text


@pytest.mark.parametrize("name", ["100001-S00009.pdf", "100001-S00001.exe", "x.pdf", "100001-S00001%00.pdf", ".pdf"])
async def test_what_is_no_document_is_not_found(desk: Settled, name: str) -> None:
    for who, merchant in (("olga", "shop"), ("fin", None)):
        answer = await get(desk, f"/documents/statements/{name}", who, merchant)
        assert answer.status_code == 404


async def test_a_document_that_the_books_no_longer_say_is_not_shown(desk: Settled) -> None:
    found = (await paths(desk))["pdf"]
    schema = sql.Identifier(schema_of(desk.shelf.merchant.id))
    with psycopg.connect(desk.mall.database.logins.owner) as owner:
        owner.execute(sql.SQL("UPDATE {}.statement SET closing_minor = 1, opening_minor = -11249").format(schema))
        owner.execute("UPDATE platform.commission_invoice SET recipient = 'Somebody else'")
    for path in found:
        answer = await get(desk, path, "olga", "shop")
        assert code(answer) == (500, "DOCUMENT_DIFFERS")
        assert answer.json()["errors"][0]["extensions"]["id"]


SET_LANGUAGE = """mutation ($input: DocumentLanguageSetInput!) { documentLanguageSet(input: $input) { __typename
  ... on DocumentLanguageWasSet { language } ... on Problem { message } } }"""


async def test_documents_keep_the_language_that_they_were_issued_in(desk: Settled) -> None:
    before = {path: (await get(desk, path, "olga", "shop")).content for path in (await paths(desk))["pdf"]}
    chosen = {"input": {"language": "ZH_HANS"}}
    for who in ("acc", "olga"):
        answer = await desk.mall.ask(SET_LANGUAGE, chosen, who=who, merchant="shop")
        assert answer.data["documentLanguageSet"] == {"__typename": "DocumentLanguageWasSet", "language": "ZH_HANS"}
    refused = await desk.mall.ask(SET_LANGUAGE, chosen, who="vic", merchant="shop")
    assert refused.data["documentLanguageSet"]["__typename"] == "NotPermitted"
    shown = "{ merchant { documentLanguage } }"
    assert (await desk.mall.ask(shown, who="olga", merchant="shop")).data["merchant"] == {"documentLanguage": "ZH_HANS"}
    assert (await desk.mall.ask(shown, who="otto", merchant="other")).data["merchant"] == {"documentLanguage": "EN"}
    for path, content in before.items():
        assert (await get(desk, path, "olga", "shop")).content == content
    await desk.shelf.sell(9_000, local(2026, 3, 10), 1_250)
    await desk.shelf.close(local(2026, 3, 16))
    ask = "{ merchant { statements { nodes { documents { pdf } invoices { documents { pdf } } } } } }"
    (found, _) = (await desk.ask(ask, "olga"))["statements"]["nodes"]
    for each, title in ((found, "结算单"), (found["invoices"][0], "佣金发票")):
        file = await get(desk, each["documents"]["pdf"], "olga", "shop")
        page = PdfReader(BytesIO(file.content)).pages[0].extract_text()
        assert title in page
        assert "第 1 页" in page
        assert file.content == (await get(desk, each["documents"]["pdf"], "fin")).content
