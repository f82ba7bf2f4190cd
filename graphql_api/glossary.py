"""Descriptions of words that mean the same wherever the API says them; types describe what is their own.

A name is looked up by ``Type.field.argument`` or ``Input.field``, then alone. A test demands that nothing is left out.
"""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, Final

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from graphql_api.glossary_values import VALUES

WORDS: Final[Mapping[str, str]] = {
    "accountNumber": "The account's number, where there is no IBAN.",
    "after": "The cursor after which the page begins; the first page without it.",
    "sellerOfRecord": "Who sells to buyers, in law: the merchant, or the platform.",
    "search": "Words to find; mistyped ones are corrected.",
    "inStock": "Only what can be bought now.",
    "sort": "In which order.",
    "tokenId": "The machine token that is meant.",
    "amount": "How much, in one currency.",
    "answer": "What the buyer is told.",
    "bic": "The bank's code, where the account has no IBAN that says it.",
    "cart": "What is bought.",
    "caseId": "The case.",
    "endpointId": "The webhook endpoint.",
    "group": "Which kinds of news, together.",
    "channel": "How to be told of them.",
    "category": "The code of one of the mall's categories.",
    "chargebackId": "The chargeback.",
    "checkoutId": "The checkout.",
    "code": "What it is called in requests and rules.",
    "couponId": "The coupon.",
    "currency": "An ISO 4217 code.",
    "cycle": "How often periods end.",
    "description": "What it is, in plain text of at most 20,000 characters.",
    "document": "The whole document, as the documentation describes it.",
    "dueAt": "Until when it should be decided.",
    "effectiveFrom": "The moment from which it is in force.",
    "evidence": "What is known, as pairs of a name and a value.",
    "fee": "What the buyer's bank charges for it.",
    "feeBorneBy": "Who bears the fee.",
    "filter": "Which rows: all that is given must fit.",
    "first": "How many rows, 1 to 100; 20 where it is left out.",
    "format": "How the file is written.",
    "from": "The first day that counts.",
    "groupBy": "What rows are told apart by, besides the currency.",
    "iban": "The account's IBAN; spaces don't matter.",
    "id": "An opaque id.",
    "idempotencyKey": "1 to 200 characters; the same request with the same key is done once, and answered again.",
    "imageUrls": "Web addresses of at most 20 images.",
    "input": "What is to be done.",
    "kind": "What it is.",
    "language": "Of texts that are translated; else what the viewer chose, else the request's Accept-Language.",
    "line": "The line of a bank's statement.",
    "lineId": "The order's line.",
    "lines": "The lines, each with its quantity.",
    "merchant": "A merchant's id, of `platform { merchants }`.",
    "merchantId": "A merchant's id.",
    "merchants": "Ids of `platform { merchants }`; all of them where it is left out.",
    "mostUses": "How often all buyers together may use it; any number of times where it is left out.",
    "mostUsesPerBuyer": "How often one buyer may use it; any number of times where it is left out.",
    "name": "What people call it.",
    "note": "What else the buyer wants to say.",
    "number": "The number that people call it by.",
    "objectionDays": "Days in which the merchant can object to a statement.",
    "onHand": "Pieces in the house, the reserved ones among them.",
    "orderId": "The order.",
    "orderNumber": "Only whose order of this number it is.",
    "overdue": "True: only what should have been shipped by now.",
    "outcome": "What came of it.",
    "parent": "The code of the category above; none where it is left out.",
    "payeeAccountId": "The account.",
    "payoutId": "The payout.",
    "price": "The price, in one currency.",
    "prices": "Prices, at most one in each currency.",
    "productId": "The product.",
    "quantity": "Pieces, at least 1.",
    "quoteId": "The quote.",
    "reason": "Why; it is kept with what was done.",
    "refundId": "The refund.",
    "reportId": "The saved report.",
    "requirement": "How many must have signed, and which; as the documentation of the log describes it.",
    "requestId": "The id of the request that did it.",
    "reserveBps": "The part of each payout that is kept as risk reserve, in basis points (1 of 10,000).",
    "reserveDays": "Days for which the reserve is kept.",
    "returnId": "The return.",
    "role": "Which role.",
    "schedule": "How often it is produced by itself.",
    "shipTo": "Where it goes.",
    "shipmentId": "The parcel.",
    "shippingOptions": "The ways to ship, at least one.",
    "sku": "The variant's SKU, unique among the merchant's.",
    "slug": "The merchant's name in web addresses.",
    "statementId": "The statement.",
    "status": "Only of this status, or of these.",
    "statuses": "Only of these statuses; of all where it is left out.",
    "subject": "The id of what it was done to.",
    "tenders": "How it is paid, and how much by each; by one means where it is left out.",
    "title": "What people call it, 1 to 300 characters.",
    "to": "The first day that no longer counts.",
    "transferId": "The transfer.",
    "variantId": "The variant.",
    "variants": "Its variants, at most 100.",
    "version": "Which version.",
    "vote": "What the voter makes of it.",
    "walletId": "The id that the wallet's provider knows it by.",
    "AddressInput.city": "The town.",
    "AddressInput.name": "Who receives it.",
    "AddressInput.phone": "For the carrier.",
    "AddressInput.postalCode": "As the country writes it.",
    "AddressInput.street": "Street and number.",
    "ApprovalStepInput.above": "The step is for amounts above this one; for all where it is left out.",
    "BankLineDismissInput.reason": "Why the line is nothing of ours.",
    "CaseCommentInput.text": "What is to be remembered.",
    "CaseFactInput.name": "What is known.",
    "CaseFactInput.value": "How it is.",
    "CategoryDaysSetInput.code": "The category's code.",
    "CommissionPlanReplayInput.document": "A plan that is not installed; else name and version of one that is.",
    "CommissionPlanReplayInput.first": "How many rows, 1 to 100.",
    "ExchangeBookInput.to": "The currency that is bought.",
    "MerchantUpdateInput.acceptsCash": "Whether it takes the buyer's money on delivery.",
    "MerchantCreateInput.commissionPlan": "The name of the plan that its orders are under.",
    "MerchantCreateInput.displayName": "What buyers read.",
    "MerchantCreateInput.legalName": "What stands on documents.",
    "MerchantCreateInput.settlementCycle": "How often it is settled with.",
    "MoneyInput.amount": "A decimal text with as many digits as the currency has.",
    "OrderShipInput.carrier": "Who brings the parcel.",
    "OrderShipInput.trackingNumber": "What the carrier calls the parcel.",
    "PayoutResolveInput.outcome": "What is known to have come of it.",
    "ProductUpdateInput.newVariants": "Variants to add.",
    "QuantityInput.quantity": "Pieces of it, at least 1.",
    "StockAdjustInput.change": "Pieces that came in, or (negative) are gone; not 0.",
    "TaxRateSetInput.coversShipping": "Whether shipping is taxed too.",
    "Merchant.balance.at": "The moment; now where it is left out.",
    "Merchant.orders.externalRef": "The one that the merchant's own system calls so.",
    "Platform.cases.mine": "Only those that the viewer takes care of.",
    "Platform.cases.overdue": "Only open ones that were due.",
    "Platform.orders.sort": "What they are sorted by; by TOTAL only in one currency.",
    "Query.listing.id": "The listing's id.",
    "Query.listings.category": "Only of this category.",
    "Query.listings.search": "Only what has each of these words in its title or description.",
    "Query.listings.shop": "Only of the merchant of this slug.",
    "Query.nodes.ids": "At most 100 ids.",
    "Reconciliation.lines.statement": "Only those of this statement.",
}

ROOTS: Final[Mapping[str, str]] = {
    "Query": "What can be asked. Each field is read in one snapshot of its own.",
    "Mutation": "What can be done. Each field is one transaction; a problem means that nothing was done.",
    "Subscription": "What can be waited for.",
}


def describe(schema: GraphQLSchema) -> None:
    """Give what has no description of its own the one of its word."""
    for name, type_ in schema.type_map.items():
        if isinstance(type_, GraphQLEnumType):
            for value, definition in type_.values.items():
                definition.description = definition.description or VALUES.get(name, {}).get(value)
        elif isinstance(type_, GraphQLUnionType):
            type_.description = type_.description or f"What came of it: {type_.types[0].name}, or why nothing was done."
        elif name in ROOTS:
            type_.description = type_.description or ROOTS[name]
        if isinstance(type_, GraphQLObjectType):
            for field in type_.fields.values():
                field.description = field.description or _said_by_resolver(field)
        for path, given in _given(name, type_):
            given.description = given.description or _word(path, given)


def _said_by_resolver(field: GraphQLField) -> str | None:
    """What the docstring of a field's resolver says."""
    definition = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    resolver = definition.base_resolver if isinstance(definition, StrawberryField) else None
    return inspect.getdoc(resolver.wrapped_func) if resolver else None


def _given(name: str, type_: Any) -> Iterator[tuple[str, GraphQLArgument | GraphQLInputField]]:
    """What clients give to a type, with its path."""
    if isinstance(type_, GraphQLInputObjectType):
        for field, given in type_.fields.items():
            yield f"{name}.{field}", given
    elif isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
        for field, definition in type_.fields.items():
            for argument, taken in definition.args.items():
                yield f"{name}.{field}.{argument}", taken


def _word(path: str, given: GraphQLArgument | GraphQLInputField) -> str | None:
    if path in WORDS:
        return WORDS[path]
    last = path.rpartition(".")[2]
    if last in ("input", "filter"):
        named = get_named_type(given.type)
        return getattr(named, "description", None) or WORDS[last]
    return WORDS.get(last)
