from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merchantry.vault.cipher import VaultError
from merchantry.vault.keys import DataKey, new_data_key
from merchantry.vault.seal import OVERHEAD_BYTES, key_version, open_, reseal, seal

MERCHANT = UUID("018f2a3e-7c10-7d5e-9b1a-2f6c0e4d8a11")
ROW = UUID("018f2a3e-7c11-7a44-8c3b-5d1e9f702b22")
KEY = DataKey(MERCHANT, 3, bytes(range(32)))
PLACE: dict[str, Any] = {"table": "payee_account", "row_id": ROW, "column": "iban"}
SECRET = b"DE00 1234 5678"


@settings(deadline=None)
@given(plaintext=st.binary(max_size=300), row_id=st.uuids(), version=st.integers(1, 2**31 - 1))
def test_what_is_sealed_opens_to_itself(plaintext: bytes, row_id: UUID, version: int) -> None:
    key = new_data_key(MERCHANT, version)
    sealed = seal(key, plaintext, table="t", row_id=row_id, column="c")
    assert len(sealed) == len(plaintext) + OVERHEAD_BYTES
    assert key_version(sealed) == version
    assert open_(key, sealed, table="t", row_id=row_id, column="c") == plaintext


def test_values_sealed_by_the_first_release_open() -> None:
    sealed = "01000000036465666768696a6b6c6d6e6f0c5eee565901e238dbede86e4f7ff0d2efc8f7b60fe370f73165f5"
    assert open_(KEY, bytes.fromhex(sealed), **PLACE).decode() == "DE00 账号"


def test_two_seals_of_one_value_differ() -> None:
    assert len({seal(KEY, SECRET, **PLACE) for _ in range(100)}) == 100


def test_every_byte_of_a_sealed_value_counts() -> None:
    sealed = seal(KEY, SECRET, **PLACE)
    for position in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[position] ^= 1 << bit
            with pytest.raises(VaultError):
                open_(KEY, bytes(changed), **PLACE)
    for broken in (sealed + b"\0", *(sealed[:length] for length in range(len(sealed)))):
        with pytest.raises(VaultError):
            open_(KEY, broken, **PLACE)


@pytest.mark.parametrize(
    "elsewhere",
    [{"table": "payee_accounts"}, {"row_id": UUID(int=1)}, {"column": "bic"}, {"table": "payee", "column": "x"}],
    ids=["table", "row", "column", "both names"],
)
def test_a_value_moved_elsewhere_does_not_open(elsewhere: dict[str, Any]) -> None:
    sealed = seal(KEY, SECRET, **PLACE)
    with pytest.raises(VaultError, match="changed, moved, or sealed with another key"):
        open_(KEY, sealed, **PLACE | elsewhere)


def test_another_merchants_key_opens_nothing_even_with_the_same_bytes() -> None:
    sealed = seal(KEY, SECRET, **PLACE)
    with pytest.raises(VaultError, match="another key"):
        open_(replace(KEY, merchant_id=UUID(int=9)), sealed, **PLACE)
    with pytest.raises(VaultError, match="another key"):
        open_(new_data_key(MERCHANT, 3), sealed, **PLACE)


def test_the_wrong_version_of_the_key_is_named() -> None:
    with pytest.raises(VaultError, match="sealed with version 3 of the data key, not 4"):
        open_(replace(KEY, version=4), seal(KEY, SECRET, **PLACE), **PLACE)


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(VaultError, match="format 2"):
        key_version(b"\x02" + seal(KEY, SECRET, **PLACE)[1:])


def test_refusals_show_neither_plaintext_nor_key() -> None:
    with pytest.raises(VaultError) as refused:
        open_(KEY, seal(KEY, SECRET, **PLACE) + b"\0", **PLACE)
    assert str(refused.value) == f"payee_account.iban of row {ROW} was changed, moved, or sealed with another key"
    assert refused.value.__cause__ is None


def test_rotation_of_a_data_key_seals_anew_for_the_same_place() -> None:
    new = new_data_key(MERCHANT, 4)
    anew = reseal(KEY, new, seal(KEY, SECRET, **PLACE), **PLACE)
    assert key_version(anew) == 4
    assert open_(new, anew, **PLACE) == SECRET
    with pytest.raises(VaultError):
        open_(KEY, anew, **PLACE)
    with pytest.raises(VaultError, match="its own merchant"):
        reseal(KEY, new_data_key(UUID(int=9), 4), seal(KEY, SECRET, **PLACE), **PLACE)


@pytest.mark.parametrize("name", ["", "a.b", "A", "a b", "a\n", "1a", "ä", "a" * 64])
def test_names_that_are_none_are_refused(name: str) -> None:
    for place in ({"table": name}, {"column": name}):
        with pytest.raises(ValueError, match="not a column's name"):
            seal(KEY, SECRET, **PLACE | place)
