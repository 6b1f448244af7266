"""The rights on this home's broker, from its configuration: of our own programs, of users, and of anyone else.

Section 3 of the contract names the protected topics, section 5 the users; docs/security.md says what each rule stops.
"""

import re
from collections.abc import Iterator
from string import Template
from typing import Any

from effectd.access.filters import Filters
from effectd.access.grant import Grant
from effectd.config import programs
from effectd.config.reader import Config, home_id
from effectd.config.schema import User

_ALL = ("#", "$SYS/#")


class Access:
    """`users` by name; `anybody`: the rights of a client by port without a user, None if users are configured."""

    def __init__(self, config: Config) -> None:
        self._config, self._topics = config, config.topics
        self.own = f"effectd-{home_id(config.home)}-"  # prefix of the client ids of this home's own programs
        self._protected = Filters(self._topics.protected)
        self._drivers = {*config.devices, *config.buses}
        self._remote = [name for name, device in config.devices.items() if device.remote]
        self._everybody = self._grant(("#",), _ALL, self._acting(self._remote))
        self.users = {name: self._user(user) for name, user in config.broker.users.items()}
        self.anybody = None if self.users else self._everybody
        self.operators = frozenset(name for name, user in config.broker.users.items() if user.operate)

    def probing(self, grant: Grant, client_id: str) -> Grant:
        """The same, plus the topics that any client may use; not for an id that could match other clients' topics."""
        if not client_id or re.search(r"[/+#]", client_id):
            return grant
        return grant.also(self._topics.probe(client_id, "#"))

    def role(self, client_id: str) -> str:
        """The program that a client by the socket claims to be, by the end of its client id; "" for any other client.

        A driver's second connection has the name after a dot: `effectd-1a2b3c4d-mqtt.lamp`.
        """
        if client_id.startswith(self.own):
            return client_id.removeprefix(self.own).rpartition(".")[2]
        names = [*self._drivers, *(row.name for row in programs.TABLE if row.name)]
        return max((name for name in names if re.search(rf"(^|[-.]){name}$", client_id)), key=len, default="")

    def program(self, client_id: str) -> Grant:
        """The rights of one of our own programs, connected by the socket."""
        name = self.role(client_id)
        if name == programs.BROKER:
            return self._grant(("#",), _ALL, self._topics.protected)
        if programs.of(name).name == programs.DISPATCHER:
            return self._grant(("#",), _ALL, self._topics.dispatched())
        if name.startswith("cli-up-"):  # it clears what removed devices have left
            return self._grant(("#",), _ALL, (*self._topics.acted("+"), self._topics.system("+")))
        if programs.is_device(name) and not name.startswith("cli-"):
            return self._driver(name)
        return self._everybody

    def _driver(self, name: str) -> Grant:
        """The rights of the driver of a device, or of all the devices of a bus."""
        devices = self._config.devices_of(name) or [name]
        heard = [topic for device in devices for topic in self._topics.heard(device)]
        named = {topic for device in devices for topic in self._named(device)}
        return self._grant(tuple(named), (*heard, *named), self._acting(devices))

    def _named(self, name: str) -> Iterator[str]:
        """The topics that the options of a device, and of its bus, name."""
        device = self._config.devices.get(name)
        if device is not None:
            yield from _topics(device.options, name)
            if device.bus in self._config.buses:
                yield from _topics(self._config.buses[device.bus].options, name)

    def _user(self, user: User) -> Grant:
        topics = self._topics
        heard = [topic for name in user.acts_for for topic in topics.heard(name)]
        publish = (*user.publish, topics.stop_all, topics.every_stop, topics.any_hold)
        return self._grant(publish, (*user.subscribe, *heard), self._acting(user.acts_for))

    def _acting(self, devices: Any) -> tuple[str, ...]:
        return tuple(topic for name in devices for topic in self._topics.acted(name))

    def _grant(self, publish: tuple[str, ...], subscribe: tuple[str, ...], acts: tuple[str, ...]) -> Grant:
        return Grant(Filters(publish), Filters(subscribe), Filters(acts), self._protected)


def _topics(options: Any, device: str) -> Iterator[str]:
    """The topics that a driver's options name: the text under each key with `topic` in its name."""
    pairs = options.items() if isinstance(options, dict) else enumerate(options) if isinstance(options, list) else ()
    for key, value in pairs:
        if isinstance(value, dict | list):
            yield from _topics(value, device)
        elif isinstance(value, str) and "topic" in str(key) and value:
            yield Template(value).safe_substitute(device=device)
