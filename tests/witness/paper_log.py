"""A log of a few leaves in memory, served over HTTP, whose operator has the key and no conscience."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from merchantry.domain.add_checkpoint import AddCheckpoint
from merchantry.domain.checkpoint import Checkpoint
from merchantry.domain.merkle import Node, consistency_plan, leaf_hash, proof, root
from merchantry.domain.note import Note
from merchantry.domain.tile import Tile, perfect
from merchantry.transparency.signing import Signer

ORIGIN = "mall.example/log"
SIGNER = Signer.log(ORIGIN, bytes(range(32)))


@dataclass
class Tree:
    """Leaves, and what follows from them."""

    leaves: list[bytes]

    @classmethod
    def of(cls, size: int, salt: str = "") -> "Tree":
        """So many leaves; with another salt, others."""
        return cls([f"{salt}{number}".encode() for number in range(size)])

    def changed(self, index: int) -> "Tree":
        """The same with one leaf rewritten."""
        return Tree([*self.leaves[:index], b"rewritten", *self.leaves[index + 1 :]])

    def hash_of(self, node: Node) -> bytes:
        begin = node.index << node.level
        return perfect([leaf_hash(leaf) for leaf in self.leaves[begin : begin + (1 << node.level)]])

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        size = len(self.leaves) if size is None else size
        return Checkpoint(ORIGIN, size, root(size, self.hash_of))

    def note(self, size: int | None = None, signer: Signer = SIGNER) -> Note:
        text = self.checkpoint(size).text
        return Note(text, (signer.sign(text),))

    def proof(self, old: int, new: int | None = None) -> tuple[bytes, ...]:
        new = len(self.leaves) if new is None else new
        return tuple(proof(consistency_plan(old, new), self.hash_of)) if 0 < old < new else ()

    def asked(self, old: int, new: int | None = None, path: Sequence[bytes] | None = None) -> AddCheckpoint:
        """What the log asks a witness for."""
        return AddCheckpoint(old, tuple(self.proof(old, new) if path is None else path), self.note(new))

    def tile(self, tile: Tile) -> bytes | None:
        if tile.level is None or not tile.is_within(len(self.leaves)):
            return None
        level, begin = 8 * tile.level, tile.index * 256
        return b"".join(self.hash_of(Node(level, at)) for at in range(begin, begin + tile.width))


@dataclass
class PaperLog:
    """What the log shows at this moment: a tree for its tiles, and the head of it or of another one."""

    tree: Tree
    head: Note | None = None
    asked: list[str] = field(default_factory=list)

    def show(self, tree: Tree, head: Note | None = None) -> None:
        self.tree, self.head = tree, head

    async def answer(self, request: Request) -> Response:
        path = request.path_params["path"]
        self.asked.append(path)
        if path == "checkpoint":
            return PlainTextResponse(str(self.head or self.tree.note()))
        body = self.tree.tile(Tile.parse(path))
        return Response(status_code=404) if body is None else Response(body)


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """An application on a socket of this machine; its address."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none", lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as bound:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def paper_log(tree: Tree) -> Iterator[tuple[PaperLog, str]]:
    """A log at an address."""
    log = PaperLog(tree)
    with served(Starlette(routes=[Route("/log/{path:path}", log.answer)])) as address:
        yield log, f"{address}/log"
