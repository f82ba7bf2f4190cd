"""Databases and directories for commands."""

from pathlib import Path

import pytest

from tenancy.logins import Logins
from tests.cli.running import Shell


@pytest.fixture
def shell(logins: Logins, tmp_path: Path) -> Shell:
    """Commands on a migrated database without merchants."""
    return Shell(logins, tmp_path / "data")


@pytest.fixture
def empty_shell(empty_logins: Logins, tmp_path: Path) -> Shell:
    """Commands on a database that was never migrated."""
    return Shell(empty_logins, tmp_path / "data")
