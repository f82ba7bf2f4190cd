"""Files that were damaged, exchanged or are not ours: refused before anything changes."""

import io
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.jobs.restored_work import RestoreRefused
from merchantry.vault.cipher import VaultError
from merchantry.vault.container import CHUNK_BYTES, FileDamaged, Reader, Writer
from merchantry.vault.keys import MasterKeys
from tenancy.database import Database
from tests.backup.safe import Safe, a_safe

RING = MasterKeys.generate("1")
NOISE = st.binary(max_size=2_000)
PLACES = st.integers(0, 1_000_000)
"""Taken modulo the file's length, which varies with the keys."""


def a_file(content: bytes, ring: MasterKeys | None = RING) -> bytes:
    out = io.BytesIO()
    writer = Writer(out, {"merchant": "m"}, ring)
    writer.write(content)
    writer.finish({"tables": []})
    return out.getvalue()


def content_of(file: bytes, ring: MasterKeys | None = RING) -> bytes:
    return b"".join(Reader(io.BytesIO(file)).content(ring))


@given(content=NOISE, ring=st.sampled_from([RING, None]))
def test_what_was_written_is_read(content: bytes, ring: MasterKeys | None) -> None:
    assert content_of(a_file(content, ring), ring) == content


@given(content=NOISE, place=PLACES, change=st.integers(1, 255), ring=st.sampled_from([RING, None]))
def test_no_changed_byte_changes_what_is_read(content: bytes, place: int, change: int, ring: MasterKeys | None) -> None:
    file = bytearray(a_file(content, ring))
    file[place % len(file)] ^= change
    try:
        found = content_of(bytes(file), ring)
    except (FileDamaged, VaultError):
        return
    # DEFLATE leaves some bits of its last byte unused; a seal covers them too.
    assert (found, ring) == (content, None)


@given(content=NOISE, place=PLACES, ring=st.sampled_from([RING, None]))
def test_no_end_can_be_cut_off(content: bytes, place: int, ring: MasterKeys | None) -> None:
    file = a_file(content, ring)
    with pytest.raises(FileDamaged):
        content_of(file[: place % len(file)], ring)


def chunks_of(file: bytes) -> tuple[bytes, list[bytes], bytes]:
    """What stands before the chunks, the chunks, and what stands behind them."""
    start = file.index(b"\n", file.index(b"\n") + 1) + 1
    place, found, is_last = start, list[bytes](), False
    while not is_last:
        number = int.from_bytes(file[place : place + 4], "big")
        is_last, end = bool(number >> 31), place + 4 + (number & 0x7FFFFFFF)
        found.append(file[place:end])
        place = end
    return file[:start], found, file[place:]


MOVES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "exchanged": lambda chunks: [chunks[1], chunks[0], *chunks[2:]],
    "dropped": lambda chunks: [chunks[0], *chunks[2:]],
    "doubled": lambda chunks: [chunks[0], *chunks],
    "ended early": lambda chunks: [chunks[0], bytes([chunks[1][0] | 0x80]) + chunks[1][1:]],
}


@pytest.mark.parametrize("move", MOVES)
def test_no_chunk_can_be_moved(move: str) -> None:
    file = a_file(random.Random(1).randbytes(4 * CHUNK_BYTES))
    before, chunks, behind = chunks_of(file)
    assert len(chunks) >= 4
    with pytest.raises(FileDamaged):
        content_of(before + b"".join(MOVES[move](chunks)) + behind)


def test_a_manifest_needs_no_key_and_names_nobody(tmp_path: Path) -> None:
    assert Reader(io.BytesIO(a_file(b"secret"))).manifest["tables"] == []
    assert b"secret" not in a_file(b"secret" * 100)


def test_a_chunk_of_another_file_does_not_open() -> None:
    one, other = a_file(b"one"), a_file(b"two")
    before, _, _ = chunks_of(one)
    _, chunks, behind = chunks_of(other)
    with pytest.raises(FileDamaged):
        content_of(before + b"".join(chunks) + behind)


def damaged(path: Path, into: Path) -> list[Path]:
    """One with a bit changed, one that was cut off."""
    content = path.read_bytes()
    half = len(content) // 2
    bad, cut = into / "bad", into / "cut"
    bad.write_bytes(content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :])
    cut.write_bytes(content[:-200])
    return [bad, cut]


async def test_a_damaged_file_changes_nothing(database: Database, tmp_path: Path) -> None:
    safe = await a_safe(database, tmp_path)
    await safe.sell()
    made = safe.back_up()
    await safe.sell()
    before = await safe.stall.balances()
    for path in damaged(Path(made.stored_as), tmp_path):
        with pytest.raises(FileDamaged):
            await safe.restore(path)
    await unchanged(safe, before)


def of_a_stranger(path: Path, ring: MasterKeys) -> Path:
    """A file that is whole, of a merchant that nobody here knows."""
    whose = {"merchant": {"id": "018f2a3e-7c10-7d5e-9b1a-2f6c0e4d8a11", "slug": "far"}, "taken_at": "2026-01-01"}
    with path.open("wb") as out:
        Writer(out, whose, ring).finish({**whose, "tables": []})
    return path


async def test_another_key_another_merchant_and_another_installation_are_refused(
    database: Database, tmp_path: Path
) -> None:
    safe = await a_safe(database, tmp_path)
    await safe.sell()
    before = await safe.stall.balances()
    made = safe.back_up()
    right, safe.ring = safe.ring, MasterKeys.generate("1")
    with pytest.raises(VaultError):
        await safe.restore(made)
    safe.ring = MasterKeys.generate("2")
    with pytest.raises(VaultError, match="no master key '1'"):
        await safe.restore(made)
    safe.ring = right
    with pytest.raises(RestoreRefused, match="not of somebody-else"):
        await safe.restore(made, slug="somebody-else")
    stranger = of_a_stranger(tmp_path / "stranger", right)
    with pytest.raises(RestoreRefused, match="no merchant of this installation"):
        await safe.restore(stranger)
    await unchanged(safe, before)


async def test_a_plain_file_is_taken_only_where_somebody_says_so(database: Database, tmp_path: Path) -> None:
    safe = await a_safe(database, tmp_path)
    await safe.sell()
    made = safe.back_up(is_plain=True)
    assert not made.is_encrypted
    with pytest.raises(RestoreRefused, match="--plain"):
        await safe.restore(made)
    assert (await safe.restore(made, is_plain=True)).status == "active"


async def unchanged(safe: Safe, before: dict[str, int]) -> None:
    """Nothing has happened."""
    assert await safe.status() == "active"
    assert await safe.stall.balances() == before
    assert await safe.gaps() == []
    assert (await safe.verified()).broken == ()
