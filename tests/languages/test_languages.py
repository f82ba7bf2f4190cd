"""Every text that people read is in every language, with the same facts in it."""

import string
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from merchantry.domain import errors
from merchantry.domain.errors import CheckoutRejected, EmptyCheckout, MarketError, OutOfStock, TooManyLines
from merchantry.domain.event import EventKind
from merchantry.domain.notification import NEWS, Audience
from merchantry.domain.worded import Worded
from merchantry.languages.catalogue import catalogue, translated
from merchantry.languages.formats import moment, money
from merchantry.languages.language import Language, chosen
from merchantry.languages.news import TEXTS, TO_BUYERS, sentence
from merchantry.mail.words import WORDS
from tests.languages.reasons import made_by_hand, templates

ZH = Language.ZH_HANS


def messages() -> Iterator[str]:
    """Every text that the program says by itself."""
    waiting: list[type[MarketError]] = [MarketError]
    for error in waiting:
        waiting += [each for each in error.__subclasses__() if each.__module__ == errors.__name__]
        yield error.template()
    yield from TEXTS.values()
    yield from TO_BUYERS.values()
    yield from WORDS
    yield from templates()


def facts_in(text: str) -> list[tuple[str | None, str | None]]:
    return sorted((name, form) for _, name, form, _ in string.Formatter().parse(text) if name)


@pytest.mark.parametrize("language", list(Language))
def test_every_message_is_translated_and_says_the_same_facts(language: Language) -> None:
    known = {str(each.id): str(each.string) for each in catalogue(language) if each.id}
    assert {text for text in messages() if text != "{reason}"} <= known.keys()
    for text, translation in known.items():
        assert translation, text
        assert facts_in(translation) == facts_in(text), text
    assert not [each.id for each in catalogue(language) if each.fuzzy and each.id]


def test_what_is_not_english_is_not_in_english() -> None:
    assert [str(each.id) for each in catalogue(ZH) if each.id and each.id == each.string] == []


def test_there_is_a_sentence_for_all_that_is_news() -> None:
    assert {kind for kind, audiences in NEWS.items() if audiences - {Audience.BUYER}} == TEXTS.keys()
    assert {kind for kind, audiences in NEWS.items() if Audience.BUYER in audiences} == TO_BUYERS.keys()


@pytest.mark.parametrize(
    ("own", "header", "expected"),
    [
        (None, None, "en"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh_Hans"),
        (None, "en;q=0.5, zh-Hans-SG", "zh_Hans"),
        (None, "fr, pt-BR;q=0.9", "en"),
        (None, "zh;q=0, en;q=0.1", "en"),
        (None, "zh;q=nan, en", "en"),
        (None, "zh;q=2;;, \0", "en"),
        (None, "zh-TW", "en"),
        (None, "," * 100_000 + "zh", "en"),
        (Language.EN, "zh", "en"),
        (ZH, "en", "zh_Hans"),
    ],
    ids=range(11),
)
def test_a_language_is_chosen(own: Language | None, header: str | None, expected: str) -> None:
    assert chosen(own, header) == expected


def test_problems_within_problems_are_translated() -> None:
    found = CheckoutRejected(problems=(EmptyCheckout(), TooManyLines(limit=100)))
    assert found.said(lambda text: translated(text, ZH)) == (
        "无法提交该结账；请解决列出的所有问题后重试："
        "结账中没有商品；请至少添加一件。; 一次结账最多 100 行；请分成多次结账。"
    )
    assert found.message == found.said(lambda text: translated(text, Language.EN))


def test_every_reason_is_made_so_that_it_can_be_translated() -> None:
    assert made_by_hand() == []
    assert len(templates()) > 200


def test_a_reason_is_said_in_the_reader_s_language() -> None:
    found = errors.InvalidInput(reason=Worded("Give at most {most} {what}.", most=3, what="{most}"))
    assert found.message == "Give at most 3 {most}."
    assert found.said(lambda text: translated(text, ZH)) == "最多给出 3 个 {most}。"


def test_a_reason_within_a_reason_is_said_in_the_reader_s_language() -> None:
    error = Worded("the host is not one of the public internet")
    found = errors.InvalidInput(reason=Worded("Nothing can be sent there: {error}.", error=error))
    assert found.said(lambda text: translated(text, ZH)) == "无法向那里发送：该主机不在公共互联网上。"


def test_facts_are_never_read_as_templates() -> None:
    said = errors.InvalidInput(reason="{limit.__class__}").said(lambda text: translated(text, ZH))
    assert said == "{limit.__class__}"
    assert OutOfStock.template() == translated(OutOfStock.template(), Language.EN)


@pytest.mark.parametrize(
    ("minor", "currency", "english", "chinese"),
    [
        (123456, "BRL", "R$1,234.56", "R$1,234.56"),
        (1200, "JPY", "¥1,200", "JP¥1,200"),
        (-1005, "KWD", "-KWD1.005", "-KWD1.005"),
        (500, "CNY", "CN¥5.00", "¥5.00"),
        (10**17 + 1, "EUR", "€1,000,000,000,000,000.01", "€1,000,000,000,000,000.01"),
    ],
    ids=["BRL", "JPY", "KWD", "CNY", "huge"],
)
def test_money_has_its_currency_s_digits(minor: int, currency: str, english: str, chinese: str) -> None:
    said = [money(minor, currency, language).replace("\xa0", "") for language in (Language.EN, ZH)]
    assert said == [english, chinese]


def test_moments_are_on_the_clocks_of_a_zone() -> None:
    at = datetime(2026, 3, 2, 23, tzinfo=UTC)
    assert moment(at, ZoneInfo("Asia/Shanghai"), ZH) == "2026年3月3日 07:00:00"


def test_a_sentence_has_its_facts() -> None:
    facts = {"number": "1-2", "total_minor": 5000, "currency": "BRL"}
    assert sentence(EventKind.ORDER_CREATED, Audience.STAFF, facts, Language.EN) == "New order 1-2 for R$50.00."
    assert sentence(EventKind.ORDER_CREATED, Audience.BUYER, facts, ZH) == "您的订单 1-2 已提交，金额 R$50.00。"
