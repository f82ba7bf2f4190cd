"""Several processes that serve one port: started, kept alive and ended by one that does nothing else.

Each child is this very command again, told by its environment that it is one: so all settings are read as they were
given. Its standard input ends with its parent, however that ends, and then it ends too.
"""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import structlog

from merchantry.cli.failures import CommandRefused
from merchantry.cli.metrics import forget_process
from merchantry.cli.running import on_signals

CHILD = "MERCHANTRY_SERVE_PROCESS"
"""``<number>:<descriptor of the listening socket>``, in a child's environment."""
READY = b"ready\n"
END_SECONDS = 40.0
"""A child that has not ended by then is killed."""
SHORT_LIFE_SECONDS = 5.0
MOST_SHORT_LIVES = 5

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Child:
    """What this process is among several: its number from 0, and the socket that all of them serve."""

    number: int
    bound: socket.socket

    @classmethod
    def given(cls) -> Self | None:
        """None in a process that a person started."""
        number, separator, descriptor = os.environ.get(CHILD, "").partition(":")
        return cls(int(number), socket.socket(fileno=int(descriptor))) if separator else None

    def say_ready(self) -> None:
        """Tell the parent that requests are answered."""
        os.write(1, READY)


def keep_serving(count: int, bound: socket.socket, announce: Callable[[], None]) -> None:
    """Serve with so many processes until SIGINT or SIGTERM. ``announce`` is called once all of them answer.

    Raises CommandRefused where a process can't be kept alive.
    """
    try:
        asyncio.run(_Processes(count, bound, announce).keep())
    except* CommandRefused as refused:
        raise refused.exceptions[0] from None


class _Processes:
    def __init__(self, count: int, bound: socket.socket, announce: Callable[[], None]) -> None:
        self._count = count
        self._bound = bound
        self._announce = announce
        self._ready: set[int] = set()
        self._stop = asyncio.Event()

    async def keep(self) -> None:
        with on_signals(lambda number: self._stop.set()):
            async with asyncio.TaskGroup() as group:
                for number in range(self._count):
                    group.create_task(self._keep_one(number))

    async def _keep_one(self, number: int) -> None:
        short_lives = 0
        while not self._stop.is_set():
            started = time.monotonic()
            status = await self._one_life(number)
            if self._stop.is_set():
                return
            log.warning("process.ended", number=number, status=status)
            short_lives = short_lives + 1 if time.monotonic() - started < SHORT_LIFE_SECONDS else 0
            if short_lives >= MOST_SHORT_LIVES:
                self._stop.set()
                raise CommandRefused(f"Process {number} ends again and again; what it printed says why.")

    async def _one_life(self, number: int) -> int:
        """Start a process and wait for its end, or end it when all shall end; its exit status."""
        descriptor = self._bound.fileno()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *sys.orig_argv[1:],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(descriptor,),
            env={**os.environ, CHILD: f"{number}:{descriptor}"},
            start_new_session=True,  # Ctrl-C is for the parent, which ends its children in their turn
        )
        tasks = [asyncio.create_task(each) for each in (process.wait(), self._stop.wait())]
        hearing = asyncio.create_task(self._hear(number, process))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if process.returncode is None:
                await _end(process)
            hearing.cancel()
            for task in tasks:
                task.cancel()
            forget_process(process.pid)
        return await process.wait()

    async def _hear(self, number: int, process: asyncio.subprocess.Process) -> None:
        if process.stdout is None or await process.stdout.readline() != READY:
            return
        is_first = number not in self._ready
        self._ready.add(number)
        if is_first and len(self._ready) == self._count:
            self._announce()


async def _end(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.wait()
    except TimeoutError:
        log.warning("process.killed", pid=process.pid)
        process.kill()
