"""A commission plan as JSON: read with every mistake named by its path and remedy (`plan_writer` writes it back).

    {"name": …, "currency": "BRL", "base": "goods" | "goods_and_shipping", "hold_days": 7,
     "default": TERMS,
     "product_categories": {code: TERMS}, "merchant_categories": {code: TERMS},
     "merchants": {slug: TERMS with "product_categories": {code: TERMS}},
     and any of TERMS but the rate}

TERMS are described in `plan_terms`. What the plan says itself holds in every rule that does not say its own; amounts do
so for each currency. Of rates only tiers can be the plan's. A merchant may have product categories without a rate of
its own.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from merchantry.domain.errors import PlanInvalid
from merchantry.domain.plan import CommissionBase, FixedPer, Plan, Rule, Terms
from merchantry.domain.plan_reader import json_document, member
from merchantry.domain.plan_terms import SETTINGS, TERMS, TermsReader
from merchantry.domain.plan_writer import order_of, plan_document

__all__ = ["parse_plan", "plan_document", "plan_from_json"]

MAX_HOLD_DAYS: Final = 365

_TABLES: Final = ("product_categories", "merchant_categories", "merchants")
_PLAN: Final = ("name", "currency", "base", "hold_days", "default", *_TABLES, *SETTINGS)
_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def parse_plan(document: object) -> Plan:
    """The plan that a parsed JSON document describes. Raises PlanInvalid with all its mistakes."""
    reader = _PlanReader()
    plan = reader.plan(document)
    if plan is None or reader.problems:
        raise PlanInvalid(problems=tuple(reader.problems))
    return plan


def plan_from_json(text: str | bytes) -> Plan:
    """The plan in a JSON text. Raises PlanInvalid for text that is no JSON and for keys that come twice as well."""
    return parse_plan(json_document(text))


class _PlanReader(TermsReader):
    def plan(self, document: object) -> Plan | None:
        fields = self.members("$", document, _PLAN)
        if fields is None:
            return None
        name = self.name("$.name", fields.get("name"))
        currency = self.currency("$.currency", fields.get("currency"))
        base = self.choice("$.base", fields.get("base"), CommissionBase)
        hold_days = self.integer("$.hold_days", fields.get("hold_days"), MAX_HOLD_DAYS)
        self.written_in = currency or self.written_in
        common, order_fixed_minor = self._common(fields, base or CommissionBase.GOODS)
        rules = tuple(sorted(self._rules(fields, common), key=order_of))
        if name is None or currency is None or base is None or hold_days is None or self.problems:
            return None
        return Plan(name, currency, base, hold_days, rules, order_fixed_minor)

    def _common(self, fields: Mapping[str, object], base: CommissionBase) -> tuple[Terms, Mapping[str, int]]:
        """What holds in every rule, and the fixed part that is the plan's own: once per order, whatever its rules."""
        said = {key: value for key, value in fields.items() if key != "base"}
        common = self.settings("$", said, Terms(rate_bps=0, base=base))
        common = replace(common, tiers=self.tiers("$.tiers", fields.get("tiers")))
        if common.fixed_per is FixedPer.ORDER:
            return replace(common, fixed_minor={}), common.fixed_minor
        return common, {}

    def _rules(self, fields: Mapping[str, object], common: Terms) -> Iterator[Rule]:
        terms = self.terms("$.default", fields.get("default"), common)
        yield Rule(merchant=None, merchant_category=None, product_category=None, terms=terms)
        for path, code, value in self._table("$", "product_categories", fields):
            terms = self.terms(path, value, common)
            yield Rule(merchant=None, merchant_category=None, product_category=code, terms=terms)
        for path, code, value in self._table("$", "merchant_categories", fields):
            terms = self.terms(path, value, common)
            yield Rule(merchant=None, merchant_category=code, product_category=None, terms=terms)
        for path, slug, value in self._table("$", "merchants", fields):
            yield from self._merchant_rules(path, slug, value, common)

    def _merchant_rules(self, path: str, slug: str, value: object, common: Terms) -> Iterator[Rule]:
        if not _SLUG.fullmatch(slug):
            self.mend(path, "name the merchant by its slug: lower-case letters, digits and hyphens, at most 63")
        fields = self.members(path, value, (*TERMS, "product_categories"))
        if fields is None:
            return
        own = {key: field for key, field in fields.items() if key != "product_categories"}
        if own or not fields.get("product_categories"):
            terms = self.terms(path, own, common)
            yield Rule(merchant=slug, merchant_category=None, product_category=None, terms=terms)
        for category_path, code, category in self._table(path, "product_categories", fields):
            terms = self.terms(category_path, category, common)
            yield Rule(merchant=slug, merchant_category=None, product_category=code, terms=terms)

    def _table(self, path: str, name: str, fields: Mapping[str, object]) -> Iterator[tuple[str, str, object]]:
        """The members of an optional object of names that the plan chooses."""
        if name not in fields:
            return
        members = self.members(member(path, name), fields[name], None)
        for key, value in (members or {}).items():
            member_path = member(member(path, name), key)
            if self.name(member_path, key) is not None:
                yield member_path, key, value
