"""GraphQL over WebSocket: the subprotocol `graphql-transport-ws`,
https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md, and no other.

Who can't send headers with the handshake, as browsers can't, says in the payload of `connection_init` who asks:
`{"authorization": "Bearer …", "merchant": "slug"}`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import aclosing, suppress
from typing import Any

import orjson
from graphql import OperationType
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from graphql_api.answer import answer_of
from graphql_api.asking import DocumentRefused, GraphQLRequest, RequestRefused, parsed
from graphql_api.door import Door, Payer
from graphql_api.errors import log_fault
from graphql_api.http import ContextFactory
from graphql_api.origin import is_welcome
from tenancy.middleware import Loss, MerchantRefused
from tenancy.principals import Caller
from tenancy.tokens import TokenRefused

PROTOCOL = "graphql-transport-ws"
INIT_SECONDS = 10.0
"""How long a client may take to send `connection_init`."""
MAX_OPERATIONS = 100
"""At once over one connection."""
MAX_ID_LENGTH = 100

CLOSE_SECONDS = 5.0
SEND_SECONDS = 30.0
"""How long a client may leave a message in the way of the next."""

Lost = Callable[[Collection[tuple[bytes, bytes]], Caller], Awaitable[Loss]]
Identify = Callable[[Collection[tuple[bytes, bytes]]], Awaitable[Caller]]


class _Closed(Exception):
    """The connection ends with a code that the protocol gives a meaning."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class SocketEndpoint:
    """The ASGI application behind WebSockets to `/graphql`."""

    def __init__(self, door: Door, context_factory: ContextFactory, init_seconds: float = INIT_SECONDS) -> None:
        self._door = door
        self._context_factory = context_factory
        self._init_seconds = init_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        if not is_welcome(socket, self._door.rules.allowed_origins):
            await socket.close()  # before it is accepted: the handshake is answered 403
            return
        known = PROTOCOL in scope["subprotocols"]
        await socket.accept(PROTOCOL if known else None)
        if not known:
            await socket.close(4406, "Subprotocol not acceptable")
            return
        await _Conversation(socket, self._door, self._context_factory).hold(self._init_seconds)


class _Conversation:
    """One connection: what was said, and the operations under way."""

    def __init__(self, socket: WebSocket, door: Door, context_factory: ContextFactory) -> None:
        self._socket = socket
        self._door = door
        self._context_factory = context_factory
        self._caller: Caller | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._ending: asyncio.Future[_Closed] = asyncio.get_running_loop().create_future()
        self._guard: asyncio.Task[None] | None = None
        self._operations: dict[str, asyncio.Task[None]] = {}

    async def hold(self, init_seconds: float) -> None:
        """Talk until one side ends it; operations end with it."""
        closed: _Closed | None = None
        try:
            closed = await self._until_ended(init_seconds)
        except _Closed as error:
            closed = error
        except WebSocketDisconnect:
            pass
        finally:
            under_way = [*self._operations.values(), *([self._guard] if self._guard else [])]
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
        if closed:
            with suppress(TimeoutError, WebSocketDisconnect):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._socket.close(closed.code, closed.reason)

    async def _until_ended(self, init_seconds: float) -> _Closed | None:
        """Talk until something else ends it. Raises what talking raises."""
        talk = asyncio.create_task(self._talk(init_seconds))
        either: set[asyncio.Future[Any]] = {talk, self._ending}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not talk.done():
                talk.cancel()
                await asyncio.wait({talk})
        if self._ending.done():
            return self._ending.result()
        await talk
        return None

    def _end(self, closed: _Closed) -> None:
        if not self._ending.done():
            self._ending.set_result(closed)

    async def _guarded(self, caller: Caller) -> None:
        """End the connection once its caller is no longer who it was."""
        lost: Lost = self._socket.scope["state"]["loss"]
        loss = await lost(self._headers, caller)
        self._end(_Closed(4403, loss.value))

    async def _talk(self, init_seconds: float) -> None:
        try:
            async with asyncio.timeout(init_seconds):
                while self._caller is None:
                    await self._take(await self._receive())
        except TimeoutError:
            raise _Closed(4408, "Connection initialisation timeout") from None
        while True:
            await self._take(await self._receive())

    async def _receive(self) -> dict[str, Any]:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        try:
            given = orjson.loads(message.get("text") or b"")
        except orjson.JSONDecodeError as error:
            raise _Closed(4400, "Invalid message received") from error
        if not isinstance(given, dict) or not isinstance(given.get("type"), str):
            raise _Closed(4400, "Invalid message received")
        if not isinstance(given.get("payload", {}), dict):
            raise _Closed(4400, "Invalid message received")
        return given

    async def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "connection_init":
                await self._begin(message.get("payload", {}))
            case "ping":
                await self._send({"type": "pong"})
            case "pong":
                pass
            case "subscribe":
                self._subscribe(message)
            case "complete":
                task = self._operations.pop(_id_of(message), None)
                if task:
                    task.cancel()
            case _:
                raise _Closed(4400, "Invalid message received")

    async def _begin(self, payload: dict[str, Any]) -> None:
        if self._caller is not None:
            raise _Closed(4429, "Too many initialisation requests")
        headers = list(self._socket.scope["headers"])
        given = {name.lower(): value for name, value in payload.items()}
        for key, name in (
            ("authorization", b"authorization"),
            ("merchant", b"x-merchant"),
            ("x-merchant", b"x-merchant"),
        ):
            if given.get(key) is not None:
                headers.append((name, str(given[key]).encode()))
        identify: Identify = self._socket.scope["state"]["identify"]
        try:
            caller = await identify(headers)
        except (TokenRefused, MerchantRefused) as error:
            raise _Closed(4403, "Forbidden") from error
        await self._send({"type": "connection_ack"})
        self._caller, self._headers = caller, headers
        self._guard = asyncio.create_task(self._guarded(caller))

    def _subscribe(self, message: dict[str, Any]) -> None:
        if self._caller is None:
            raise _Closed(4401, "Unauthorized")
        name = _id_of(message)
        if name in self._operations:
            raise _Closed(4409, f"Subscriber for {name} already exists")
        if len(self._operations) >= MAX_OPERATIONS:
            raise _Closed(4400, f"More than {MAX_OPERATIONS} operations at once")
        try:
            asked = parsed(message.get("payload"))
        except RequestRefused as error:
            raise _Closed(4400, "Invalid message received") from error
        self._operations[name] = asyncio.create_task(self._run(name, asked, self._caller))

    async def _run(self, name: str, asked: GraphQLRequest, caller: Caller) -> None:
        """Answer one operation; the client may use its id again once it is told of the end."""
        try:
            await self._answer(name, asked, caller)
            end: dict[str, Any] = {"id": name, "type": "complete"}
        except RequestRefused as refused:
            await self._door.hold_back(refused)
            end = {"id": name, "type": "error", "payload": refused.errors}
        except WebSocketDisconnect:
            return
        except Exception as error:
            masked = {"message": "Internal error", "extensions": {"code": "INTERNAL", "id": log_fault(error)}}
            end = {"id": name, "type": "error", "payload": [masked]}
        self._operations.pop(name, None)
        with suppress(WebSocketDisconnect):
            await self._send(end)

    async def _answer(self, name: str, asked: GraphQLRequest, caller: Caller) -> None:
        door, client = self._door, self._socket.client
        payer = Payer.of(caller, client.host if client else "")
        operation = door.read(asked, payer)
        door.charge(payer, operation.cost)
        context = self._context_factory(self._socket, caller)
        if operation.kind is OperationType.SUBSCRIPTION:
            async with door.streaming(payer), aclosing(door.subscribe(operation, context)) as results:
                async for result in results:
                    await self._next(name, answer_of(result, suggesting=door.rules.development)[0])
            return
        async with door.admitted(payer, operation.cost):
            result = await door.execute(operation, context)
        await self._next(name, answer_of(result, suggesting=door.rules.development)[0])

    async def _next(self, name: str, answer: dict[str, Any]) -> None:
        if "data" not in answer:
            raise DocumentRefused(answer["errors"])
        await self._send({"id": name, "type": "next", "payload": answer})

    async def _send(self, message: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._socket.send_text(orjson.dumps(message).decode())
        except TimeoutError:
            self._end(_Closed(4290, "Too slow"))
            raise WebSocketDisconnect(4290) from None


def _id_of(message: dict[str, Any]) -> str:
    name = message.get("id")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_ID_LENGTH:
        raise _Closed(4400, "Invalid message received")
    return name
