"""amqtt plugins for the tests; each answer takes a while, as that of a database does."""

import asyncio
from typing import Any

from amqtt.contexts import Action
from amqtt.plugins.base import BaseTopicPlugin
from amqtt.session import Session


class Guard(BaseTopicPlugin):
    """`secret/#` is for the user `trusted`."""

    async def topic_filtering(self, *, session: Session, topic: str, action: Action) -> bool:  # noqa: ARG002
        await asyncio.sleep(0)
        return session.username == "trusted" or not topic.startswith("secret/")


class Listener(BaseTopicPlugin):
    """Publishes each event that it hears of to `events`, and `how often/<topic>` it was asked about a topic."""

    asked: dict[str, int]

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.asked = {}

    async def topic_filtering(self, *, session: Session, topic: str, action: Action) -> bool:
        await asyncio.sleep(0.001)
        key = f"{session.client_id} {action.value} {topic}"
        self.asked[key] = self.asked.get(key, 0) + 1
        return True

    async def on_broker_client_connected(self, *, client_id: str, client_session: Session) -> None:
        await self.context.broadcast_message("events", f"connected {client_id} {client_session.username}".encode())

    async def on_broker_client_disconnected(self, *, client_id: str, client_session: Session) -> None:  # noqa: ARG002
        await self.context.broadcast_message("events", f"disconnected {client_id}".encode())

    async def on_broker_client_subscribed(self, *, client_id: str, topic: str, qos: int) -> None:
        await self.context.broadcast_message("events", f"subscribed {client_id} {topic} {qos}".encode())

    async def on_broker_message_received(self, *, client_id: str, message: Any) -> None:
        if message.topic == "question":
            await self.context.broadcast_message("events", f"asked {max(self.asked.values())}".encode())
            await self.context.retain_message("kept", b"by a plugin")
            await self.context.broadcast_message("events", f"message {client_id} {message.topic}".encode())
