"""The schema keeps its own rules: lists are bounded, mutations answer unions, everything is described."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
)
from typer.testing import CliRunner

from graphql_api.schema import schema as served
from graphql_api.schema_changes import Change, Weight, changes
from merchantry.cli.main import app

SCHEMA = served.graphql_schema
ROOT = Path(__file__).parents[2]
CHANGELOG = ROOT / "docs" / "schema-changelog.md"
RECORDED = ROOT / "schema.recorded.graphql"

OF_A_CHECKOUT = "at most 500 lines are in a checkout, and what an order has belongs to one of them"
OF_ONE_THING = "what happened to one thing in its life"
GIVEN = "what the client or the staff gave for one thing; inputs bound it"
KINDS = "one for each value of an enum, or each currency in use"
WORDS = "a mutation's input bounds it"
BOUNDED = {
    "Verification.findings": "the first hundred; broken counts all",
    "NotificationPreferenceChanged.preferences": KINDS,
    "Viewer.notificationPreferences": KINDS,
    "WebhookDelivery.attempts": "the latest 20",
    "WebhookEndpoint.kinds": KINDS,
    "Category.translations": "one for each language that there is",
    "Product.translations": "one for each language that there is",
    "Category.children": "the platform's own categories, which people made",
    "Shop.categories": "the platform's own categories, which people made",
    "ListingFacets.categories": "the platform's own categories, which people made",
    "ListingFacets.merchants": "the most frequent",
    "ListingFacets.prices": "a fixed number of ranges",
    "MachineToken.scopes": "each permission once",
    "ViewerMachine.scopes": "each permission once",
    "Checkout.coupons": "10 codes at most",
    "Checkout.orders": OF_A_CHECKOUT,
    "Checkout.payments": OF_ONE_THING,
    "Order.lines": OF_A_CHECKOUT,
    "Order.shipments": OF_A_CHECKOUT,
    "Order.events": OF_ONE_THING,
    "Order.refunds": OF_A_CHECKOUT,
    "Order.returns": "the latest 50",
    "Order.chargebacks": "the latest 50",
    "Order.reviewTrail": OF_ONE_THING,
    "Shipment.lines": OF_A_CHECKOUT,
    "Shipment.updates": "the latest 50",
    "Order.timeline": "the latest 200",
    "Refund.lines": OF_A_CHECKOUT,
    "ReturnRequest.lines": OF_A_CHECKOUT,
    "Chargeback.evidence": GIVEN,
    "Product.imageUrls": "20",
    "Product.variants": "100",
    "Variant.prices": KINDS,
    "Listing.imageUrls": "20",
    "Listing.variants": "100",
    "ListedVariant.prices": KINDS,
    "Shop.shippingOptions": GIVEN,
    "ShippingOption.prices": KINDS,
    "Split.lines": OF_A_CHECKOUT,
    "Split.entries": OF_ONE_THING,
    "CommissionExplanation.slices": "the steps of a plan's tiers",
    "CommissionExplanation.parts": "the terms of a plan",
    "LedgerEntry.postings": "the accounts of a ledger, in each currency",
    "Receipt.inclusionProof": "the height of a tree of hashes",
    "Case.evidence": GIVEN,
    "Case.approvals": "the steps of a chain of approval",
    "Case.events": OF_ONE_THING,
    "CaseEvent.evidence": GIVEN,
    "SavedReport.columns": KINDS,
    "SavedReport.merchants": GIVEN,
    "SavedReport.statuses": GIVEN,
    "SavedReport.files": "those that are kept, the latest",
    "Statement.kinds": KINDS,
    "Statement.payouts": "one payout, and those that replaced it",
    "Statement.invoices": "one for each kind of document",
    "CommissionInvoice.lines": KINDS,
    "Payout.transfers": OF_ONE_THING,
    "Payout.entries": OF_ONE_THING,
    "PayoutRecord.transfers": OF_ONE_THING,
    "Coupon.amounts": KINDS,
    "Customer.totals": KINDS,
    "Coupon.minimum": KINDS,
    "Coupon.most": KINDS,
    "Coupon.merchants": GIVEN,
    "Coupon.categories": GIVEN,
    "Coupon.products": GIVEN,
    "MixedCurrencies.currencies": KINDS,
    "CheckoutRejected.problems": OF_A_CHECKOUT,
    "CashNotAccepted.merchants": OF_A_CHECKOUT,
    "ProductIncomplete.missing": KINDS,
    "PlanInvalid.problems": WORDS,
    "RulesInvalid.problems": WORDS,
    "Query.categories": "those that the platform's staff made",
    "Query.reportForms": KINDS,
    "Viewer.platformRoles": KINDS,
    "Viewer.receipts": "the first 100",
    "Viewer.memberships": "the merchants that have hired the viewer",
    "Membership.roles": KINDS,
    "Merchant.balance": KINDS,
    "Merchant.statementPreview": KINDS,
    "Merchant.closingBlockers": KINDS,
    "Merchant.staff": "500, the longest there first",
    "StatementPreview.kinds": KINDS,
    "SettlementSchedule.daysOfMonth": "31",
    "SettlementTerms.minimumPayout": KINDS,
    "Platform.closingBlockers": KINDS,
    "Platform.payoutReleaseLimits": KINDS,
    "Platform.debts": "1,000, the oldest",
    "Platform.reviewTrail": OF_ONE_THING,
    "MerchantRecord.payeeAccounts": KINDS,
    "OrderRecord.lines": OF_A_CHECKOUT,
    "CommissionReport.rows": "`first`, and pageInfo beside it",
    "SettlementReport.rows": "`first`, and pageInfo beside it",
    "CommissionPlanReplayed.rows": "`first`",
    "ApprovalChain.steps": GIVEN,
    "ApprovalStep.above": KINDS,
    "SettlementRun.failures": "one for each merchant of the run",
    "TransparencyLog.keys": "the keys that ever signed",
    "TransparencyLog.inclusionProof": "the height of a tree of hashes",
    "TransparencyLog.consistencyProof": "the height of a tree of hashes",
    "Checkpoint.witnesses": "those that are known",
    "ReportForm.sortedBy": KINDS,
    "ReportForm.columns": KINDS,
    "CheckoutQuoted.parts": OF_A_CHECKOUT,
    "CheckoutQuoted.coupons": OF_A_CHECKOUT,
    "QuotePart.lines": OF_A_CHECKOUT,
    "BuyerErased.kept": "one for each order that has to stay, counted by reason",
    "ProductsUpserted.results": "500 rows",
    "StocksSet.results": "5,000 rows",
    "StaffGranted.staff": "500, the longest there first",
    "StaffRevoked.staff": "500, the longest there first",
    "MerchantClosingBegun.closingBlockers": KINDS,
    "MerchantFinished.closingBlockers": KINDS,
    "CommissionPlanProposed.warnings": WORDS,
    "CommissionPlanReplayed.totals": KINDS,
    "ReviewRulesTried.rows": "the rules of a document",
    "ReviewTrialRow.examples": "a few of each rule",
    "PayoutReleaseLimitSet.limits": KINDS,
    "Reconciled.cases": "the lines of a file",
}
"""Lists that are no connections, and what bounds them."""

VERBS = frozenset(
    word
    for line in (
        "accept add adjust annotate approve assign begin book cancel change claim close comment confirm create",
        "decide delete deliver disable dismiss enable end erase finish flag grant lose mark match object open",
        "pause pay place produce propose publish quote reactivate receive reconcile reject release reopen replay",
        "request resolve respond resume retry revoke rotate run save set ship suspend test try unflag unpublish",
        "update upsert verify win withdraw",
    )
    for word in line.split()
)
RULE = re.compile(r"[a-z]+(?:[A-Z][a-z]+)*")
WORD = re.compile(r"[A-Z]?[a-z]+")


def objects() -> Iterator[GraphQLObjectType | GraphQLInterfaceType]:
    for name, type_ in SCHEMA.type_map.items():
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType) and not name.startswith("__"):
            yield type_


def is_list(type_: Any) -> bool:
    return isinstance(type_.of_type if isinstance(type_, GraphQLNonNull) else type_, GraphQLList)


def test_every_list_is_a_page_of_a_connection_or_bounded() -> None:
    lists = {
        f"{each.name}.{name}": field
        for each in objects()
        for name, field in each.fields.items()
        if is_list(field.type) and not each.name.endswith("Connection") and name != "path"
    }
    paged = {name for name, field in lists.items() if {"first", "after"} <= field.args.keys() or name == "Query.nodes"}
    unbounded = lists.keys() - BOUNDED.keys() - paged
    assert not unbounded, f"make these lists connections, or say in BOUNDED what bounds them: {sorted(unbounded)}"
    assert not BOUNDED.keys() - lists.keys(), "BOUNDED names lists that are gone"


def test_every_connection_takes_first_and_after() -> None:
    for each in objects():
        for name, field in each.fields.items():
            if get_named_type(field.type).name.endswith("Connection"):
                assert {"first", "after"} <= field.args.keys(), f"{each.name}.{name}"


def test_every_mutation_answers_a_union_of_its_success_and_problems() -> None:
    problem = SCHEMA.type_map["Problem"]
    assert SCHEMA.mutation_type
    for name, field in SCHEMA.mutation_type.fields.items():
        answer = get_named_type(field.type)
        assert isinstance(answer, GraphQLUnionType), name
        assert answer.name == f"{name[0].upper()}{name[1:]}Result"
        is_problem = [problem in each.interfaces for each in answer.types]
        assert not is_problem[0], name
        assert is_problem[-1], name
        assert is_problem == sorted(is_problem), f"{name} has a success after a problem"
        assert list(field.args) == ["input"], name
        assert isinstance(field.args["input"].type, GraphQLNonNull), name


def test_mutations_are_called_by_a_noun_and_a_verb() -> None:
    assert SCHEMA.mutation_type
    for name in SCHEMA.mutation_type.fields:
        assert RULE.fullmatch(name), name
        words = [word.lower() for word in WORD.findall(name)]
        assert VERBS & set(words), f"{name} does nothing that VERBS knows; add the verb, or name it as others are named"


def undescribed() -> Iterator[str]:
    for name, type_ in SCHEMA.type_map.items():
        if name.startswith("__"):
            continue
        if not type_.description:
            yield name
        if isinstance(type_, GraphQLEnumType):
            yield from (f"{name}.{value}" for value, given in type_.values.items() if not given.description)
        if isinstance(type_, GraphQLInputObjectType):
            yield from (f"{name}.{field}" for field, given in type_.fields.items() if not given.description)
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            for field, definition in type_.fields.items():
                yield from (f"{name}.{field}.{arg}" for arg, given in definition.args.items() if not given.description)


def test_every_type_enum_value_argument_and_input_field_is_described() -> None:
    missing = list(undescribed())
    assert not missing, (
        f"describe these where they are, or in graphql_api/glossary.py (values in glossary_values.py): {missing}"
    )


def test_every_field_of_a_root_or_a_view_is_described() -> None:
    for name in ("Query", "Mutation", "Subscription", "Merchant", "Platform"):
        type_ = SCHEMA.type_map.get(name)
        if isinstance(type_, GraphQLObjectType):
            missing = [field for field, given in type_.fields.items() if not given.description]
            assert missing in ([], ["id", "slug"]), name


def test_what_is_deprecated_says_what_to_use_instead() -> None:
    for each in objects():
        for name, field in each.fields.items():
            if field.deprecation_reason is not None:
                assert field.deprecation_reason.startswith("Use "), f"{each.name}.{name}"


def test_what_breaks_documents_is_in_the_changelog() -> None:
    log = " ".join(CHANGELOG.read_text(encoding="utf-8").split())
    found = changes(RECORDED.read_text(encoding="utf-8"), served.as_str())
    missing = [str(each) for each in found if each.weight is Weight.BREAKING and each.text not in log]
    assert not missing, f"write these into docs/schema-changelog.md, or take the change back: {missing}"


OLD = "enum Size { S M } type Query { size: Size name: String }"


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ("enum Size { S M } type Query { size: Size }", [Weight.BREAKING]),
        ("enum Size { S M L } type Query { size: Size name: String }", [Weight.DANGEROUS]),
        ("enum Size { S M } type Query { size: Size name: String at: String }", [Weight.SAFE]),
        ('"Sizes" enum Size { S M } type Query { size: Size name: String }', []),
    ],
    ids=["removed", "value-added", "field-added", "described"],
)
def test_changes_are_weighed(new: str, expected: list[Weight]) -> None:
    assert [each.weight for each in changes(OLD, new)] == expected


def test_the_command_lists_changes_as_the_changelog_has_them(tmp_path: Path) -> None:
    old = tmp_path / "old.graphql"
    text = served.as_str()
    old.write_text(text)
    assert CliRunner().invoke(app, ["schema", "--changes", str(old)]).stdout == ""
    old.write_text(text.replace("  slug: String!", "  slug: String!\n  gone: Int", 1))
    told = CliRunner().invoke(app, ["schema", "--changes", str(old)])
    assert told.exit_code == 1
    assert told.stdout.startswith(str(Change(Weight.BREAKING, ""))), told.stdout
    assert ".gone was removed." in told.stdout
    assert CliRunner().invoke(app, ["schema", "--changes", str(tmp_path / "none")]).exit_code == 2
