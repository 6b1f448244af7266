"""The dispatcher's part in holds: ends and refuses effects for held devices, and publishes which holds are active."""

from collections.abc import Callable

from dispatcher_proc.delivery import Delivery
from dispatcher_proc.part import Handler, Message, OnRequest, Part
from dispatcher_proc.sender import Sender
from effectd.base.errors import BrokerLost
from effectd.config.reader import Config
from effectd.config.schema import Device
from effectd.messages import answers
from effectd.messages.topics import Topics
from effectd.program.broker_session import BrokerSession
from effectd.program.holds import Holds
from effectd.readiness.gate import Reply, Request


class Holding(Part):
    """The drivers receive the same holds themselves: keeping a device still does not depend on this part."""

    def __init__(self, kept: Holds, broker: BrokerSession, topics: Topics, delivery: Delivery, sender: Sender) -> None:
        self._kept, self._broker, self._topics = kept, broker, topics
        self._delivery, self._sender = delivery, sender
        self._devices: dict[str, Device] = {}
        self._why: dict[str, str] = {}
        self.on_all: Callable[[], None] = lambda: None

    def topics(self) -> dict[str, Handler]:
        return {self._topics.any_hold: self._heard}

    def requests(self) -> dict[str, OnRequest]:
        return {"hold": self._asked, "release": self._asked}

    def configure(self, config: Config) -> None:
        self._devices = config.devices
        self._look()

    def start(self) -> None:
        self._kept.watch(self._changed, lambda trouble: self._broker.journal_trouble(trouble, "holds"))
        self._changed()

    def connected(self) -> None:
        self._publish()

    def stop(self) -> None:
        self._kept.close()

    def held(self, device: str) -> str:
        """Who holds it, and why; "" = no one."""
        return self._why.get(device, "")

    @property
    def everything(self) -> bool:
        """Whether there is a hold on everything."""
        return any(hold.target is None for hold in self._kept.standing.values())

    def _heard(self, message: Message) -> None:
        self._kept.hear(message.words[0], message.payload)

    def _asked(self, request: Request, reply: Reply) -> None:
        answer = self._kept.asked(request)
        reply(answer or {"done": request["do"]})

    def _changed(self) -> None:
        self._look()
        self._broker.remark("; ".join(str(hold) for hold in self._kept.standing.values()))
        if self.everything:
            self.on_all()
        self._publish()

    def _look(self) -> None:
        """End what waits for a newly held device."""
        before, self._why = self._why, {}
        for name, device in self._devices.items():
            if not (why := self._kept.why(name, device.zones)):
                continue
            self._why[name] = why
            if why == before.get(name):
                continue
            self._delivery.stop(name, reason=why)
            if not device.acks:  # it knows no hold, only `set`
                self._sender.off(name, device.effects[0])
            elif device.remote:  # its driver may know only `stop`
                self._sender.stop(name)

    def _publish(self) -> None:
        try:
            payload = answers.encode(list(self._kept.standing.values()))
            self._broker.link.publish(self._topics.holds, payload, qos=1, retain=True)
        except BrokerLost:
            pass  # `connected` publishes it again
