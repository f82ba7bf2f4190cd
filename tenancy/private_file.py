"""Files that hold a secret: made once, whole, and for their owner's eyes only."""

import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def read_or_create(path: Path, make: Callable[[], bytes]) -> bytes:
    """What the file holds; where it is missing, it is made first. Several processes may ask at once and get the same.

    Raises ValueError where others than its owner may read the file.
    """
    if not path.exists():
        _create(path, make())
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ValueError(f"{path} may be read by others than its owner: chmod 600 {path}")
    return path.read_bytes()


def _create(path: Path, content: bytes) -> None:
    """Write a new file beside its place, then link it there: whoever comes second keeps the first one's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
