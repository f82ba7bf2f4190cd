"""``python -m benchmarks [--quick] [--durable] [name …]``: all benchmarks, or those named, one after the other."""

import subprocess
import sys
from importlib.util import find_spec

NAMES = (
    "statements",
    "execution",
    "checkout",
    "commission_report",
    "recount",
    "cross_search",
    "provisioning",
    "migration",
    "memory",
    "olist_import",
    "settlement",
    "backup",
    "hostile",
    "flood",
    "subscriptions",
    "log",
    "audit",
    "review_trial",
)
BY_NAME = ("postgraphile", "vendure")
"""Measured only when they are named: they install what they measure beside us, by npm."""


def main() -> int:
    """Run each in a process of its own, so that none inherits another's caches. Returns the first failure's code."""
    flags = [word for word in sys.argv[1:] if word.startswith("-")]
    present = [name for name in NAMES if find_spec(f"benchmarks.{name}")]
    wanted = [word for word in sys.argv[1:] if not word.startswith("-")] or present
    known = (*present, *BY_NAME)
    if unknown := [name for name in wanted if name not in known]:
        print(f"No such benchmark: {', '.join(unknown)}. There are {', '.join(known)}.", file=sys.stderr)
        return 2
    failures = [subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *flags]).returncode for name in wanted]
    return next((code for code in failures if code), 0)


if __name__ == "__main__":
    sys.exit(main())
