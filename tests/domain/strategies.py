"""What the properties of several modules are drawn from: plans, lines, splits."""

from uuid import UUID

from hypothesis import strategies as st

from merchantry.domain.commission import LineToRate, Plan, commission, parse_plan
from merchantry.domain.split import LineToSplit, OrderSplit, split_order

CURRENCIES = ("BRL", "JPY", "KWD")
MERCHANTS = ("acme", "bon-marche", "c3")
CATEGORIES = ("telephony", "health_beauty", "食品")
MERCHANT_CATEGORIES = ("food", "fashion")

amounts = st.integers(0, 10**9)
by_currency = st.dictionaries(st.sampled_from(CURRENCIES), amounts, max_size=3)


@st.composite
def terms(draw: st.DrawFn) -> dict[str, object]:
    document: dict[str, object] = {"rate_bps": draw(st.integers(0, 10_000))}
    if draw(st.booleans()):
        document["fixed_minor"] = draw(st.one_of(amounts, by_currency))
    # Each rule names both bounds in every currency, so that none can clash with the plan's own.
    if draw(st.booleans()):
        bounds = {currency: sorted((draw(amounts), draw(amounts))) for currency in CURRENCIES}
        document["floor_minor"] = {currency: low for currency, (low, _) in bounds.items()}
        document["cap_minor"] = {currency: high for currency, (_, high) in bounds.items()}
    return document


@st.composite
def plan_documents(draw: st.DrawFn) -> dict[str, object]:
    of_products = st.dictionaries(st.sampled_from(CATEGORIES), terms(), max_size=3)
    merchants = {}
    for slug in draw(st.sets(st.sampled_from(MERCHANTS))):
        nested = draw(of_products)
        own = draw(terms()) if not nested or draw(st.booleans()) else {}
        merchants[slug] = own | ({"product_categories": nested} if nested else {})
    return {
        "name": draw(st.sampled_from(("Standard plan", "平台方案"))),
        "currency": draw(st.sampled_from(CURRENCIES)),
        "base": draw(st.sampled_from(("goods", "goods_and_shipping"))),
        "hold_days": draw(st.integers(0, 365)),
        "default": draw(terms()),
        "product_categories": draw(of_products),
        "merchant_categories": draw(st.dictionaries(st.sampled_from(MERCHANT_CATEGORIES), terms(), max_size=2)),
        "merchants": merchants,
        "fixed_minor": draw(amounts),
    }


def plans() -> st.SearchStrategy[Plan]:
    return plan_documents().map(parse_plan)


def lines_to_rate(currency: st.SearchStrategy[str]) -> st.SearchStrategy[LineToRate]:
    return st.builds(
        LineToRate,
        merchant=st.sampled_from((*MERCHANTS, "unheard-of")),
        merchant_category=st.sampled_from((None, *MERCHANT_CATEGORIES)),
        product_category=st.sampled_from((None, *CATEGORIES)),
        currency=currency,
        quantity=st.integers(1, 100),
        goods_minor=amounts,
        shipping_minor=amounts,
    )


@st.composite
def splits(draw: st.DrawFn) -> OrderSplit:
    """An order of any lines, rated by any plan."""
    plan = draw(plans())
    currency = draw(st.sampled_from((*CURRENCIES, "EUR")))
    rated = draw(st.lists(lines_to_rate(st.just(currency)), min_size=1, max_size=5))
    return split_order(
        currency,
        [
            LineToSplit(UUID(int=number), line.goods_minor, line.shipping_minor, commission(plan, line))
            for number, line in enumerate(rated)
        ],
    )
