"""The user of a request and their rights, which are the same as by MQTT."""

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request

from effectd.access.grant import PUBLISH, RECEIVE, Grant
from effectd.messages.topics import Topics
from page_proc.replies import Refused


class Guest:
    """`user` None: no users are configured; `grant` None: everything. `operate`: restart, logs, dead letters."""

    def __init__(self, user: str | None, grant: Grant | None, *, operate: bool) -> None:
        self.user, self._grant, self.operate = user, grant, operate

    def sees(self, topic: str) -> bool:
        return self._grant is None or self._grant.may(RECEIVE, topic)

    @property
    def sees_all(self) -> bool:
        return self._grant is None

    def may(self, topic: str) -> bool:
        return self._grant is None or self._grant.may(PUBLISH, topic)

    def need(self, topic: str) -> None:
        """Raises Refused if the user may not publish there by MQTT either."""
        if not self.may(topic):
            raise Refused(
                403, f"{self.user} may not publish {topic}: broker.users.{self.user}.publish says what is allowed"
            )

    def need_to_see(self, *topics: str) -> None:
        for topic in topics:
            if not self.sees(topic):
                raise Refused(
                    403, f"{self.user} may not read {topic}: broker.users.{self.user}.subscribe says what is allowed"
                )

    def need_to_operate(self) -> None:
        if not self.operate:
            who = f"{self.user} needs broker.users.{self.user}.operate: true" if self.user else "only on loopback"
            raise Refused(403, f"restarts, logs and dead letters: {who}")

    def shown(self, topics: Topics, effect_types: Iterable[str]) -> dict[str, Any]:
        """For the page, which shows only what the user may do."""
        types = [name for name in effect_types if self.may(topics.effect(name))]
        everything = self._grant is None or self.may(topics.effect("-"))
        return {
            "user": self.user,
            "login": self.user is not None,
            "may": {
                "effects": True if everything else types,
                "timelines": self.may(topics.timeline("-", "play")),
                "stop": True,
                "hold": True,
                "see": self.sees(topics.state("-")),
                "operate": self.operate,
            },
        }


def of(request: Request) -> Guest:
    guest: Guest = request.scope["effectd.guest"]
    return guest
