"""The public log's files (C2SP tlog-tiles) as others read them: from a directory, or from where the log is served.

Nothing that is read here is trusted: it is held against a signed head, or against what the reader has of its own.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

import httpx

from merchantry.domain.checkpoint import Checkpoint
from merchantry.domain.growing_tree import GrowingTree
from merchantry.domain.merkle import HASH_BYTES, Node, check_consistency, consistency_plan, leaf_hash, proof
from merchantry.domain.note import Note, NoteError
from merchantry.domain.tile import HEIGHT, WIDTH, Tile, hash_in, split_hashes, tile_of

CHECKPOINT: Final = "checkpoint"
TIMEOUT_SECONDS: Final = 30.0
_LENGTH_BYTES: Final = 2

Progress = Callable[[int], None]


class MirrorError(Exception):
    """A file of the log is missing, cut, or not what the signed head says."""


class Files(Protocol):
    """Where the log's files are."""

    def read(self, path: str) -> bytes:
        """The file at this path, such as ``tile/entries/000``. Raises MirrorError."""
        ...


class Directory:
    """The files in a directory, as :func:`copy` writes them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def read(self, path: str) -> bytes:
        """The file's bytes."""
        try:
            return (self.directory / path).read_bytes()
        except OSError as error:
            raise MirrorError(f"{self.directory / path} can't be read: {error.strerror}") from error


class Website:
    """The files where the log is served, such as https://mall.example/log."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._client = httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=True)

    def read(self, path: str) -> bytes:
        """The answer's bytes."""
        try:
            answer = self._client.get(f"{self._url}/{path}")
        except httpx.HTTPError as error:
            raise MirrorError(f"{self._url}/{path} can't be read: {error}") from error
        if answer.status_code != httpx.codes.OK:
            raise MirrorError(f"{self._url}/{path} answers {answer.status_code}")
        return answer.content


def files_at(place: str) -> Files:
    """A directory, or what is served at an address."""
    return Website(place) if place.startswith(("https://", "http://")) else Directory(Path(place))


def note_of(files: Files) -> Note:
    """The head that the files come with. Raises MirrorError."""
    try:
        return Note.parse(files.read(CHECKPOINT).decode())
    except (NoteError, UnicodeDecodeError) as error:
        raise MirrorError(f"The head that the log's files come with: {error}") from error


def leaves(files: Files, size: int) -> Iterator[list[bytes]]:
    """The first ``size`` leaves, a bundle at a time. Raises MirrorError."""
    for index in range(-(-size // WIDTH)):
        width = min(WIDTH, size - index * WIDTH)
        yield _bundle(_read(files, Tile(None, index, width)), width)


def checked_leaves(files: Files, checkpoint: Checkpoint) -> Iterator[list[bytes]]:
    """The leaves of a head that is trusted. Raises MirrorError, at the latest after the last one, if they are others.

    So nothing may be concluded from them before the end.
    """
    tree = GrowingTree()
    for bundle in leaves(files, checkpoint.size):
        for leaf in bundle:
            tree.append(leaf_hash(leaf))
        yield bundle
    if tree.root != checkpoint.root:
        raise MirrorError(f"The {checkpoint.size} leaves in the log's files are not those of the signed head")


def check_begins_with(files: Files, old: Checkpoint, new: Checkpoint) -> None:
    """That the tree of ``new`` begins with that of ``old``, by a proof from tiles. Raises MirrorError, ProofError."""
    path: Sequence[bytes] = ()
    if 0 < old.size < new.size:
        known: dict[Tile, list[bytes]] = {}

        def hash_of(node: Node) -> bytes:
            tile = tile_of(node, new.size)
            if tile not in known:
                known[tile] = _hashes(files, tile)
            return hash_in(tile, known[tile], node)

        path = proof(consistency_plan(old.size, new.size), hash_of)
    check_consistency(old.size, old.root, new.size, new.root, path)


def copy(files: Files, directory: Path, progress: Progress = lambda leaves: None) -> Checkpoint:
    """Copy the head and everything below it into a directory; full tiles that are there are left, for they never
    change. Returns the head. Raises MirrorError where what was copied is not the head's tree.

    ``progress`` is told how many leaves have been copied.
    """
    note = note_of(files)
    try:
        head = Checkpoint.parse(note.text)
    except NoteError as error:
        raise MirrorError(f"The head of the log's files: {error}") from error
    for tile in _tiles_of(head.size):
        path = directory / tile.path
        if not path.exists():
            body = _read(files, tile)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        if tile.level is None:
            progress(tile.index * WIDTH + tile.width)
    for _ in checked_leaves(Directory(directory), head):
        pass
    (directory / CHECKPOINT).write_text(str(note))
    return head


def _tiles_of(size: int) -> Iterator[Tile]:
    """Every bundle and every tile of a tree."""
    level = 0
    while level == 0 or size >> (HEIGHT * level):
        width = size >> (HEIGHT * level)
        for index in range(-(-width // WIDTH)):
            shown = min(WIDTH, width - index * WIDTH)
            if level == 0:
                yield Tile(None, index, shown)
            yield Tile(level, index, shown)
        level += 1


def _read(files: Files, tile: Tile) -> bytes:
    """A tile's bytes; where a partial one is gone, the beginning of the one that it became."""
    try:
        return files.read(tile.path)
    except MirrorError:
        if tile.width == WIDTH:
            raise
        return files.read(Tile(tile.level, tile.index).path)


def _hashes(files: Files, tile: Tile) -> list[bytes]:
    try:
        hashes = split_hashes(_read(files, tile))
    except ValueError as error:
        raise MirrorError(f"{tile.path}: {error}") from error
    if len(hashes) < tile.width:
        raise MirrorError(f"{tile.path} has {len(hashes)} hashes instead of {tile.width}")
    return hashes[: tile.width]


def _bundle(body: bytes, width: int) -> list[bytes]:
    """The leaves of a bundle: each has its length before it."""
    found: list[bytes] = []
    at = 0
    while at < len(body) and len(found) < width:
        end = at + _LENGTH_BYTES + int.from_bytes(body[at : at + _LENGTH_BYTES], "big")
        found.append(body[at + _LENGTH_BYTES : end])
        at = end
    if len(found) != width or any(len(leaf) != HASH_BYTES for leaf in found):
        raise MirrorError(f"A bundle of {width} leaves is cut, or has leaves of another length than {HASH_BYTES}")
    return found
