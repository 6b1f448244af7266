"""Who has subscribed to what, by filter: looked up by the topic itself, compared only with the wildcards."""
# mypy: disable-error-code="import-untyped"

from amqtt.session import Session


class Filters(dict[str, list[tuple[Session, int]]]):
    """`wild` are the filters with wildcards, the only ones that a topic has to be compared with one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.wild: dict[str, None] = {}

    def __setitem__(self, topic_filter: str, held: list[tuple[Session, int]]) -> None:
        super().__setitem__(topic_filter, held)
        if "+" in topic_filter or "#" in topic_filter:
            self.wild[topic_filter] = None

    def __delitem__(self, topic_filter: str) -> None:
        super().__delitem__(topic_filter)
        self.wild.pop(topic_filter, None)
