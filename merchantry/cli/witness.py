"""`merchantry witness`: for a merchant or auditor who does not want to take the log's word."""

import json
import time
from pathlib import Path
from typing import Annotated

import httpx
import typer

from merchantry.cli.failures import CommandRefused
from merchantry.cli.installation import utc_now
from merchantry.cli.running import ended_by_signals
from merchantry.cli.serving import listen, serve_app
from merchantry.domain.note import ED25519, NoteError, VerifierKey
from merchantry.transparency import witness_key
from merchantry.transparency.evidence import Evidence, EvidenceError
from merchantry.witness.alarms import Alarms, lines
from merchantry.witness.app import build_app, evidence_document, heads_document
from merchantry.witness.comparing import Comparer, PeerUnreadable, heads_of
from merchantry.witness.following import UNPROVED_AFTER
from merchantry.witness.log_reader import LogReader, LogUnreadable, by_origin, new_client
from merchantry.witness.store import Store
from merchantry.witness.witness import Witness
from merchantry.witness.working import POLL_SECONDS, Rounds, working

app = typer.Typer(no_args_is_help=True, help="Watch a public log: cosign what continues it, keep evidence of a fork.")

Directory = Annotated[
    Path, typer.Option("--data-dir", metavar="DIR", file_okay=False, help="Where its key and what it saw are kept.")
]
LogKeys = Annotated[
    list[str] | None,
    typer.Option("--log", metavar="KEY", help="A key of a log, as /log/keys shows it; trusted from now on."),
]
LogUrls = Annotated[
    list[str] | None,
    typer.Option("--log-url", metavar="URL", help="Where a log is, such as https://mall.example/log; it is followed."),
]
Peers = Annotated[
    list[str] | None,
    typer.Option("--peer", metavar="URL|FILE", help="Another witness; what it cosigned is compared in each round."),
]
Command = Annotated[
    str | None,
    typer.Option("--alarm-command", metavar="COMMAND", help="Run on evidence, with it as JSON on its input."),
]
Webhook = Annotated[str | None, typer.Option("--alarm-url", metavar="URL", help="Evidence is sent there by POST.")]
Every = Annotated[float, typer.Option("--every", min=0.1, metavar="SECONDS", help="How long a round takes.")]
HOME = Path(".merchantry-witness")
FOLLOWING = (
    "Following. Cosignatures are handed to a log that takes them; they count where its policy names this witness, and"
    " the log says so if it does not."
)


@app.command()
def init(
    name: Annotated[str, typer.Option(help="Its name for ever, such as auditor.example/witness.")],
    data_dir: Directory = HOME,
) -> None:
    """Make a witness: its key and its file. Prints the public key, which the log's operator puts into the policy."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        signer = witness_key.make(data_dir, name)
    except (NoteError, OSError) as error:
        raise CommandRefused(str(error)) from error
    Store(data_dir)
    typer.echo(str(signer.verifier))


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = 8200,
    log: LogKeys = None,
    log_url: LogUrls = None,
    peer: Peers = None,
    every: Every = POLL_SECONDS,
    alarm_command: Command = None,
    alarm_url: Webhook = None,
    data_dir: Directory = HOME,
) -> None:
    """Answer add-checkpoint over HTTP until SIGINT or SIGTERM; follow given logs and compare with given peers."""
    with ended_by_signals(), new_client() as client, listen(host, port) as bound:
        witness = _opened(data_dir, log)
        rounds = _rounds(witness, client, log_url, peer, every, alarm_command, alarm_url)
        address = f"http://{host}:{bound.getsockname()[1]}"
        with working(rounds):
            said = f"Serving {address}/add-checkpoint"
            serve_app(build_app(witness), bound, announce=lambda: typer.echo(said, err=True))


@app.command()
def follow(
    log_url: Annotated[list[str], typer.Option("--log-url", metavar="URL", help="Where a log is.")],
    log: LogKeys = None,
    peer: Peers = None,
    every: Every = POLL_SECONDS,
    once: Annotated[bool, typer.Option("--once", help="One round; exit code 1 where there is evidence.")] = False,
    alarm_command: Command = None,
    alarm_url: Webhook = None,
    data_dir: Directory = HOME,
) -> None:
    """Look at logs again and again, without being reachable. Ends with exit code 1 once there is evidence.

    What it has checked and cosigned is handed to the log, which counts it if its policy names this witness.
    """
    with ended_by_signals(), new_client() as client:
        witness = _opened(data_dir, log)
        rounds = _rounds(witness, client, log_url, peer, every, alarm_command, alarm_url)
        typer.echo(FOLLOWING, err=True)
        while True:
            is_whole = rounds.once()
            if _has_evidence(witness):
                raise typer.Exit(1)
            if once and not is_whole:
                raise CommandRefused("A log or a peer could not be judged; see above, and try again.")
            if once:
                return
            time.sleep(every)


@app.command()
def compare(
    other: Annotated[str, typer.Option("--with", metavar="URL|FILE", help="The other witness, or `heads` of it.")],
    log_url: Annotated[str | None, typer.Option(metavar="URL", help="Where the log is; shows what sizes tell.")] = None,
    data_dir: Directory = HOME,
) -> None:
    """Compare with what another witness cosigned. Exit code 1 where there is evidence, 2 where it can't be said."""
    with new_client() as client:
        witness = _opened(data_dir, None)
        try:
            notes = heads_of(client, other)
            comparer = Comparer(witness, by_origin([LogReader(client, log_url)] if log_url else []))
        except (PeerUnreadable, LogUnreadable, NoteError) as error:
            raise CommandRefused(str(error)) from error
        for _ in range(UNPROVED_AFTER):
            found = comparer.compare(notes, other)
            if not found.open:
                break
    if found.evidence:
        _show_evidence(witness)
        raise typer.Exit(1)
    if found.open:
        raise CommandRefused("The heads have different sizes: give --log-url, whose tiles tell whether they agree.")
    typer.echo(f"{found.heads} heads compared; nothing against the log.")


@app.command()
def status(data_dir: Directory = HOME) -> None:
    """What the witness trusts, and how far it has cosigned."""
    witness = _opened(data_dir, None)
    typer.echo(f"witness  {witness.verifier}")
    with witness.store.reading() as store:
        for key in store.trusted():
            latest = store.latest(key.name)
            seen = f"{latest.checkpoint.size} leaves at {latest.cosigned_at.isoformat()}" if latest else "nothing yet"
            typer.echo(f"log      {key}: {seen}, {store.heads_count(key.name)} heads")
        typer.echo(f"evidence {len(store.evidence())}")


@app.command()
def check(data_dir: Directory = HOME) -> None:
    """Say what there is against logs. Exit code 1 where there is evidence."""
    witness = _opened(data_dir, None)
    if _has_evidence(witness):
        _show_evidence(witness)
        raise typer.Exit(1)
    typer.echo("Nothing against any log.")


@app.command()
def heads(data_dir: Directory = HOME) -> None:
    """Print what was cosigned, as JSON for another witness's `compare --with FILE`."""
    typer.echo(json.dumps(heads_document(_opened(data_dir, None)), indent=1))


@app.command()
def evidence(data_dir: Directory = HOME) -> None:
    """Print all evidence as JSON, each for `prove`."""
    typer.echo(json.dumps(evidence_document(_opened(data_dir, None)), indent=1))


@app.command()
def prove(
    file: Annotated[Path, typer.Argument(dir_okay=False, exists=True, help="Evidence, or what `evidence` printed.")],
    log: Annotated[list[str], typer.Option("--log", metavar="KEY", help="A key of the log.")],
) -> None:
    """Check somebody's evidence with nothing but the log's key. Exit code 1 where it does not prove what it says."""
    keys = [_log_key(each) for each in log]
    try:
        document = json.loads(file.read_bytes())
        found = [Evidence.parse(each) for each in (document if isinstance(document, list) else [document])]
        for each in found:
            each.check(keys)
    except (ValueError, EvidenceError) as error:
        typer.echo(f"Not proved: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"Proved: the log signed {len(found)} pairs of heads that are not of one history.")


def _opened(directory: Path, log: list[str] | None) -> Witness:
    """The witness in a directory, which trusts further keys. Raises CommandRefused."""
    try:
        signer = witness_key.load(directory)
    except FileNotFoundError as error:
        raise CommandRefused(f"There is no witness in {directory}: run `merchantry witness init --name …`.") from error
    except (NoteError, OSError) as error:
        raise CommandRefused(str(error)) from error
    witness = Witness(signer, Store(directory), utc_now)
    witness.trust([_log_key(each) for each in log or ()])
    return witness


def _log_key(text: str) -> VerifierKey:
    try:
        key = VerifierKey.parse(text)
    except NoteError as error:
        raise CommandRefused(f"--log: {error}.") from error
    if key.kind != ED25519:
        raise CommandRefused("--log is a witness's key; give a log's, which /log/keys shows.")
    return key


def _rounds(
    witness: Witness,
    client: httpx.Client,
    log_urls: list[str] | None,
    peers: list[str] | None,
    every: float,
    command: str | None,
    url: str | None,
) -> Rounds:
    with witness.store.reading() as store:
        if not store.trusted():
            raise CommandRefused("This witness trusts no log yet: give its key by --log.")
    alarms = Alarms(witness, client, command, url)
    return Rounds(witness, client, alarms, tuple(log_urls or ()), tuple(peers or ()), every)


def _has_evidence(witness: Witness) -> bool:
    with witness.store.reading() as store:
        return bool(store.evidence())


def _show_evidence(witness: Witness) -> None:
    with witness.store.reading() as store:
        for line in lines(store.evidence()):
            typer.echo(line, err=True)
