"""What MQTT 5 says in section 4.7 of topics and filters, as an expression: an oracle for those of our own."""

import re


def matches(topic: str, topic_filter: str) -> bool:
    text = re.escape(topic_filter).replace(r"\+", "[^/]*").replace(r"/\#", "(/.*)?").replace(r"\#", ".*")
    hidden = topic.startswith("$") and topic_filter[:1] in ("+", "#")
    return re.fullmatch(text, topic, re.DOTALL) is not None and not hidden
