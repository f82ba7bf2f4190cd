"""The Merkle tree of the public log (RFC 6962, section 2.1): plans of roots and proofs, and their checks.

A *node* is a perfect subtree: level ``l`` and index ``i`` cover the leaves ``[i·2^l, (i+1)·2^l)``. What is stored are
hashes of nodes; any other hash of the tree folds from a few of them, so a plan names nodes and needs no storage.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""


class ProofError(ValueError):
    """A proof does not show what it claims."""


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """A perfect subtree: 2^level leaves, the ``index``-th of that size."""

    level: int
    index: int


Run = tuple[Node, ...]
"""Neighbouring nodes of falling level, from left to right: what one hash of the tree folds from."""

HashOf = Callable[[Node], bytes]


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf's bytes: another domain than a node's, so that neither passes for the other."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """The one hash over a run's hashes; it has at least one."""
    return reduce(lambda right, left: node_hash(left, right), reversed(hashes))


def run_of(begin: int, end: int) -> Run:
    """The nodes that cover the leaves ``[begin, end)``, where ``begin`` is a multiple of a power of two ≥ the span."""
    nodes = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        nodes.append(Node(level, begin >> level))
        begin += 1 << level
    return tuple(nodes)


def root(size: int, hash_of: HashOf) -> bytes:
    """The root of the tree over the first ``size`` leaves."""
    return fold([hash_of(node) for node in run_of(0, size)]) if size else EMPTY_ROOT


def inclusion_plan(index: int, size: int) -> tuple[Run, ...]:
    """What the audit path of a leaf consists of (RFC 6962, section 2.1.1), nearest to the leaf first.

    Raises ValueError where there is no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"A tree of {size} leaves has no leaf {index}")
    path = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(run_of(middle, end))
            end = middle
        else:
            path.append(run_of(begin, middle))
            begin = middle
    return tuple(reversed(path))


def consistency_plan(old: int, new: int) -> tuple[Run, ...]:
    """What the proof consists of that the tree of ``new`` leaves begins with that of ``old`` (section 2.1.2).

    Raises ValueError unless ``0 < old <= new``.
    """
    if not 0 < old <= new:
        raise ValueError(f"A tree of {new} leaves is not proved to begin with one of {old}")
    path: list[Run] = []
    begin, end, is_whole = 0, new, True  # is_whole: the subtree begins where the old tree does, whose root is known
    while old != end:
        middle = begin + _split(end - begin)
        if old <= middle:
            path.append(run_of(middle, end))
            end = middle
        else:
            path.append(run_of(begin, middle))
            begin, is_whole = middle, False
    if not is_whole:
        path.append(run_of(begin, end))
    return tuple(reversed(path))


def prefix_plan(old: int, new: int) -> tuple[Run, ...]:
    """As :func:`consistency_plan`, with the old tree's root first where the proof leaves it out.

    From its hashes alone both roots fold (:func:`prefix_roots`), so they also show that a tree begins with another one.
    """
    plan = consistency_plan(old, new)
    return (run_of(0, old), *plan) if _is_left_out(old, new) else plan


def proof(plan: Iterable[Run], hash_of: HashOf) -> list[bytes]:
    """The hashes of a plan."""
    return [fold([hash_of(node) for node in run]) for run in plan]


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """That the leaf with this hash is at ``index`` of the tree with this size and root (RFC 9162, section 2.1.3.2).

    Raises ProofError where it isn't.
    """
    if not 0 <= index < size:
        raise ProofError(f"A tree of {size} leaves has no leaf {index}")
    place, last, result = index, size - 1, leaf
    for each in path:
        if last == 0:
            raise ProofError("The inclusion proof is too long")
        if place & 1 or place == last:
            result = node_hash(each, result)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            result = node_hash(result, each)
        place, last = place >> 1, last >> 1
    if last:
        raise ProofError("The inclusion proof is too short")
    if result != root:
        raise ProofError(f"Leaf {index} is not in the tree of {size} leaves with this root")


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """That the tree with ``new`` leaves begins with the one of ``old`` (RFC 9162, section 2.1.4.2).

    Every tree begins with the empty one. Raises ProofError where it doesn't.
    """
    if old > new:
        raise ProofError(f"A tree of {new} leaves can't begin with one of {old}")
    if old in (0, new):
        if path:
            raise ProofError("The consistency proof is too long")
        if old_root != (new_root if old else EMPTY_ROOT):
            raise ProofError(f"Two trees of {old} leaves have different roots")
        return
    hashes = [old_root, *path] if _is_left_out(old, new) else path
    if prefix_roots(old, new, hashes) != (old_root, new_root):
        raise ProofError(f"The tree of {new} leaves does not begin with the tree of {old} leaves")


def prefix_roots(old: int, new: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots of the first ``old`` leaves and of all ``new`` that the hashes of a :func:`prefix_plan` fold to.

    ``0 < old < new``. Raises ProofError where there are too few hashes, or too many.
    """
    if not hashes:
        raise ProofError("The consistency proof is too short")
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    seen_old = seen_new = hashes[0]
    for each in hashes[1:]:
        if last == 0:
            raise ProofError("The consistency proof is too long")
        if place & 1 or place == last:
            seen_old, seen_new = node_hash(each, seen_old), node_hash(each, seen_new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            seen_new = node_hash(seen_new, each)
        place, last = place >> 1, last >> 1
    if last:
        raise ProofError("The consistency proof is too short")
    return seen_old, seen_new


def _is_left_out(old: int, new: int) -> bool:
    """Whether a consistency proof leaves out the old tree's root: it is a node of the new tree, and known."""
    return old < new and old & (old - 1) == 0


def _split(size: int) -> int:
    """The largest power of two below ``size``, which is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)
