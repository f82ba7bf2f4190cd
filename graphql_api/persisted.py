"""Documents known by a hash or an id: automatic persisted queries, and a trusted list that production can insist on.

Automatic ones follow the protocol of Apollo's clients (`extensions.persistedQuery`): a client sends the hash alone;
where this process doesn't know it, the client sends hash and document together, once.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from graphql_api.asking import DocumentRefused, GraphQLRequest, RequestRefused

MAX_REMEMBERED_LENGTH = 2_000_000
"""Characters of automatically persisted documents together; the oldest use is forgotten first."""
_ID_PREFIX = "sha256:"


class PersistedDocuments:
    """Finds the text of what a request asks. With a trusted list, nothing else is run."""

    def __init__(self, trusted: Mapping[str, str] | None = None) -> None:
        self._trusted = dict(trusted) if trusted is not None else None
        self._trusted_texts = frozenset(trusted.values()) if trusted is not None else frozenset[str]()
        self._automatic: OrderedDict[str, str] = OrderedDict()
        self._length = 0

    def text_of(self, asked: GraphQLRequest) -> str:
        """The document. Raises RequestRefused where it is not known, not trusted, or not what its hash says."""
        if self._trusted is not None:
            return self._trusted_text(self._trusted, asked)
        sha256 = asked.sha256 or _sha256_of_id(asked.document_id)
        if asked.query is None:
            found = self._automatic.get(sha256) if sha256 else None
            if found is None:
                raise _unknown("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
            self._automatic.move_to_end(sha256 or "")
            return found
        if sha256 and sha256_of(asked.query) != sha256:
            raise RequestRefused(400, "The hash given is not the SHA-256 of the document.")
        return asked.query

    def remember(self, asked: GraphQLRequest, text: str) -> None:
        """Keep a document that was sent with its hash and may run."""
        if not asked.sha256 or asked.query is None or self._trusted is not None or asked.sha256 in self._automatic:
            return
        self._automatic[asked.sha256] = text
        self._length += len(text)
        while self._length > MAX_REMEMBERED_LENGTH:
            _, forgotten = self._automatic.popitem(last=False)
            self._length -= len(forgotten)

    def _trusted_text(self, trusted: dict[str, str], asked: GraphQLRequest) -> str:
        if asked.query is not None and asked.query in self._trusted_texts:
            return asked.query
        for name in (asked.document_id, _sha256_of_id(asked.document_id), asked.sha256):
            if name and name in trusted and asked.query is None:
                return trusted[name]
        raise _unknown("This server runs the documents of its trusted list only.", "DOCUMENT_NOT_TRUSTED")


def sha256_of(text: str) -> str:
    """The hash that a document is known by."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_trusted(path: Path) -> dict[str, str]:
    """The documents of a trusted list by id.

    The file is a JSON object of texts by id or hash, as Relay and GraphQL Code Generator write it, or Apollo's
    `apollo-persisted-query-manifest`. ValueError names the file and what to do.
    """
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: give a readable JSON file with the trusted documents") from error
    texts = _of_manifest(found) if isinstance(found, dict) and "operations" in found else found
    if not isinstance(texts, dict) or not texts or not all(isinstance(text, str) for text in texts.values()):
        raise ValueError(f'{path}: give documents by id or hash, {{"<id>": "query …"}}, or a manifest with operations')
    return {name.removeprefix(_ID_PREFIX): text for name, text in texts.items()}


def _of_manifest(found: dict[str, Any]) -> Any:
    operations = found["operations"]
    if not isinstance(operations, list) or not all(isinstance(each, dict) for each in operations):
        return None
    return {str(each.get("id")): each.get("body") for each in operations}


def _sha256_of_id(document_id: str | None) -> str | None:
    """The hash in a prefixed document id (`sha256:…`)."""
    if document_id is None or not document_id.startswith(_ID_PREFIX):
        return None
    return document_id.removeprefix(_ID_PREFIX)


def _unknown(message: str, code: str) -> DocumentRefused:
    return DocumentRefused([{"message": message, "extensions": {"code": code}}])
