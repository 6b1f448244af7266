"""An effect as it is published, and the refusal of one, in a word each."""

import json
from typing import Any

import pytest

from effectd.base.errors import EffectRefused
from effectd.messages.effect import Effect
from effectd.messages.published import decode


def of(*, topic_type: str | None = "wind", **fields: Any) -> Effect:
    return decode(json.dumps(fields).encode(), topic_type)


def refusal(payload: bytes | dict[str, Any], topic_type: str | None = "wind") -> EffectRefused:
    with pytest.raises(EffectRefused) as caught:
        decode(payload if isinstance(payload, bytes) else json.dumps(payload).encode(), topic_type)
    return caught.value
