"""Users of the embedded broker: logins, rights on publish, subscribe and delivery, and changes while they are in."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets import Subprotocol
from websockets.sync.client import connect as websocket_client

from effectd.access import passwords

from . import wire, wire5
from .conftest import free_port
from .test_embedded import Program, folder, program  # noqa: F401 - a fixture
from .wire import CONNACK, PUBACK, SUBACK, Client, connect, publish, subscribe, wait_for

USERS: dict[str, Any] = {
    "anna": {"publish": ["effects/#", "notes/#"], "subscribe": ["receipts/#", "devices/+/state", "notes/#"]},
    "bert": {"publish": ["#"], "subscribe": ["#"]},
    "fan-esp": {"device": "far"},
    "locked": {"publish": ["#"], "subscribe": ["#"]},  # without a password
}
SECRETS = {"anna": "anna's secret", "bert": "bert's secret", "fan-esp": "the fan's secret"}
HASHES = {name: passwords.hashed(secret.encode()) for name, secret in SECRETS.items()}


class Users(Program):
    def __init__(self, home: Path, **broker: Any) -> None:
        passwords.write(home, HASHES)
        super().__init__(home, **({"users": USERS} | broker))
        self.given = {"users": USERS, "port": self.port} | broker

    def change(self, **broker: Any) -> None:
        """Until the broker has taken it in."""
        said = self.log.read_text().count("are taken in")
        self.configure(**(self.given | broker))
        wait_for(lambda: self.log.read_text().count("are taken in") > said)

    def change_passwords(self, hashes: dict[str, str]) -> None:
        said = self.log.read_text().count("are taken in")
        passwords.write(self.home, hashes)
        wait_for(lambda: self.log.read_text().count("are taken in") > said)

    def enter(self, name: str, client_id: str = "", *, speaks: Any = wire, **options: Any) -> Any:
        return speaks.connected(self.port, client_id, username=name, password=SECRETS[name], **options)


def hear(client: Client, topic_filter: str) -> None:
    """Subscribe, and be done with what is retained."""
    client.send(subscribe((topic_filter, 0)))
    client.heard()


@contextlib.contextmanager
def running(home: Path, **broker: Any) -> Iterator[Users]:
    users = Users(home, **broker)
    try:
        users.wait_ready()
        yield users
        assert users.stop() == 0
        said = users.log.read_text()
        assert "Traceback" not in said
        assert not [secret for secret in SECRETS.values() if secret in said]
    finally:
        if users.process.poll() is None:
            users.process.kill()
            users.process.wait()


@pytest.fixture
def broker(folder: Path) -> Iterator[Users]:  # noqa: F811
    with running(folder) as users:
        yield users


@pytest.mark.parametrize(
    ("name", "password", "codes"),
    [
        (None, None, (5, 0x87)),
        ("anna", None, (4, 0x86)),
        ("anna", "wrong", (4, 0x86)),
        ("anna", "x" * 5000, (4, 0x86)),
        ("nobody", "anna's secret", (4, 0x86)),
        ("locked", "", (4, 0x86)),
        ("bert", "anna's secret", (4, 0x86)),
        ("anna", "anna's secret", (0, 0)),
    ],
)
def test_nobody_comes_in_without_a_users_name_and_password(
    broker: Users, name: str | None, password: str | None, codes: tuple[int, int]
) -> None:
    for speaks, code in zip((wire, wire5), codes, strict=True):
        with speaks.Client(broker.port, speaks.connect("a", username=name, password=password)) as client:
            assert client.expect(CONNACK).body[1] == code
            assert not code or client.is_closed()


def test_a_user_publishes_within_its_rights_and_is_told_where_they_end(broker: Users) -> None:
    with broker.enter("anna", speaks=wire5) as anna, broker.enter("bert") as bert:
        hear(bert, "#")
        for topic, code in [
            ("effects/wind", 0),
            ("stop-all", 0),
            ("devices/wind/stop", 0),
            ("holds/anna", 0),
            ("other", 0x87),
            ("holds/a/b", 0x87),
            ("devices/wind/set", 0x87),
            ("devices/far/ack", 0x87),
            ("receipts/x", 0x87),
        ]:
            anna.send(wire5.publish(topic, "x", 1, packet_id=9))
            body = anna.expect(PUBACK).body
            assert (body[2] if len(body) > 2 else 0) == code, topic
            if not code:
                assert bert.message().topic == topic
        bert.ping()


def test_a_filter_without_any_right_is_refused_and_every_other_is_filtered_at_delivery(broker: Users) -> None:
    with broker.enter("bert") as bert:
        bert.publish("notes/kept", "k", 1, retain=True)
        bert.publish("secret/kept", "k", 1, retain=True)
        for speaks, refused in ((wire, 0x80), (wire5, 0x87)):
            with broker.enter("anna", speaks=speaks) as anna:
                wanted = [("effects/#", 0), ("$share/g/effects/#", 0), ("devices/wind/set", 0), ("receipts/+", 1)]
                anna.send(speaks.subscribe(*wanted))
                assert anna.expect(SUBACK).body[-4:] == bytes([refused, refused, refused, 1])
                anna.send(speaks.subscribe(("#", 0)))
                anna.expect(SUBACK)
                assert anna.message().topic == "notes/kept"
                bert.publish("secret/live", "x", 1)
                bert.publish("notes/live", "x", 1)
                assert anna.message().topic == "notes/live"
                anna.ping()


def test_a_user_with_a_device_acts_for_it_also_retained_and_by_its_will(broker: Users) -> None:
    far = "devices/far/availability"
    with broker.enter("bert") as bert:
        hear(bert, "devices/#")
        with broker.enter("fan-esp", will=(far, "offline"), will_retain=True) as fan:
            fan.send(subscribe(("devices/far/set", 1), ("stop-all", 1), ("holds/#", 1), ("devices/wind/set", 1)))
            assert fan.expect(SUBACK).body[2:] == b"\1\1\1\x80"
            fan.publish(far, "online", 1, retain=True)
            fan.publish("devices/wind/availability", "offline", 1, retain=True)
            fan.publish("effects/wind", "1", 1)
            assert bert.message().payload == "online"
            bert.publish("stop-all", "x", 1)
            assert fan.message().topic == "stop-all"
        last = bert.message()
        assert (last.topic, last.payload) == (far, "offline")
        bert.ping()
        with broker.enter("bert") as late:
            late.send(subscribe(("devices/#", 0)))
            late.expect(SUBACK)
            assert late.message().payload == "offline"
            late.ping()


def test_a_will_needs_its_right_when_it_is_sent(broker: Users) -> None:
    with broker.enter("bert") as bert:
        hear(bert, "#")
        broker.enter("anna", will=("notes/mine", "gone")).reset()
        assert bert.message().topic == "notes/mine"
        broker.enter("anna", will=("other", "gone")).reset()
        anna = broker.enter("anna", will=("notes/mine", "again"))
        broker.change(users=USERS | {"anna": {"publish": ["effects/#"]}})
        anna.reset()
        broker.enter("anna", will=("effects/bye", "x")).reset()
        assert bert.message().topic == "effects/bye"


def test_rights_that_change_are_in_force_for_who_is_connected_and_for_who_is_away(broker: Users) -> None:
    away = broker.enter("anna", "away", clean=False)
    away.subscribe("notes/#", 1)
    away.socket.close()
    with broker.enter("anna", "here") as anna, broker.enter("bert") as bert:
        anna.subscribe("notes/#", 1)
        bert.publish("notes/1", "1", 1)
        assert anna.message().payload == "1"
        broker.change(users=USERS | {"anna": {"publish": [], "subscribe": ["notes/open/#"]}})
        bert.publish("notes/2", "2", 1)
        bert.publish("notes/open/3", "3", 1)
        assert anna.message().payload == "3"
        with broker.enter("bert") as listener:
            hear(listener, "#")
            anna.publish("effects/wind", "x", 1)
            listener.ping()
        with broker.enter("anna", "away", clean=False) as again:
            assert again.message().payload == "3", "what waited for it is within its rights of now"
            again.ping()
        broker.change(users=USERS)
        bert.publish("notes/4", "4", 1)
        assert anna.message().payload == "4"


def test_who_is_no_user_any_more_or_has_another_password_is_out_at_once(broker: Users) -> None:
    with broker.enter("bert", speaks=wire5) as bert, broker.enter("anna", speaks=wire5) as anna:
        broker.change_passwords(HASHES | {"anna": passwords.hashed(b"another")})
        assert anna.expect(wire5.DISCONNECT).body[0] == 0x87
        bert.ping()
        with Client(broker.port, connect("a", username="anna", password=SECRETS["anna"])) as stale:
            assert stale.expect(CONNACK).body == b"\0\4"
        broker.change(users={name: user for name, user in USERS.items() if name != "bert"})
        assert bert.expect(wire5.DISCONNECT).body[0] == 0x87


def test_a_user_that_is_just_added_comes_in_at_once(broker: Users) -> None:
    broker.configure(**(broker.given | {"users": USERS | {"new": {}}}))
    passwords.write(broker.home, HASHES | {"new": passwords.hashed(b"n")})
    with wire.connected(broker.port, "new", username="new", password="n") as new:
        new.ping()


def test_the_first_user_ends_the_connections_of_those_without_one_and_our_own_stay(folder: Path) -> None:  # noqa: F811
    with running(folder, users={}) as users:
        with wire.connected(users.port, "open") as stranger, Client(users.socket, connect("own")) as own:
            own.expect(CONNACK)
            users.change(users=USERS)
            assert stranger.is_closed()
            own.ping()
            with users.enter("anna") as anna:
                anna.ping()


def test_files_that_are_wrong_are_told_and_change_nothing(broker: Users) -> None:
    with broker.enter("anna") as anna:
        for file, text in (("passwords", "anna:secret"), ("config.yaml", "broker: {users: {anna: {publsh: 1}}}")):
            (broker.home / file).write_text(text)
            wait_for(lambda file=file: f"{file}:1: " in broker.log.read_text())
            anna.ping()
            with broker.enter("anna") as another:
                another.ping()
    assert "anna:secret" not in broker.log.read_text()


def test_a_file_of_passwords_that_others_read_is_told_and_one_that_is_a_link_is_not_believed(
    folder: Path,  # noqa: F811
) -> None:
    with running(folder) as users:
        (folder / passwords.FILE).chmod(0o644)
        os.utime(folder / passwords.FILE)
        wait_for(lambda: "others can read passwords: chmod 600" in users.log.read_text())
        assert "no password for locked in passwords: effectd user add NAME" in users.log.read_text()
    (folder / passwords.FILE).rename(folder / "elsewhere")
    (folder / passwords.FILE).symlink_to("elsewhere")
    refused = Program(folder, users=USERS)
    assert refused.process.wait(10) == 78
    assert "passwords:1: a symbolic link" in refused.log.read_text()


def _attempt(port: int, source: str, password: str, name: str = "anna") -> float:
    """Seconds until the answer to a login from an address of loopback."""
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), 30, source_address=(source, 0)) as client:
        client.sendall(connect("x", username=name, password=password))
        assert client.recv(4)[:3] == b"\x20\2\0"
    return time.monotonic() - begun


def test_the_failures_of_an_address_are_slowed_down_and_logged_and_its_good_logins_are_not(broker: Users) -> None:
    with broker.enter("anna"):
        pass
    taken = [_attempt(broker.port, "127.0.0.9", "wrong") for _ in range(4)]
    assert taken[3] > 1.2, taken
    assert "login of 'anna' from 127.0.0.9 failed (4 failures from there)" in broker.log.read_text()
    slow = threading.Thread(target=_attempt, args=(broker.port, "127.0.0.9", "wrong"))
    slow.start()
    assert _attempt(broker.port, "127.0.0.9", SECRETS["anna"]) < 0.5, "it was remembered"
    assert _attempt(broker.port, "127.0.0.8", SECRETS["bert"], "bert") < 1.5
    slow.join()


def test_an_address_with_failures_has_only_so_many_logins_waiting_and_the_others_are_told_to_come_later(
    broker: Users,
) -> None:
    _attempt(broker.port, "127.0.0.7", "wrong")
    with contextlib.ExitStack() as stack:
        sockets = []
        for _ in range(15):
            client = socket.create_connection(("127.0.0.1", broker.port), 30, source_address=("127.0.0.7", 0))
            stack.callback(client.close)
            client.sendall(connect("x", username="anna", password="wrong"))
            sockets.append(client)
        busy = sum(client.recv(4) == b"\x20\2\0\3" for client in sockets[10:])
    assert busy >= 4


def test_a_flood_of_logins_holds_no_connected_client_up(broker: Users) -> None:
    over = threading.Event()

    def flood(number: int) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                _attempt(broker.port, f"127.0.4.{number}", "wrong", "nobody")

    with broker.enter("bert") as bert:
        attackers = [threading.Thread(target=flood, args=(number,)) for number in range(1, 41)]
        for one in attackers:
            one.start()
        waits = []
        end = time.monotonic() + 3
        while time.monotonic() < end:
            begun = time.monotonic()
            bert.ping()
            waits.append(time.monotonic() - begun)
        over.set()
        for one in attackers:
            one.join()
    waits.sort()
    assert waits[len(waits) * 99 // 100] < 0.02, waits[-20:]


def cpu(broker: Users) -> float:
    """Seconds of processor time that the broker has had."""
    used = Path("/proc", str(broker.process.pid), "stat").read_text().rpartition(")")[2].split()
    return (int(used[11]) + int(used[12])) / os.sysconf("SC_CLK_TCK")


def test_a_hundred_clients_that_come_back_after_a_success_cost_no_hash_each(broker: Users) -> None:
    with broker.enter("anna"):
        pass
    before = cpu(broker)
    with contextlib.ExitStack() as stack:
        for number in range(100):
            stack.enter_context(broker.enter("anna", f"c{number}"))
    assert cpu(broker) - before < 1.0  # a hundred hashes take some two


def test_five_hundred_clients_that_come_at_once_after_a_start_cost_one_hash(broker: Users) -> None:
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(Client(broker.port, connect(f"c{n}", username="anna", password=SECRETS["anna"])))
            for n in range(500)
        ]
        for client in clients:
            assert client.expect(CONNACK).body == b"\0\0"
    assert cpu(broker) < 4.0  # its start included; 500 hashes take some ten


def test_with_users_a_page_of_any_site_may_log_in_and_without_a_login_none_comes_in(folder: Path) -> None:  # noqa: F811
    web = free_port()
    with running(folder, websocket={"port": web}):
        url, known = f"ws://127.0.0.1:{web}/mqtt", [Subprotocol("mqtt")]
        origin: Any = "https://elsewhere.example"
        for login, code in (({}, 5), ({"username": "anna", "password": SECRETS["anna"]}, 0)):
            with websocket_client(url, subprotocols=known, origin=origin) as page:
                page.send(connect("page", **login))  # type: ignore[arg-type]
                assert page.recv() == bytes((0x20, 2, 0, code))


def test_beyond_loopback_nothing_starts_without_users_and_tls_or_the_word_that_it_is_meant(folder: Path) -> None:  # noqa: F811
    for broker, said in (
        ({"host": "0.0.0.0"}, "config.yaml:2: broker.host: 0.0.0.0 lets anyone on the network move the devices"),
        ({"host": "0.0.0.0", "users": USERS}, "0.0.0.0 without TLS sends passwords in the clear"),
        ({"websocket": {"host": "::"}}, "broker.websocket.host: :: lets anyone"),
    ):
        refused = Program(folder, **broker)
        assert refused.process.wait(10) == 78
        assert said in refused.log.read_text()
    with running(folder, host="0.0.0.0", insecure=True) as users:
        with users.enter("anna") as anna:
            anna.ping()
        users.configure(**(users.given | {"users": {}}))  # open to everybody: not while it listens there
        wait_for(lambda: "needs users" in users.log.read_text())
        users.configure(**(users.given | {"users": {}, "host": "127.0.0.1"}))
        wait_for(lambda: "no users any more, while 0.0.0.0 is still listened on" in users.log.read_text())
        with Client(users.port, connect("stranger")) as stranger:
            assert stranger.expect(CONNACK).body == b"\0\5"


def test_who_takes_over_the_client_id_of_another_user_gets_nothing_of_its_session(broker: Users) -> None:
    first = broker.enter("bert", "same", clean=False)
    first.subscribe("secret/#", 1)
    first.socket.close()
    with broker.enter("bert") as bert:
        bert.publish("secret/1", "x", 1)
        with broker.enter("anna", "same", clean=False) as anna:
            assert not anna.connack.session_present
            bert.publish("secret/2", "x", 1)
            anna.ping()


def test_a_message_sent_before_its_connect_counts_for_nothing(broker: Users) -> None:
    with broker.enter("bert") as bert:
        hear(bert, "#")
        eager = connect("x", username="anna", password="wrong") + publish("effects/wind", "1")
        with Client(broker.port, eager) as client:
            assert client.expect(CONNACK).body == b"\0\4"
        bert.ping()


def test_passwords_are_hashed_in_a_thread_that_lets_everything_else_go_first(broker: Users) -> None:
    with broker.enter("anna"):
        pass
    threads = [
        path.read_text().rpartition(")")[2].split()
        for path in Path("/proc", str(broker.process.pid)).glob("task/*/stat")
    ]
    assert 19 in [int(fields[16]) for fields in threads]  # proc(5): nice is field 19, the third of these is number 3
