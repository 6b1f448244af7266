"""The sessions, one per client id from its first CONNECT to its expiry; and the wills of clients that are gone."""

import uuid
from typing import TYPE_CHECKING

from broker_proc import properties as props
from broker_proc.exchange import Exchange
from broker_proc.message import Message
from broker_proc.packets import V5, Connect, Will
from broker_proc.reasons import TAKEN_OVER
from broker_proc.rights import MustAsk
from broker_proc.sessions import Session

if TYPE_CHECKING:
    from broker_proc.client import Client
    from broker_proc.door import Door, Visitor


class Registry(Exchange):
    """A client id belongs to the newest connection; the number of sessions and their contents are bounded."""

    door: "Door"
    stopping = False
    lingering = 0  # connections that are closed on our side and read until the client closes them, too

    def accept(self, client: "Client", asked: Connect, visitor: "Visitor") -> None:
        """Serve this client under its id from now on, in place of any earlier client with that id."""
        assigned = "" if asked.client_id else f"auto-{uuid.uuid4().hex}"
        client_id = asked.client_id or assigned
        known = self.sessions.get(client_id)
        if known is not None and known.connection is not None:
            known.connection.close(TAKEN_OVER, "another client has connected with this client id")
        session = self.sessions.get(client_id)
        if session is not None and (asked.clean or session.username != visitor.username):
            self.forget(session)
            session = None
        present = session is not None
        if session is None:
            session = self.sessions[client_id] = Session(self, client_id)
        self.away.pop(client_id, None)
        for timer in (session.ending, session.will_timer):
            if timer is not None:
                timer.cancel()
        session.ending = session.will_timer = session.will = None
        session.username, session.login = visitor.username, visitor.login
        session.trusted = client.kind == "unix"
        session.own = session.trusted and client_id.startswith(self._own)
        session.grant = self.door.probing(visitor.grant, client_id)
        session.plugin_session = client.plugin_session
        session.answers.clear()
        session.topics.clear()
        longest = self.settings.session_expiry_s
        if asked.version == V5:
            session.expiry = min(asked.properties.get(props.SESSION_EXPIRY, 0), longest)
            receive_maximum = asked.properties.get(props.RECEIVE_MAXIMUM, 65_535)
        else:
            session.expiry, receive_maximum = (0 if asked.clean else longest), 65_535
        session.window = min(receive_maximum, self.settings.unacked)
        session.connection = client
        if present:
            session.purge()  # it may have fewer rights than when these messages were queued
            self.routing.routes.clear()
        client.welcome(asked, session, present, assigned)
        self.notice("connected", session)
        if present:
            session.resume()

    def ended(self, client: "Client") -> None:
        """A client is gone: schedule its will, and keep or end its session."""
        session, will = client.session, client.will
        assert session is not None
        client.will = None
        session.paused()
        if will is not None:
            delay = min(will.delay, session.expiry)
            if delay and not self.stopping:
                session.will = will
                session.will_timer = self.loop.call_later(delay, self._send_delayed, session)
            else:
                self.send_will(session, will)
        if session.expiry:
            self.away[session.client_id] = session
            session.ending = self.loop.call_later(session.expiry, self._expire, session)
            if len(self.away) > self.settings.sessions:
                oldest = next(iter(self.away.values()))
                who = f"that of {oldest.client_id[:40]!r}, the oldest, ends"
                self.limits.bite("sessions", "all clients together", f"too many sessions without a client: {who}")
                self.forget(oldest)
        else:
            self.forget(session)
        self.notice("disconnected", session)

    def _expire(self, session: Session) -> None:
        self.counters.clients_expired += 1
        self.forget(session)

    def forget(self, session: Session) -> None:
        """The session ends; a delayed will is published now."""
        self._send_delayed(session)
        session.forget()
        self.away.pop(session.client_id, None)
        if self.sessions.get(session.client_id) is session:
            del self.sessions[session.client_id]

    def _send_delayed(self, session: Session) -> None:
        will, session.will = session.will, None
        if will is not None:
            self.send_will(session, will)

    def send_will(self, session: Session, will: Will) -> None:
        """Publish it as if the client had done so itself."""
        name, about = will.topic.encode(), dict(will.properties)
        try:
            route, _ = self.route(name, session)
        except MustAsk as question:
            self.later(self._ask_for_will(question, session, will))
            return
        if route is not None:
            expiry = about.pop(props.MESSAGE_EXPIRY, None)
            message = Message(name, will.payload, will.qos, will.retain, about)
            message.expires = self.loop.time() + expiry if expiry is not None else 0.0
            self.publish(message, route, session)

    async def _ask_for_will(self, question: MustAsk, session: Session, will: Will) -> None:
        await question.ask()
        self.send_will(session, will)

    def keep_session(self, client_id: str) -> Session:
        """A session for a client that has not connected yet."""
        session = self.sessions[client_id] = Session(self, client_id)
        session.expiry = self.settings.session_expiry_s
        self.away[client_id] = session
        session.ending = self.loop.call_later(session.expiry, self._expire, session)
        return session
