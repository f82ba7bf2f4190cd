"""Many long stories, in several processes: ``python -m tests.model.soak`` (``make soak``).

Stories are told in batches, each from a seed of its own: batch 3 of ``--seed 1`` has the seed 1003. Where one fails,
Hypothesis shrinks it and prints its steps; ``python -m tests.model.soak --replay 1003`` (``make soak REPLAY=1003``)
tells that batch again, and nothing else. At the end stands how often each transition happened, and the run fails where
one was rare.
"""

import argparse
import multiprocessing
import resource
import sys
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.sharedctypes import Synchronized
from queue import Empty

from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis.stateful import run_state_machine_as_test

from tests import cluster as clusters
from tests.model.machine import MallMachine, stage
from tests.model.story import Story

STORIES, LENGTH = 5, 40
"""Of a batch, and how many rules a story has; some rules are many steps."""

FEWEST = 100
"""How often each transition must have happened in a whole run."""

WHOLE = 20_000
BATCHES_OF_A_SEED = 1_000
WHOSE = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
PARTIES = ("merchant", "platform")
RELEASE = ("before its release", "after its release")
TRANSITIONS = frozenset(
    {
        *("capture", "capture of several merchants", "capture told twice at once", "ship", "cancellation"),
        *("completion by the buyer", "completion by silence", "completion by a refund of all pieces", "release"),
        *("time passing", "settlement", "settlements at once", "statement", "command repeated with its key"),
        *(f"refund of {what} {when}" for what in ("all", "a part") for when in RELEASE),
        *("refunds sent", "refund of all sent twice at once", "cancellation sent twice at once"),
        *("two refunds at once, one made", "two refunds at once, both made"),
        *(f"chargeback opened, {what}, {when}" for what in ("refunded", "unrefunded") for when in RELEASE),
        *(f"chargeback {word}, borne by {who}" for word in ("lost", "won") for who in PARTIES),
        *("chargeback lost after a lost round", "chargeback won after a lost round"),
        *(f"chargeback's next round after a {word} one" for word in ("lost", "won")),
        *("chargeback opened, above the capture", "chargeback lost, part refunded before"),
        *("chargeback's end sent twice at once", "write-off proposed", "write-off by two people"),
        *(f"payout {what}" for what in ("planned", "sent", "paid", "failed", "unknown", "retried", "cancelled")),
        *("payout returned", "payout of what was carried", "payee account usable again"),
        *("payout unknown, then answered for", "payout's answer delivered three times at once"),
        *(f"payout unknown, then resolved as {word}" for word in ("paid", "failed")),
        *(f"payout's {what} sent twice at once" for what in ("resolution", "retry", "cancellation")),
    }
)
"""What must happen often enough, so that one that never does is missed too."""


def tell(seed: int, stories: int = STORIES, length: int = LENGTH) -> None:
    """Tell a batch of stories. Raises what is wrong with one of them, with its steps."""
    told = settings(
        max_examples=stories,
        stateful_step_count=length,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seeded(seed)(MallMachine), settings=told)


@dataclass(frozen=True)
class Told:
    """What came of a batch; ``failure`` is what was wrong."""

    seed: int
    steps: int
    happened: Counter[str]
    failure: str | None


def work(
    seed: int, count: "Synchronized[int]", steps: "Synchronized[int]", wanted: int, results: "Queue[Told]"
) -> None:
    """Tell batch after batch until all processes together have taken enough steps, on a server of this one's own."""
    warnings.simplefilter("error")
    home = clusters.make_home()
    try:
        with stage(clusters.start(home)):
            while steps.value < wanted:
                with count.get_lock():
                    number, count.value = count.value, count.value + 1
                told = batch(seed * BATCHES_OF_A_SEED + number)
                with steps.get_lock():
                    steps.value += wanted if told.failure else told.steps
                results.put(told)
    finally:
        clusters.remove_home(home)


def batch(seed: int) -> Told:
    """Tell one batch, and count what happened in it."""
    Story.happened.clear()
    Story.steps, failure = 0, None
    try:
        tell(seed)
    except BaseException:  # whatever it is, it is shown with the seed
        failure = traceback.format_exc()
    return Told(seed, Story.steps, Counter(Story.happened), failure)


def soak(seed: int, wanted: int, processes: int) -> list[Told]:
    """All batches of a run."""
    context = multiprocessing.get_context("spawn")
    count, steps, results = context.Value("i", 0), context.Value("i", 0), context.Queue()
    workers = [context.Process(target=work, args=(seed, count, steps, wanted, results)) for _ in range(processes)]
    for each in workers:
        each.start()
    told: list[Told] = []
    while any(each.is_alive() for each in workers) or not results.empty():
        try:
            told.append(results.get(timeout=1))
        except Empty:
            continue
    return told


def replay(seed: int) -> list[Told]:
    """One batch again, in this process."""
    home = clusters.make_home()
    try:
        with stage(clusters.start(home)):
            return [batch(seed)]
    finally:
        clusters.remove_home(home)


def main() -> int:
    """Print what happened; 1 where something was wrong or rare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=WHOLE)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--replay", type=int)
    given = parser.parse_args()
    began = time.monotonic()
    told = replay(given.replay) if given.replay else soak(given.seed, given.steps, given.processes)
    seconds = time.monotonic() - began
    failures = [each for each in told if each.failure]
    for each in failures:
        print(each.failure, f"\nTell it again: make soak REPLAY={each.seed}\n")
    happened = sum((each.happened for each in told), Counter[str]())
    steps = sum(each.steps for each in told)
    cpu = sum(resource.getrusage(who).ru_utime + resource.getrusage(who).ru_stime for who in WHOSE)
    for what, times in happened.most_common():
        print(f"{times:>8,}  {what}")
    print(f"{steps:,} effective steps in {seconds:,.0f} s: {steps / seconds:.1f} per second; seed {given.seed}")
    print(f"CPU time of Python: {1_000 * cpu / max(steps, 1):.1f} ms per step")
    rare = sorted(each for each in TRANSITIONS if happened[each] < FEWEST) if given.steps >= WHOLE else []
    if rare and not given.replay:
        print("Too rare:", ", ".join(rare))
    return 1 if failures or (rare and not given.replay) else 0


if __name__ == "__main__":
    sys.exit(main())
