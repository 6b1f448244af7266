"""No message reaches a session that may not read it, over any history of what clients do and of changes of users.

The real broker with its real door in this process; only the sockets and the hashing of passwords are left out.
"""

import asyncio
from pathlib import Path
from typing import Any

import yaml
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from broker_proc.broker import Broker
from broker_proc.client import Client
from broker_proc.door import Door
from effectd.access.access import Access
from effectd.access.logins import Logins
from effectd.config import reader
from effectd.config.schema import BrokerLimits
from tests.topic_filters import matches

from .wire import DISCONNECT, PUBACK, PUBLISH, PUBREC, PUBREL, Packet, acknowledge, connect, packet, publish, subscribe

NAMES = ["anna", "bert", "fan"]
IDS = ["one", "two", "three"]
TOPICS = ["notes/a", "secret/a", "receipts/1", "devices/far/set", "devices/far/state"]
FILTERS = ["#", "notes/#", "+/a", "$share/g/#", "devices/+/set"]
USERS = [
    *(
        {"publish": left, "subscribe": right}
        for left in ([], ["#"], ["notes/#"])
        for right in ([], ["#"], ["secret/a"])
    ),
    *({"device": "far"}, {"publish": ["devices/#"], "subscribe": ["devices/#", "notes/+"]}, None),
]
SELDOM = [False] * 9 + [True]
ACTS = ("ack", "state", "availability", "fence", "config")


class Wire:
    """What a client of the broker sees of the loop's transports: nothing is ever full."""

    def __init__(self) -> None:
        self.sent = b""
        self.closed = False

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else None

    def write(self, data: bytes) -> None:
        self.sent += data

    def writelines(self, parts: list[bytes]) -> None:
        self.sent += b"".join(parts)

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return False

    def set_write_buffer_limits(self, **_: int) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def packets(self) -> list[Packet]:
        found, at = [], 0
        while at < len(self.sent):
            length, shift, head = 0, 0, at
            while True:
                at += 1
                length |= (self.sent[at] & 0x7F) << shift
                shift += 7
                if not self.sent[at] & 0x80:
                    break
            found.append(Packet(self.sent[head], self.sent[at + 1 : at + 1 + length]))
            at += 1 + length
        self.sent = b""
        return found


class AlwaysRight(Logins):
    """Whoever has a password knows it."""

    def remembered(self, name: str, password: bytes, hashed: str) -> bool:  # noqa: ARG002
        return bool(hashed)


class Visit:
    """One connection, in the name of a user."""

    def __init__(self, broker: Broker, user: str, client_id: str) -> None:
        self.user, self.client_id, self.wire = user, client_id, Wire()
        self.client = Client(broker)
        self.client.connection_made(self.wire)

    def send(self, data: bytes) -> None:
        if not self.wire.closed:
            self.client.data_received(data)


def configuration(users: dict[str, Any]) -> reader.Config:
    data = {
        "broker": {"users": users},
        "effects": {"wind": None},
        "devices": {"far": {"kind": "remote", "effects": ["wind"]}},
    }
    return reader.load(Path("/tmp"), yaml.safe_dump(data).encode())


class Histories(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.visits: dict[str, Visit] = {}
        self.left: list[Visit] = []  # whose last packets are still to be judged
        self.forgotten = ""  # who has no password

    @initialize()
    def begin(self) -> None:
        """All may do everything, and have subscribed to everything."""
        self.users: dict[str, Any] = {name: {"publish": ["#"], "subscribe": ["#"]} for name in NAMES}
        self.passwords = {name: f"$argon2id${name}" for name in NAMES}
        self.door = Door(Access(configuration(self.users)), self.passwords)
        self.loop.run_until_complete(self._make())
        for client_id, user in zip(IDS, NAMES, strict=True):
            self.enter(user, client_id, False, TOPICS[0])
            self.subscribe(client_id, "#", 1)

    async def _make(self) -> None:
        self.broker = Broker(self.loop, BrokerLimits(), door=self.door, sys_interval_s=0)
        self.door.logins = AlwaysRight(self.loop)

    def may_read(self, user: str, topic: str, client_id: str) -> bool:
        found = self.users.get(user)
        if found is None:
            return False
        filters = list(found.get("subscribe", []))
        if found.get("device"):
            filters += ["devices/far/set", "devices/far/stop", "devices/far/resume", "stop-all", "holds/#"]
        return any(matches(topic, one) for one in [*filters, f"probe/{client_id}/#"])

    def may_write(self, user: str, topic: str) -> bool:
        found = self.users.get(user)
        if found is None:
            return False
        if topic.startswith(("receipts/", "devices/far/")):
            return bool(found.get("device")) and topic.rpartition("/")[2] in ACTS
        return any(matches(topic, one) for one in found.get("publish", []))

    def settle(self) -> None:
        """Let the loop run out, and judge all that was sent; what has to be acknowledged now and then is not."""
        for _ in range(4):
            self.loop.run_until_complete(asyncio.sleep(0))
        for visit in (*self.visits.values(), *self.left):
            for each in visit.wire.packets():
                if each.kind == PUBLISH:
                    where = (visit.user, each.topic, visit.client_id)
                    assert self.may_read(*where), f"{visit.user} heard {each.topic}, with {self.users.get(visit.user)}"
                    assert each.payload == "good", f"{each.payload} wrote {each.topic}"
        self.left.clear()

    @rule(
        user=st.sampled_from(NAMES), client_id=st.sampled_from(IDS), clean=st.booleans(), will=st.sampled_from(TOPICS)
    )
    def enter(self, user: str, client_id: str, clean: bool, will: str) -> None:
        if user not in self.users or user == self.forgotten:
            return  # it would not come in
        before = self.visits.get(client_id)
        visit = Visit(self.broker, user, client_id)
        self.left += [before] if before is not None else []
        self.visits[client_id] = visit
        visit.send(connect(client_id, clean=clean, username=user, password="p", will=(will, "good"), will_retain=True))
        self.settle()
        assert not visit.wire.closed
        if before is not None:
            assert before.wire.closed
            before.client.connection_lost(None)
            self.settle()

    @rule(client_id=st.sampled_from(IDS), topic_filter=st.sampled_from(FILTERS), qos=st.integers(0, 2))
    def subscribe(self, client_id: str, topic_filter: str, qos: int) -> None:
        if client_id in self.visits:
            self.visits[client_id].send(subscribe((topic_filter, qos)))
        self.settle()

    @rule(client_id=st.sampled_from(IDS), topic=st.sampled_from(TOPICS), qos=st.integers(0, 1), retain=st.booleans())
    def publish(self, client_id: str, topic: str, qos: int, retain: bool) -> None:
        if client_id in self.visits:
            visit = self.visits[client_id]
            payload = "good" if self.may_write(visit.user, topic) else visit.user
            visit.send(publish(topic, payload, qos, packet_id=7, retain=retain))
        self.settle()

    @rule(client_id=st.sampled_from(IDS), kind=st.sampled_from([PUBACK, PUBREC, PUBREL]), number=st.integers(1, 4))
    def acknowledge(self, client_id: str, kind: int, number: int) -> None:
        if client_id in self.visits:
            self.visits[client_id].send(acknowledge(kind, number))
        self.settle()

    @rule(client_id=st.sampled_from(IDS), politely=st.booleans())
    def leave(self, client_id: str, politely: bool) -> None:
        visit = self.visits.pop(client_id, None)
        if visit is not None:
            if politely:
                visit.send(packet(DISCONNECT[0]))
            if not visit.client.lost:
                visit.client.connection_lost(None)
        self.settle()

    @rule(name=st.sampled_from(NAMES), user=st.sampled_from(USERS), forgotten=st.sampled_from(SELDOM))
    def change(self, name: str, user: dict[str, Any] | None, forgotten: bool) -> None:
        """One of them has other rights, or is no user any more, or has no password any more."""
        users = {**self.users, name: user} if user is not None else {k: v for k, v in self.users.items() if k != name}
        if not users:
            return  # without users the broker is another one
        self.all_publish()  # what is remembered of anybody's rights is remembered now
        self.users, self.forgotten = users, name if forgotten else ""
        hashes = {name: hashed for name, hashed in self.passwords.items() if name != self.forgotten}
        self.door.renew(Access(configuration(users)), hashes)
        self.broker.renew()
        self.settle()
        for client_id, visit in list(self.visits.items()):
            if visit.user not in users or visit.user == self.forgotten:
                assert visit.wire.closed, f"{visit.user} is still in"
                del self.visits[client_id]
        self.all_publish()

    def all_publish(self) -> None:
        for topic in TOPICS:
            for client_id in IDS:
                self.publish(client_id, topic, 1, False)

    def teardown(self) -> None:
        async def end() -> None:
            await self.broker.stop()

        for visit in self.visits.values():
            visit.client.lost = True
        if hasattr(self, "broker"):
            self.loop.run_until_complete(end())
        self.loop.close()


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
