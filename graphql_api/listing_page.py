"""Pages of listings: what is searched for, in which order, and what it can be narrowed by."""

from dataclasses import dataclass
from uuid import UUID

import strawberry

from graphql_api.category import Category
from graphql_api.context import Info
from graphql_api.enums import Language, ListingSort
from graphql_api.listing import ACTOR, Listing
from graphql_api.money import Money
from graphql_api.reader import language_of_texts
from graphql_api.relay import Connection, Edge, Page, PageInfo, connection_of, page
from graphql_api.selection import selects_anywhere, wanted
from merchantry.domain.errors import InvalidInput, UnknownCurrency
from merchantry.domain.money import digits, parse_minor
from merchantry.domain.worded import Worded
from merchantry.services import listing, listing_facets, listing_search
from merchantry.services.listing import KEY_TYPES
from merchantry.services.listing_facets import Facets
from merchantry.services.listing_search import Conditions, Wanted
from tenancy.database import PublicSession

MAX_SEARCH = 200
MAX_MERCHANTS = 50


@strawberry.input(description="Prices from and to, both included, as decimals of the currency that is asked for.")
class PriceRangeInput:
    from_: str | None = strawberry.field(default=None, name="from")
    to: str | None = None


@strawberry.type(description="How many of the listings found are in a category, or below it.")
class CategoryCount:
    category: Category
    count: int


@strawberry.type(description="How many of the listings found are a merchant's.")
class MerchantCount:
    slug: str
    name: str
    count: int


@strawberry.type(description="How many of the listings found cost at least `from` and less than `to`.")
class PriceCount:
    from_: Money = strawberry.field(name="from")
    to: Money | None = strawberry.field(description="Null where there is no end.")
    count: int


@strawberry.type(description="What the list can be narrowed by. Each counts what the other conditions leave.")
class ListingFacets:
    categories: list[CategoryCount]
    merchants: list[MerchantCount] = strawberry.field(description="At most 50, those with the most first.")
    prices: list[PriceCount] = strawberry.field(description="Of the currency that is asked for; empty without one.")


@strawberry.type(description="How many listings there are, counted up to 10,000.")
class ListingTotal:
    count: int
    is_exact: bool = strawberry.field(description="Whether there are no more than that.")


@strawberry.type(name="ListingConnection", description="One page of the mall's listings.")
class ListingPage:
    edges: list[Edge[Listing]]
    nodes: list[Listing]
    page_info: PageInfo
    total: ListingTotal | None
    facets: ListingFacets | None


@dataclass(frozen=True, slots=True)
class Asked:
    """The arguments of a list of listings."""

    wanted: Wanted
    sort: ListingSort | None
    first: int | None
    after: str | None
    language: Language | None


def asked_for(
    search: str | None,
    category: str | None,
    merchants: list[str] | None,
    currency: str | None,
    price: PriceRangeInput | None,
    in_stock: bool,
) -> Wanted:
    """What is wanted. Raises InvalidInput, UnknownCurrency."""
    if search is not None and len(search) > MAX_SEARCH:
        raise InvalidInput(reason=Worded("Search for at most {most} characters.", most=MAX_SEARCH), path=("search",))
    if merchants is not None and len(merchants) > MAX_MERCHANTS:
        raise InvalidInput(reason=Worded("Name at most {most} merchants.", most=MAX_MERCHANTS), path=("merchants",))
    if currency is not None:
        _check_currency(currency)
    if price is not None and currency is None:
        raise InvalidInput(reason="Say in which currency the prices are.", path=("currency",))
    least = _minor(price.from_, currency, "from") if price else None
    most = _minor(price.to, currency, "to") if price else None
    return Wanted(search, category, merchants, currency, least, most, in_stock)


def _check_currency(currency: str) -> None:
    try:
        digits(currency)
    except UnknownCurrency as error:
        error.path = ("currency",)
        raise


def _minor(amount: str | None, currency: str | None, name: str) -> int | None:
    if amount is None or currency is None:
        return None
    try:
        return parse_minor(amount, currency)
    except InvalidInput as error:
        error.path = ("price", name)
        raise


async def listing_page(info: Info, asked: Asked) -> ListingPage:
    """The page, with facets and total where they are selected: a constant number of statements."""
    sort = listing.sort_of(asked.wanted, asked.sort)
    name = "listings" if sort is ListingSort.NEWEST else f"listings by {sort}"
    place = page(name, (KEY_TYPES[sort], UUID, UUID), asked.first, asked.after)
    selected = wanted(info)
    language = await language_of_texts(info.context, asked.language)
    async with info.context.database.read(ACTOR) as tx, tx.as_public() as session:
        conditions = await listing_search.conditions(session, asked.wanted)
        total = await _total(session, conditions) if "total" in selected else None
        facets = None
        if "facets" in selected:
            facets = await _facets(session, conditions, wanted(info, "facets"), language)
        connection = await _rows(info, session, conditions, sort, place, language) if selected & ROWS else None
    return ListingPage(
        edges=connection.edges if connection else [],
        nodes=connection.nodes if connection else [],
        page_info=connection.page_info if connection else NO_PAGE,
        total=total,
        facets=facets,
    )


ROWS = {"edges", "nodes", "pageInfo"}
NO_PAGE = PageInfo(has_next_page=False, has_previous_page=False, start_cursor=None, end_cursor=None)


async def _rows(
    info: Info,
    session: PublicSession,
    conditions: Conditions,
    sort: ListingSort,
    place: Page,
    language: Language | None,
) -> Connection[Listing]:
    found = await listing.listings(session, place.first, place.after, conditions=conditions, sort=sort)
    stock = await listing.with_stock(session, found) if selects_anywhere(info, "availableQuantity") else {}
    return connection_of(
        found, place, cursor_of=lambda each: each.cursor, node_of=lambda each: Listing.of(each, stock, language)
    )


async def _total(session: PublicSession, conditions: Conditions) -> ListingTotal:
    count = await listing.counted(session, conditions)
    return ListingTotal(count=min(count, listing.MOST_COUNTED), is_exact=count <= listing.MOST_COUNTED)


async def _facets(
    session: PublicSession, conditions: Conditions, names: set[str], language: Language | None
) -> ListingFacets:
    found = await listing_facets.facets(session, conditions, names)
    return _of(found, conditions.wanted.currency, language)


def _of(found: Facets, currency: str | None, language: Language | None) -> ListingFacets:
    tree = Category.tree(found.tree, language)
    return ListingFacets(
        categories=[CategoryCount(category=tree[each.code], count=count) for each, count in found.categories],
        merchants=[MerchantCount(slug=each.slug, name=each.name, count=each.count) for each in found.merchants],
        prices=[
            PriceCount(
                from_=Money.of(each.from_minor, currency),
                to=None if each.to_minor is None else Money.of(each.to_minor, currency),
                count=each.count,
            )
            for each in found.prices
            if currency is not None
        ],
    )
