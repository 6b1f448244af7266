"""The broker: its connections, what is written in this loop turn, which clients are held back; awaits only plugins."""

import asyncio
from typing import TYPE_CHECKING

from broker_proc.client import Client
from broker_proc.connection import Connection
from broker_proc.crowd import Crowd
from broker_proc.door import Door, Refused, Visitor
from broker_proc.outgoing import Outgoing
from broker_proc.packets import Connect
from broker_proc.reasons import NOT_AUTHORIZED, SHUTTING_DOWN, V311_NOT_AUTHORIZED
from broker_proc.registry import Registry
from broker_proc.rights import MustAsk
from effectd.base.complaints import Complaints
from effectd.config.schema import BrokerLimits

if TYPE_CHECKING:
    from broker_proc.plugins import Plugins

CONNECT_WITHIN_S = 10.0
END_WITHIN_S = 0.2  # how long clients may take to read their last bytes when the broker stops


class Broker(Registry):
    """The whole broker, without its listeners. `connect_within` in seconds: from a connection to its CONNECT."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: BrokerLimits,
        *,
        own: str = "effectd-",
        unretained: tuple[str, ...] = (),
        door: Door | None = None,
        plugins: "Plugins | None" = None,
        sys_interval_s: float = 10.0,
        connect_within: float = CONNECT_WITHIN_S,
    ) -> None:
        super().__init__(loop, settings, own=own, unretained=unretained, plugins=plugins, sys_interval_s=sys_interval_s)
        self.door = door or Door()
        self.connect_within = connect_within
        self.crowd = Crowd(loop, self.limits)
        self.complaints = Complaints(loop, "more connections closed for protocol errors or silence")
        self.connections = self.crowd.connections
        self.holding = False  # publishers have to wait for the dispatcher
        self._held: set[Connection] = set()
        self._dirty: list[Outgoing] = []
        self.will_flush = False  # a caller has promised to call `flush` in this turn

    async def stop(self) -> None:
        """Send every will, disconnect every client, close."""
        self.stopping = True
        clients = [one for one in self.connections if isinstance(one, Client)]
        for client in clients:
            if client.session is not None and client.will is not None:
                self.send_will(client.session, client.will)
                client.will = None
        if self._tasks:  # plugins that check the rights of wills
            await asyncio.wait(list(self._tasks), timeout=END_WITHIN_S)
        for client in clients:
            client.close(SHUTTING_DOWN, "the broker stops")
        until = self.loop.time() + END_WITHIN_S
        while any(not one.lost for one in clients) and self.loop.time() < until:
            await asyncio.sleep(0.005)
        for client in clients:
            if not client.lost:
                client.transport.abort()
        self.crowd.close()
        self.complaints.close()
        self.door.close()
        self.sys.close()
        for session in list(self.sessions.values()):
            session.forget()
        await asyncio.sleep(0)

    # -- connections

    def client(self, kind: str = "tcp") -> Client:
        """A protocol for the loop's servers."""
        return Client(self, kind)

    def admit(self, connection: Connection) -> bool:
        """Whether there is room for another connection; on broker.sock there always is."""
        if self.stopping:
            return False
        if connection.kind != "unix" and len(self.connections) >= self.settings.connections:
            self.limits.bite("connections", "all clients together", "too many connections: a new one is closed")
            return False
        self.connections.add(connection)
        return True

    def leave(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self.crowd.partial.discard(connection)
        self._held.discard(connection)
        self.caught_up(connection)

    def flush_soon(self, connection: Outgoing) -> None:
        self._dirty.append(connection)
        if not self.will_flush:
            self.will_flush = True
            self.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what has been collected."""
        self.will_flush = False
        dirty, self._dirty = self._dirty, []
        for connection in dirty:
            connection.flush()

    def behind(self, connection: Connection) -> None:
        """Its client is behind with reading. If that is the dispatcher, those that publish to it are held back."""
        self.crowd.behind.add(connection)
        if connection.session is not None and self.is_dispatcher(connection.session):
            self.holding = True

    def caught_up(self, connection: Connection) -> None:
        self.crowd.behind.discard(connection)
        if self.holding and connection.session is not None and self.is_dispatcher(connection.session):
            self.holding = False
            held, self._held = self._held, set()
            for one in held:
                self.loop.call_soon(one.go_on)

    def hold(self, connection: Connection) -> None:
        self._held.add(connection)
        connection.hold()

    def enter(self, client: Client, asked: Connect) -> Visitor:
        """Who a client is, if it is admitted. Raises Refused; MustAsk where a plugin has to be asked first."""
        visitor = self.door.enter(client, asked)
        if self._plugins is not None and client.kind != "unix":
            if client.allowed is None:
                plugins = self._plugins

                async def ask() -> None:
                    client.allowed = await plugins.authenticate(client, asked)

                raise MustAsk(ask)
            if not client.allowed:
                raise Refused(NOT_AUTHORIZED, V311_NOT_AUTHORIZED, "not allowed to connect")
        return visitor

    def renew(self) -> None:
        """The files of the door have changed: check the connected clients again, and what is queued for them."""
        for session in list(self.sessions.values()):
            if session.trusted:
                continue  # a program uses the configuration of its start: the topic of its last will must stay allowed
            visitor = self.door.standing(session)
            if visitor is None:
                session.grant = self.door.last_rights(session)
                if session.connection is not None:
                    session.connection.close(NOT_AUTHORIZED, "this user is no longer allowed here")
                self.forget(session)
            else:
                session.grant = self.door.probing(visitor.grant, session.client_id)
                session.purge()
        self.routing.routes.clear()
