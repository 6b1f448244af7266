"""What one client may do: publish, subscribe to, hear; and the topics that only those concerned may publish. Pure."""

from effectd.access.filters import Filters

PUBLISH, SUBSCRIBE, RECEIVE = "publish", "subscribe", "receive"


class Grant:
    """`acts`: of the protected topics those that this one may publish all the same, as what it acts for.

    A protected topic is published by right of `acts` alone: `publish: ["#"]` does not contain it.
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
        """With the right to publish and to hear these, too."""
        return Grant(self.publish + filters, self.subscribe + filters, self.acts, self._protected)


EVERYTHING = Grant(Filters(("#",)), Filters(("#", "$SYS/#")), Filters(), Filters())
NOTHING = Grant(Filters(), Filters(), Filters(), Filters())
