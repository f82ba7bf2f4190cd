"""The platform sells in its own name: the same shares, other accounts, and books that still balance."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain import closing, entries, refund, refund_entries
from merchantry.domain.closing import Claimable
from merchantry.domain.entries import EARNED, MIRRORED, Collector
from merchantry.domain.ledger import Account, Entry, EntryKind, PlatformAccount, Posting
from merchantry.domain.order import LineState
from merchantry.domain.plan_document import parse_plan
from merchantry.domain.refund import Asked, RefundLine
from merchantry.domain.refund_entries import Sale, Stage
from merchantry.domain.release import left
from merchantry.domain.reversal import Refunded
from merchantry.domain.seller import PURCHASE, SALES, SellerOfRecord, is_purchase, sale_details, terms_for
from merchantry.domain.split import OrderSplit, divide_order
from tests.domain.strategies import full_plan_documents, sold_orders

ORDER = UUID(int=1)
NOW = datetime(2026, 3, 5, 12, 30, tzinfo=UTC)
PRINCIPAL = SellerOfRecord.PRINCIPAL


@st.composite
def bought(draw: st.DrawFn) -> OrderSplit:
    """An order that the platform sells, rated by any plan."""
    plan = terms_for(PRINCIPAL, parse_plan(draw(full_plan_documents())))
    return divide_order(plan, draw(sold_orders())).split


def captured(split: OrderSplit) -> Entry:
    return entries.capture(ORDER, split, seller=PRINCIPAL, occurred_at=NOW, details={})


def sums(postings: Iterable[Posting]) -> Counter[str]:
    found = Counter[str]()
    for posting in postings:
        found[posting.account] += posting.amount_minor
    return found


def mirrored(entry: Entry) -> int:
    """What stands on the platform's own accounts in the merchant's ledger."""
    return sum(posting.amount_minor for posting in entry.postings if Account(posting.account) in MIRRORED)


@given(bought())
def test_revenue_less_cost_of_goods_is_the_margin_and_clearing_mirrors_the_merchants_ledger(split: OrderSplit) -> None:
    entry = captured(split)
    side = sums(entries.platform_side(entry, earned=False))
    posted = sums(entry.postings)
    assert side[PlatformAccount.SALES_PENDING] == split.paid_minor - split.sales_tax_minor
    margin_minor = side[PlatformAccount.SALES_PENDING] + side[PlatformAccount.COST_OF_GOODS_PENDING]
    assert margin_minor == posted[Account.PLATFORM_MARGIN] == split.commission_minor - split.subsidy_minor
    assert -side[PlatformAccount.MERCHANT_CLEARING] == mirrored(entry)
    assert not posted[Account.PLATFORM_COMMISSION] + posted[Account.COMMISSION_TAX] + posted[Account.PLATFORM_EXPENSE]


@given(bought())
def test_the_supplier_gets_what_it_would_get_as_the_seller(split: OrderSplit) -> None:
    as_agent = sums(entries.capture(ORDER, split, occurred_at=NOW, details={}).postings)
    assert sums(captured(split).postings)[Account.MERCHANT_PENDING] == as_agent[Account.MERCHANT_PENDING]


@given(full_plan_documents(), sold_orders())
def test_nothing_is_charged_on_a_margin(document: dict[str, object], lines: list[object]) -> None:
    split = divide_order(terms_for(PRINCIPAL, parse_plan(document)), lines).split  # type: ignore[arg-type]
    assert split.commission_tax_minor == 0


@given(bought(), st.lists(st.integers(0, 10**6), max_size=3), st.booleans())
def test_refunds_and_the_release_leave_the_platforms_side_as_its_accounts_in_the_merchants_ledger(
    split: OrderSplit, amounts: list[int], is_late: bool
) -> None:
    story = [captured(split)]
    side = sums(entries.platform_side(story[0], earned=False))
    if is_late:
        story, side = _released(story, side)
    for amount in amounts:
        for entry in _refund(split, story, amount, Stage.AVAILABLE if is_late else Stage.PENDING):
            story.append(entry)
            side.update(sums(entries.platform_side(entry, earned=is_late)))
    if not is_late:
        story, side = _released(story, side)
    total = sum(mirrored(entry) for entry in story)
    own = sum(amount for account, amount in side.items() if account != PlatformAccount.MERCHANT_CLEARING)
    assert own == total
    assert not any(side[account] for account in EARNED)


def _released(story: list[Entry], side: Counter[str]) -> tuple[list[Entry], Counter[str]]:
    rest = left(story, Collector.PLATFORM)
    currency = story[0].postings[0].currency
    said = sale_details(PRINCIPAL, purchase_minor=rest.merchant_minor)
    at = NOW + timedelta(days=7)
    entry = entries.release(ORDER, rest.merchant_minor, currency, occurred_at=at, available_at=at, details=said)
    after = Counter(dict(side))
    after.update(sums(entries.platform_release(rest.accrued, currency)))
    return [*story, entry], after


def _refund(split: OrderSplit, story: list[Entry], amount_minor: int, stage: Stage) -> list[Entry]:
    """A goodwill refund of so much, or of what is left; nothing where nothing is."""
    gone = sum(
        posting.amount_minor for entry in story for posting in entry.postings if posting.account == Account.REFUNDS
    )
    lines = _lines(split, gone)
    most = refund.refundable(lines)
    asked = min(amount_minor, most)
    if not asked:
        return []
    parts = refund.divide(split.currency, lines, Asked(goodwill_minor=asked))
    total = refund.total_of(parts)
    sale = Sale(ORDER, split.currency, 1, stage, seller=PRINCIPAL)
    sales_minor = total.sales_tax_minor - asked
    purchase_minor = -total.merchant_minor if stage is Stage.AVAILABLE else 0
    said = sale_details(PRINCIPAL, sales_minor=sales_minor, purchase_minor=purchase_minor)
    return [refund_entries.refund(sale, total, occurred_at=NOW, details=said)]


def _lines(split: OrderSplit, gone_minor: int) -> list[RefundLine]:
    """The lines after so much of them was refunded as goodwill."""
    fresh = [RefundLine(line, LineState(line.id, 1, 0, 0, 0, 0), Refunded(), 0) for line in split.lines]
    if not gone_minor:
        return fresh
    parts = {
        part.line.id: part.refunded for part in refund.divide(split.currency, fresh, Asked(goodwill_minor=gone_minor))
    }
    return [RefundLine(each.split, each.state, parts.get(each.id, Refunded()), 0) for each in fresh]


def test_purchases_are_documents_of_their_own_and_no_commission_is_invoiced_of_them() -> None:
    def claimed(kind: EntryKind, amount_minor: int, **details: int) -> Claimable:
        return Claimable(1, kind, "1-1", "BRL", NOW, amount_minor, None, details, 0, 0)

    both = [
        claimed(EntryKind.RELEASE, 900, commission_minor=100, commission_tax_minor=19, commission_tax_bps=1900),
        claimed(EntryKind.RELEASE, 1_800, commission_minor=200, **{SALES: 0, PURCHASE: 1_800}),
        claimed(EntryKind.REFUND, -450, commission_minor=-50, **{SALES: -500, PURCHASE: -450}),
        claimed(EntryKind.ADJUSTMENT, -7),
    ]
    assert closing.charged(both) == ({1900: (100, 19)}, {})
    assert closing.bought(both) == ({0: (1_800, 0)}, {0: (450, 0)})
    assert [is_purchase(each.details) for each in both] == [False, True, True, False]
