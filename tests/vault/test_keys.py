import base64
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from merchantry.vault.cipher import VaultError
from merchantry.vault.keys import FILE, DataKey, MasterKeys, WrappedKey, new_data_key, rewrap, unwrap, wrap

MERCHANT = UUID("018f2a3e-7c10-7d5e-9b1a-2f6c0e4d8a11")
OTHER = UUID(int=7)


def test_a_wrapped_key_unwraps_to_itself() -> None:
    ring, key = MasterKeys.generate("a"), new_data_key(MERCHANT, 1)
    wrapped = wrap(ring, key)
    assert (wrapped.merchant_id, wrapped.version, wrapped.master_id) == (MERCHANT, 1, "a")
    assert key.secret not in wrapped.sealed
    assert unwrap(ring, wrapped) == key
    assert wrap(ring, key).sealed != wrapped.sealed


def test_keys_wrapped_by_the_first_release_unwrap() -> None:
    ring = MasterKeys({"2026-01": bytes(range(32, 64))}, "2026-01")
    sealed = "000102030405060708090a0b5c535fa44e30edebb4f0c3cd2a7e50330361fb777e04b0063c14c9a1a79cd587b38e99a16662999473bec9ec46345fcc"  # noqa: E501
    assert unwrap(ring, WrappedKey(MERCHANT, 3, "2026-01", bytes.fromhex(sealed))).secret == bytes(range(32))


def test_a_wrapped_key_is_of_one_merchant_and_version() -> None:
    ring = MasterKeys.generate("a")
    wrapped = wrap(ring, new_data_key(MERCHANT, 1))
    for moved in (replace(wrapped, merchant_id=OTHER), replace(wrapped, version=2)):
        with pytest.raises(VaultError, match="changed, moved, or sealed with another key"):
            unwrap(ring, moved)


def test_every_byte_of_a_wrapped_key_counts() -> None:
    ring = MasterKeys.generate("a")
    wrapped = wrap(ring, new_data_key(MERCHANT, 1))
    for position in range(len(wrapped.sealed)):
        changed = bytearray(wrapped.sealed)
        changed[position] ^= 1
        for sealed in (bytes(changed), wrapped.sealed[:position]):
            with pytest.raises(VaultError):
                unwrap(ring, replace(wrapped, sealed=sealed))


def test_another_master_key_does_not_unwrap_even_under_the_same_id() -> None:
    wrapped = wrap(MasterKeys.generate("a"), new_data_key(MERCHANT, 1))
    with pytest.raises(VaultError, match="another key"):
        unwrap(MasterKeys.generate("a"), wrapped)
    with pytest.raises(VaultError, match="no master key 'a'"):
        unwrap(MasterKeys.generate("b"), wrapped)


def test_rotation_wraps_anew_what_the_old_key_wrapped_and_nothing_else() -> None:
    old = MasterKeys.generate("a")
    keys = [new_data_key(MERCHANT, 1), new_data_key(MERCHANT, 2), new_data_key(OTHER, 1)]
    ring = old.with_new_current("b")
    rows = [wrap(old, keys[0]), wrap(ring, keys[1]), wrap(old, keys[2])]
    anew = list(rewrap(rows, ring))
    assert [(row.merchant_id, row.version, row.master_id) for row in anew] == [(MERCHANT, 1, "b"), (OTHER, 1, "b")]
    retired = ring.without("a")
    assert retired.ids == {"b"}
    assert [unwrap(retired, row) for row in anew] == [keys[0], keys[2]]
    assert list(rewrap([*anew, rows[1]], ring)) == []
    with pytest.raises(VaultError, match="no master key 'a'"):
        unwrap(retired, rows[0])


def test_a_ring_keeps_its_current_key_and_never_replaces_one() -> None:
    ring = MasterKeys.generate("a")
    with pytest.raises(VaultError, match="is the current master key"):
        ring.without("a")
    with pytest.raises(VaultError, match="already"):
        ring.with_new_current("a")


def test_secrets_are_not_shown() -> None:
    secret = bytes(range(65, 97))
    key, ring = DataKey(MERCHANT, 1, secret), MasterKeys({"a": secret}, "a")
    shown = f"{key!r} {key} {ring!r} {ring}"
    for form in (repr(secret), secret.decode(), secret.hex(), base64.b64encode(secret).decode()):
        assert form not in shown
    assert "MasterKeys(a; current a)" in shown


def test_a_ring_survives_its_text() -> None:
    ring = MasterKeys.generate("2026-01").with_new_current("2026-02")
    again = MasterKeys.from_text(ring.to_text())
    assert (sorted(again.ids), again.current_id) == (["2026-01", "2026-02"], "2026-02")
    key = new_data_key(MERCHANT, 1)
    assert unwrap(again, wrap(ring, key)) == key


KEY = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", "1", "null", '{"current": "a", "keys": []}', '{"current": null, "keys": {}}'),
        json.dumps({"current": "b", "keys": {"a": KEY}}),
        json.dumps({"current": "a", "keys": {"a": KEY[:-4]}}),
        json.dumps({"current": "a", "keys": {"a": "?" + KEY}}),
        json.dumps({"current": "a", "keys": {"a": 1}}),
        json.dumps({"current": "a b", "keys": {"a b": KEY}}),
    ],
    ids=str,
)
def test_what_is_no_ring_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(VaultError) as refused:
        MasterKeys.from_text(text)
    assert KEY[:20] not in str(refused.value)


@pytest.mark.parametrize("version", [0, -1, 2**31])
def test_versions_count_from_one(version: int) -> None:
    with pytest.raises(VaultError, match="count from 1"):
        new_data_key(MERCHANT, version)
    with pytest.raises(VaultError, match="count from 1"):
        WrappedKey(MERCHANT, version, "a", b"")


def test_a_data_key_of_another_length_is_refused() -> None:
    with pytest.raises(VaultError, match="32 bytes"):
        DataKey(MERCHANT, 1, bytes(31))


def test_the_ring_of_a_data_directory_is_made_once_and_its_owners_only(tmp_path: Path) -> None:
    key = new_data_key(MERCHANT, 1)
    wrapped = wrap(MasterKeys.load_or_create(tmp_path / "data"), key)
    assert unwrap(MasterKeys.load_or_create(tmp_path / "data"), wrapped) == key
    path = tmp_path / "data" / "master_keys.json"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(VaultError, match="chmod 600"):
        MasterKeys.load_or_create(tmp_path / "data")


def test_a_broken_ring_in_a_data_directory_is_named_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "master_keys.json"
    for content in (b"", b"{}", b"\xff"):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(VaultError, match=r"master_keys\.json"):
            MasterKeys.load_or_create(tmp_path)
        assert path.read_bytes() == content


def test_a_key_that_is_added_to_the_file_is_current_and_no_key_is_lost(tmp_path: Path) -> None:
    first = MasterKeys.load_or_create(tmp_path)
    key = new_data_key(MERCHANT, 1)
    with ThreadPoolExecutor(8) as threads:
        added = list(threads.map(lambda _: MasterKeys.add_current(tmp_path), range(8)))
    ring = MasterKeys.load_or_create(tmp_path)
    assert ring.ids == {str(number) for number in range(1, 10)}
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    for each in (first, *added):
        assert unwrap(ring, wrap(each, key)) == key


def test_a_key_is_not_added_to_a_file_that_others_may_read(tmp_path: Path) -> None:
    MasterKeys.load_or_create(tmp_path)
    (tmp_path / FILE).chmod(0o644)
    with pytest.raises(VaultError, match="chmod 600"):
        MasterKeys.add_current(tmp_path)
