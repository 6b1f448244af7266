"""The rights of one client: to publish, subscribe and receive; protected topics need a right of their own. Pure."""

from effectd.access.filters import Filters

PUBLISH, SUBSCRIBE, RECEIVE = "publish", "subscribe", "receive"


class Grant:
    """`acts`: the protected topics that this client may publish because it acts for a device or program.

    A protected topic can be published by right of `acts` only: `publish: ["#"]` does not include it.
    """

    __slots__ = ("_protected", "acts", "publish", "subscribe")

    def __init__(self, publish: Filters, subscribe: Filters, acts: Filters, protected: Filters) -> None:
        self.publish, self.subscribe, self.acts, self._protected = publish, subscribe, acts, protected

    def may(self, action: str, topic: str) -> bool:
        """`topic` is a filter where `action` is SUBSCRIBE."""
        if action == PUBLISH:
            return (self.acts if self._protected.match(topic) else self.publish).match(topic)
        return self.subscribe.overlap(topic) if action == SUBSCRIBE else self.subscribe.match(topic)

    def also(self, *filters: str) -> "Grant":
        """The same rights, plus to publish and receive these."""
        return Grant(self.publish + filters, self.subscribe + filters, self.acts, self._protected)


EVERYTHING = Grant(Filters(("#",)), Filters(("#", "$SYS/#")), Filters(), Filters())
NOTHING = Grant(Filters(), Filters(), Filters(), Filters())
