"""The mall against the model. `make soak` tells long stories, the suite short ones; a seed that fails replays."""

import asyncio
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.cluster import Cluster
from tests.model.machine import MallMachine

STEPS = int(os.environ.get("SOAK_STEPS", "0"))
STORIES, LENGTH = (STEPS // 80 + 1, 80) if STEPS else (4, 40)
FEWEST = 100
"""How often each transition must have happened in a whole run."""


@pytest.fixture
def loop(cluster: Cluster) -> Iterator[asyncio.AbstractEventLoop]:
    """One event loop for all stories."""
    MallMachine.loop, MallMachine.cluster = asyncio.new_event_loop(), cluster
    MallMachine.steps.clear()
    yield MallMachine.loop
    MallMachine.loop.close()


def test_the_mall_and_the_model_agree_after_every_step(loop: asyncio.AbstractEventLoop) -> None:
    told = settings(
        max_examples=STORIES,
        stateful_step_count=LENGTH,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(MallMachine, settings=told)
    total = sum(MallMachine.steps.values())
    print(f"\n{total:,} effective steps")  # noqa: T201
    for what, count in MallMachine.steps.most_common():
        print(f"{count:>8,}  {what}")  # noqa: T201
    if STEPS:
        rare = {what: count for what, count in MallMachine.steps.items() if count < FEWEST}
        assert (total >= STEPS, rare) == (True, {})
