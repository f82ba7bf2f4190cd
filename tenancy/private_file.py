"""Files that hold a secret: written whole, and for their owner's eyes only."""

import fcntl
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
    return _read(path)


def change(path: Path, make: Callable[[bytes], bytes]) -> bytes:
    """Put what is made of the file's content in its place; on disk when this returns. One process after the other.

    Raises ValueError as :func:`read_or_create` does, OSError where there is no such file, and what ``make`` raises.
    """
    lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        content = make(_read(path))
        draft = _draft(path, content)
        draft.replace(path)
        _sync(path.parent)
    finally:
        os.close(lock)
    return content


def _read(path: Path) -> bytes:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ValueError(f"{path} may be read by others than its owner: chmod 600 {path}")
    return path.read_bytes()


def _create(path: Path, content: bytes) -> None:
    """Write a new file beside its place, then link it there: whoever comes second keeps the first one's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft(path, content)
    try:
        with suppress(FileExistsError):
            os.link(draft, path)
        _sync(path.parent)
    finally:
        draft.unlink()


def _draft(path: Path, content: bytes) -> Path:
    """The content, in a file beside its place."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        draft.unlink()
        raise
    return draft


def _sync(directory: Path) -> None:
    """Make what was renamed or linked in a directory outlast a crash of the machine."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
