"""What the properties of several modules are drawn from: plans, lines, splits."""

from dataclasses import replace
from uuid import UUID

from hypothesis import strategies as st

from merchantry.domain.commission import LineToRate, Plan, parse_plan
from merchantry.domain.discount import share_discount
from merchantry.domain.split import OrderSplit, divide_order
from merchantry.domain.tax import Remitter, line_tax

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
def tiers(draw: st.DrawFn) -> dict[str, object]:
    mode = draw(st.sampled_from(("marginal", "retroactive")))
    starts = sorted(draw(st.sets(st.integers(1, 10**9), max_size=3)))
    rates = draw(st.lists(st.integers(0, 10_000), min_size=len(starts) + 1, max_size=len(starts) + 1))
    if mode == "retroactive":
        rates.sort(reverse=True)
    steps = [{"from_minor": start, "rate_bps": rate} for start, rate in zip((0, *starts), rates, strict=True)]
    window = draw(
        st.sampled_from(
            ({"window": "settlement_period"}, {"window": "calendar_month", "time_zone": "America/Sao_Paulo"})
        )
    )
    return {"mode": mode, **window, "refunds_lower_volume": draw(st.booleans()), "steps": steps}


@st.composite
def beneficiaries(draw: st.DrawFn) -> list[dict[str, object]]:
    of = st.sampled_from(("merchant", "commission"))
    kind = st.sampled_from(("supplier", "affiliate"))
    asked = st.one_of(
        st.fixed_dictionaries({"share_bps": st.integers(0, 3_000)}),
        st.fixed_dictionaries({"fixed_minor": st.one_of(amounts, by_currency)}),
    )
    number = draw(st.integers(0, 3))
    return [{"name": f"party-{each}", "kind": draw(kind), "of": draw(of), **draw(asked)} for each in range(number)]


fees = st.fixed_dictionaries(
    {
        "bps": st.integers(0, 1_000),
        "borne_by": st.sampled_from(("platform", "merchant")),
        "fixed_minor": st.one_of(st.integers(0, 100), by_currency),
    }
)
policies = st.one_of(
    st.fixed_dictionaries({"refund_policy": st.sampled_from(("full", "proportional", "keep_fixed"))}),
    st.fixed_dictionaries(
        {
            "refund_policy": st.just("minus_administration_fee"),
            "administration_fee": st.fixed_dictionaries({"bps": st.integers(0, 10_000), "cap_minor": by_currency}),
        }
    ),
)


@st.composite
def settings(draw: st.DrawFn) -> dict[str, object]:
    """What a plan or a rule may say beside its rate and amounts."""
    said = {
        "base": st.sampled_from(("goods", "goods_and_shipping")),
        "base_tax": st.sampled_from(("gross", "net")),
        "commission_tax_bps": st.integers(0, 3_000),
        "beneficiaries": beneficiaries(),
        "payment_fee": st.one_of(st.none(), fees),
    }
    document = draw(st.fixed_dictionaries({}, optional=said))
    return document | (draw(policies) if draw(st.booleans()) else {})


@st.composite
def full_terms(draw: st.DrawFn) -> dict[str, object]:
    document = draw(terms()) | draw(settings())
    if draw(st.booleans()):
        document |= {"tiers": draw(tiers())}
        del document["rate_bps"]
    if "fixed_minor" in document and draw(st.booleans()):
        document["fixed_per"] = draw(st.sampled_from(("line", "unit", "order")))
    return document


@st.composite
def full_plan_documents(draw: st.DrawFn) -> dict[str, object]:
    """Plans that say everything that a plan can."""
    document = draw(plan_documents()) | draw(settings())
    document["base"] = draw(st.sampled_from(("goods", "goods_and_shipping")))
    document["fixed_per"] = draw(st.sampled_from(("line", "unit", "order")))
    document["default"] = draw(full_terms())
    document["product_categories"] = draw(st.dictionaries(st.sampled_from(CATEGORIES), full_terms(), max_size=2))
    document["merchants"] = draw(st.dictionaries(st.sampled_from(MERCHANTS), full_terms(), max_size=2))
    return document


@st.composite
def sold_lines(draw: st.DrawFn, currency: str, merchant: tuple[str, str | None]) -> LineToRate:
    """A line of a merchant with discounts and tax of any kind."""
    goods_minor, shipping_minor = draw(amounts), draw(st.one_of(st.just(0), amounts))
    discount_minor = draw(st.integers(0, goods_minor))
    by_merchant, by_platform = share_discount(discount_minor, draw(st.integers(0, 10_000)))
    line = LineToRate(
        *merchant,
        draw(st.sampled_from((None, *CATEGORIES))),
        currency,
        draw(st.integers(1, 100)),
        goods_minor,
        shipping_minor,
        by_merchant,
        by_platform,
    )
    if draw(st.booleans()):
        return line
    covers_shipping = draw(st.booleans())
    tax = line_tax(
        line.amounts.taxable_minor(covers_shipping),
        draw(st.integers(0, 3_000)),
        "BR-SP",
        inclusive=draw(st.booleans()),
        remitted_by=draw(st.sampled_from(Remitter)),
        covers_shipping=covers_shipping,
    )
    return replace(line, tax=tax)


@st.composite
def sold_orders(draw: st.DrawFn) -> list[tuple[UUID, LineToRate]]:
    """The lines of an order, with their ids."""
    currency = draw(st.sampled_from((*CURRENCIES, "EUR")))
    merchant = draw(st.sampled_from((*MERCHANTS, "unheard-of"))), draw(st.sampled_from((None, *MERCHANT_CATEGORIES)))
    lines = draw(st.lists(sold_lines(currency, merchant), min_size=1, max_size=5))
    return [(UUID(int=number), line) for number, line in enumerate(lines)]


@st.composite
def splits(draw: st.DrawFn) -> OrderSplit:
    """An order of any lines, rated by any plan."""
    return divide_order(parse_plan(draw(full_plan_documents())), draw(sold_orders())).split
