"""``python conformance/run.py [name …]``: audits and clients that other people wrote, against `merchantry serve`.

The mall is the demo's, built once below CONFORMANCE_HOME. Each check is a program of its own that fails by its exit
code; what it prints is shown. Needs node_modules (npm ci) and a virtual environment with python/requirements.txt.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
HOME = Path(os.environ.get("CONFORMANCE_HOME", HERE / ".mall"))
MERCHANTRY = Path(sys.executable).with_name("merchantry")
PYTHON = HERE / ".venv/bin"
NODE_BIN = HERE / "node_modules/.bin"
MERCHANT = "casa-jequi"
OWNER = f"owner@{MERCHANT}.example"
START_SECONDS = 300
CHECK_SECONDS = 600
FUZZ_SECONDS = os.environ.get("SCHEMATHESIS_SECONDS", "60")

SCHEMATHESIS = (
    str(PYTHON / "schemathesis"), "run", "{url}", "--max-time", FUZZ_SECONDS, "--phases", "fuzzing", "--workers", "1",
    "--checks", "no_fault", "--suppress-health-check", "all", "--no-color",
    "-H", "Authorization: Bearer {token}", "-H", f"X-Merchant: {MERCHANT}",
)  # fmt: skip
CHECKS: dict[str, list[tuple[str, ...]]] = {
    "graphql-http": [("node", "graphql-http.mjs")],
    "graphql-ws": [("node", "graphql-ws.mjs")],
    "graphql-sse": [("node", "graphql-sse.mjs")],
    "resuming": [("node", "resume.mjs")],
    "@apollo/client": [("node", "apollo.mjs")],
    "@urql/core": [("node", "urql.mjs")],
    "relay-compiler": [(str(NODE_BIN / "relay-compiler"), "relay.config.json"), ("node", "relay.mjs")],
    "graphql-codegen": [
        (str(NODE_BIN / "graphql-codegen"), "--config", "codegen/codegen.ts"),
        (str(NODE_BIN / "tsc"), "-p", "codegen/tsconfig.json"),
    ],
    "gql": [(str(PYTHON / "python"), "python/ask_gql.py")],
    "ariadne-codegen": [
        (str(PYTHON / "ariadne-codegen"), "--config", "python/pyproject.toml"),
        (str(PYTHON / "python"), "python/ask_ariadne.py"),
    ],
    "schemathesis": [SCHEMATHESIS],
}


def main() -> int:
    """Run all checks or those named; the number of those that failed."""
    wanted = sys.argv[1:] or list(CHECKS)
    (HERE / "relay/generated").mkdir(exist_ok=True)
    (HERE / "python/generated").mkdir(exist_ok=True)
    if not (HOME / "built").exists():
        with _started("demo", "Ctrl-C ends it", "--no-with-worker"):
            (HOME / "built").touch()
    token = subprocess.run(
        [MERCHANTRY, "token", "--email", OWNER, "--data-dir", HOME], check=True, capture_output=True, text=True
    ).stdout.strip()
    with _started("serve", "Serving ", "--development", "--budget", "0") as line:
        address = re.search(r"http://\S+/graphql", line)
        url = address[0] if address else ""
        failed = [name for name in wanted if not _holds(name, url, token)]
    print(
        f"\n{len(wanted) - len(failed)} of {len(wanted)} passed" + (f"; failed: {', '.join(failed)}" if failed else "")
    )
    return len(failed)


@contextmanager
def _started(command: str, announcement: str, *options: str) -> Iterator[str]:
    """Run a server of ours while the block runs; gives the line that it announced itself with."""
    HOME.mkdir(parents=True, exist_ok=True)
    log = HOME / f"{command}.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [MERCHANTRY, command, "--port", "0", "--data-dir", HOME, *options], stdout=errors, stderr=errors
        )
    try:
        yield _announced(log, announcement, process)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def _announced(log: Path, announcement: str, process: "subprocess.Popen[bytes]") -> str:
    for _ in range(START_SECONDS * 5):
        line = next((each for each in log.read_text().splitlines() if announcement in each), None)
        if line:
            return line
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
        break
    raise SystemExit(f"the server didn't start:\n{log.read_text()[-2000:]}")


def _holds(name: str, url: str, token: str) -> bool:
    print(name, flush=True)
    started = time.monotonic()
    holds = _passes(name, url, token)
    print(f"  {'passed' if holds else 'FAILED'} in {time.monotonic() - started:.0f} s", flush=True)
    return holds


def _passes(name: str, url: str, token: str) -> bool:
    environment = {**os.environ, "MALL_URL": url, "MALL_TOKEN": token, "MALL_MERCHANT": MERCHANT}
    environment["SCHEMATHESIS_HOOKS"] = "hooks"
    environment |= {"MERCHANTRY": str(MERCHANTRY), "MALL_HOME": str(HOME)}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE / "python"), os.environ.get("PYTHONPATH")]))
    for command in CHECKS[name]:
        words = [word.replace("{url}", url).replace("{token}", token) for word in command]
        done = subprocess.run(
            words, cwd=HERE, env=environment, capture_output=True, text=True, timeout=CHECK_SECONDS + int(FUZZ_SECONDS)
        )
        shown = (
            done.stdout if done.returncode == 0 and words[0] == "node" else done.stdout[-3000:] + done.stderr[-3000:]
        )
        if done.returncode or words[0] in ("node", str(PYTHON / "python")):
            print(shown.rstrip(), flush=True)
        if done.returncode:
            return False
    return True


if __name__ == "__main__":
    sys.exit(main())
