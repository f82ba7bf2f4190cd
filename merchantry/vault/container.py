"""The file of a backup: a header, the content in chunks, and a manifest that can be read without a key.

The bytes (docs/backup.md) are: the format's name and a newline; the header, JSON on one line; chunks, each behind 4
bytes (big-endian) of which the highest bit marks the last one and the others count the bytes; the manifest, JSON on one
line.
The content is compressed (zlib, RFC 1950). Header and manifest are bound to the content: the header by every chunk's
seal, the manifest by its SHA-256, with which the content ends.
"""

import base64
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final, Protocol

from merchantry.vault.cipher import KEY_BYTES, VaultError
from merchantry.vault.keys import MasterKeys, unwrap_secret, wrap_secret
from merchantry.vault.stream import StreamKey

FORMAT: Final = "merchantry-backup/v1"
CHUNK_BYTES: Final = 256 * 1024
SEALED: Final = "aes-256-gcm-stream"
PLAIN: Final = "none"

_MAGIC: Final = FORMAT.encode("ascii") + b"\n"
_PURPOSE: Final = b"merchantry-backup-key/v1\n"
_LAST: Final = 1 << 31
_MOST_CHUNK: Final = 2 * CHUNK_BYTES
_MOST_LINE: Final = 4 * 1024 * 1024
_DIGEST_BYTES: Final = 32

Json = Mapping[str, Any]


class FileDamaged(Exception):
    """The file is no backup, or not as it was written; the message says where."""


class Out(Protocol):
    """Where a file is written to."""

    def write(self, content: bytes, /) -> int:
        """The next bytes."""
        ...


class Writer:
    """Writes one file, front to back, with a chunk in memory. The file is whole after :meth:`finish` only."""

    def __init__(self, out: Out, facts: Json, ring: MasterKeys | None) -> None:
        """``facts`` stand in the header; without a ring of master keys nothing is encrypted. Raises VaultError."""
        header = dict(facts)
        secret = b""
        if ring is None:
            header["encryption"] = PLAIN
        else:
            secret = os.urandom(KEY_BYTES)
            master_id, wrapped = wrap_secret(ring, secret, _PURPOSE)
            header |= {"encryption": SEALED, "master_key": master_id, "wrapped_key": _text(wrapped)}
        self._out = out
        line = _line(header)
        self._key = StreamKey(secret, _digest(_MAGIC + line)) if secret else None
        self.header_sha256 = _digest(_MAGIC + line)
        self._packer = zlib.compressobj(6)
        self._waiting = bytearray()
        out.write(_MAGIC + line)

    def write(self, content: bytes) -> None:
        """The next bytes of the content."""
        self._waiting += self._packer.compress(content)
        while len(self._waiting) > CHUNK_BYTES:
            self._chunk(bytes(self._waiting[:CHUNK_BYTES]), is_last=False)
            del self._waiting[:CHUNK_BYTES]

    def finish(self, manifest: Json) -> None:
        """The end of the content, and the manifest behind it."""
        line = _line({**manifest, "header_sha256": self.header_sha256.hex()})
        self.write(_digest(line))
        self._waiting += self._packer.flush()
        while len(self._waiting) > CHUNK_BYTES:
            self._chunk(bytes(self._waiting[:CHUNK_BYTES]), is_last=False)
            del self._waiting[:CHUNK_BYTES]
        self._chunk(bytes(self._waiting), is_last=True)
        self._out.write(line)

    def _chunk(self, chunk: bytes, *, is_last: bool) -> None:
        sealed = self._key.seal(chunk, is_last=is_last) if self._key else chunk
        self._out.write((len(sealed) | (_LAST if is_last else 0)).to_bytes(4, "big") + sealed)


class Reader:
    """Reads one file. Header and manifest are there at once; the content comes from :meth:`content`."""

    def __init__(self, file: BinaryIO) -> None:
        """Raises FileDamaged where this is no backup, or it was cut off."""
        self._file = file
        file.seek(0)
        if file.read(len(_MAGIC)) != _MAGIC:
            raise FileDamaged(f"This is no file of the format {FORMAT}.")
        line = file.readline(_MOST_LINE)
        self._header_sha256 = _digest(_MAGIC + line)
        self.header: Json = _document(line, "header")
        self._start = file.tell()
        while not self._skip():
            pass
        self._manifest = file.readline(_MOST_LINE)
        self.manifest: Json = _document(self._manifest, "manifest")
        if file.read(1):
            raise FileDamaged("Something follows the manifest.")
        if self.manifest.get("header_sha256") != self._header_sha256.hex():
            raise FileDamaged("The header is not the one that the manifest was written with.")

    @property
    def is_encrypted(self) -> bool:
        """Whether a master key is needed."""
        return self.header.get("encryption") != PLAIN

    def content(self, ring: MasterKeys | None) -> Iterator[bytes]:
        """The content, in pieces. What was given out is proven only when the end is reached without an error.

        Raises FileDamaged; VaultError where the ring lacks the master key.
        """
        key = self._stream_key(ring)
        unpacker, held = zlib.decompressobj(), b""
        for chunk in self._chunks(key):
            for piece in _unpacked(unpacker, chunk):
                whole = held + piece
                held = whole[-_DIGEST_BYTES:]
                if whole[:-_DIGEST_BYTES]:
                    yield whole[:-_DIGEST_BYTES]
        if not unpacker.eof or unpacker.unused_data:
            raise FileDamaged("The content ends too early, or not where it should.")
        if held != _digest(self._manifest):
            raise FileDamaged("The manifest is not the one that the content was written with.")

    def _stream_key(self, ring: MasterKeys | None) -> StreamKey | None:
        if not self.is_encrypted:
            return None
        if self.header.get("encryption") != SEALED or ring is None:
            raise FileDamaged(f"The file is encrypted in a way ({self.header.get('encryption')}) that can't be opened.")
        try:
            wrapped = base64.b64decode(self.header["wrapped_key"], validate=True)
            master_id = str(self.header["master_key"])
        except (KeyError, ValueError, TypeError) as error:
            raise FileDamaged("The header names no key.") from error
        secret = unwrap_secret(ring, master_id, wrapped, _PURPOSE, "The key of this backup")
        return StreamKey(secret, self._header_sha256)

    def _chunks(self, key: StreamKey | None) -> Iterator[bytes]:
        self._file.seek(self._start)
        is_last = False
        while not is_last:
            size, is_last = self._size()
            sealed = self._file.read(size)
            try:
                yield key.open(sealed, is_last=is_last) if key else sealed
            except VaultError as error:
                raise FileDamaged(f"{error}.") from error

    def _size(self) -> tuple[int, bool]:
        before = self._file.read(4)
        number = int.from_bytes(before, "big")
        size, is_last = number & ~_LAST, bool(number & _LAST)
        if len(before) < 4 or size > _MOST_CHUNK:
            raise FileDamaged("The file was cut off, or a chunk's length was changed.")
        return size, is_last

    def _skip(self) -> bool:
        size, is_last = self._size()
        self._file.seek(size, os.SEEK_CUR)
        return is_last


def _unpacked(unpacker: Any, chunk: bytes) -> Iterator[bytes]:
    """Piece by piece: a small chunk may hold much that is alike."""
    try:
        piece = unpacker.decompress(chunk, CHUNK_BYTES)
        while piece or unpacker.unconsumed_tail:
            yield piece
            piece = unpacker.decompress(unpacker.unconsumed_tail, CHUNK_BYTES)
    except zlib.error as error:
        raise FileDamaged("The content was changed.") from error


def _line(document: Json) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"


def _document(line: bytes, what: str) -> Json:
    try:
        document = json.loads(line)
    except ValueError as error:
        raise FileDamaged(f"The {what} can't be read.") from error
    if not line.endswith(b"\n") or not isinstance(document, dict):
        raise FileDamaged(f"The {what} can't be read.")
    return document


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
