"""MQTT 5's properties (section 2.2.2): bytes to a dictionary by identifier, and back."""

from collections.abc import Mapping
from typing import Any

from broker_proc.fields import binary, number, string, varint, write_string, write_varint
from broker_proc.reasons import PROTOCOL_ERROR, QUOTA, WireError

PAYLOAD_FORMAT, MESSAGE_EXPIRY, CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION_DATA = 1, 2, 3, 8, 9
SUBSCRIPTION_ID, SESSION_EXPIRY, ASSIGNED_CLIENT_ID = 11, 17, 18
AUTH_METHOD, AUTH_DATA, REQUEST_PROBLEM, WILL_DELAY, REQUEST_RESPONSE = 21, 22, 23, 24, 25
REASON_STRING, RECEIVE_MAXIMUM, ALIAS_MAXIMUM, ALIAS = 31, 33, 34, 35
USER, MAXIMUM_PACKET = 38, 39

# How the value of each property is written: B, H, L = unsigned of 1, 2, 4 bytes, v = variable byte integer,
# s = string, b = binary, p = pair of strings.
_KINDS = {
    1: "B", 2: "L", 3: "s", 8: "s", 9: "b", 11: "v", 17: "L", 18: "s", 19: "H", 21: "s", 22: "b", 23: "B", 24: "L",
    25: "B", 26: "s", 28: "s", 31: "s", 33: "H", 34: "H", 35: "H", 36: "B", 37: "B", 38: "p", 39: "L", 40: "B",
    41: "B", 42: "B",
}  # fmt: skip
_BYTES = {"B": 1, "H": 2, "L": 4}
_AT_MOST_1 = frozenset({PAYLOAD_FORMAT, REQUEST_PROBLEM, REQUEST_RESPONSE})  # a byte that is 0 or 1
_NOT_0 = frozenset({SUBSCRIPTION_ID, RECEIVE_MAXIMUM, ALIAS, MAXIMUM_PACKET})

USER_PROPERTIES = 1000  # in one packet: others wait while they are read

# What a client may send in each of its packets.
_MESSAGE = frozenset({PAYLOAD_FORMAT, MESSAGE_EXPIRY, CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION_DATA, USER})
IN_WILL = _MESSAGE | {WILL_DELAY}
IN_PUBLISH = _MESSAGE | {ALIAS}
IN_CONNECT = frozenset(
    {SESSION_EXPIRY, AUTH_METHOD, AUTH_DATA, REQUEST_PROBLEM, REQUEST_RESPONSE, RECEIVE_MAXIMUM, ALIAS_MAXIMUM, USER}
) | {MAXIMUM_PACKET}
IN_SUBSCRIBE = frozenset({SUBSCRIPTION_ID, USER})
IN_UNSUBSCRIBE = frozenset({USER})
IN_ACK = frozenset({REASON_STRING, USER})
IN_DISCONNECT = frozenset({SESSION_EXPIRY, REASON_STRING, USER})

Properties = dict[int, Any]  # of USER: a list of pairs


def read(data: bytes, at: int, end: int, allowed: frozenset[int]) -> tuple[Properties, int]:
    """The properties at `at` and where they end. Raises WireError for an unknown, misplaced or repeated one."""
    length, at = varint(data, at, end)
    stop = at + length
    if stop > end:
        raise WireError("properties longer than their packet")
    found: Properties = {}
    while at < stop:
        which, at = varint(data, at, stop)
        kind = _KINDS.get(which)
        if kind is None:
            raise WireError(f"unknown property {which}")
        if which not in allowed:
            raise WireError(f"property {which} is not allowed here", PROTOCOL_ERROR)
        value, at = _value(kind, data, at, stop)
        if kind == "p":
            pairs = found.setdefault(which, [])
            pairs.append(value)
            if len(pairs) > USER_PROPERTIES:
                raise WireError(f"more than {USER_PROPERTIES} user properties", QUOTA)
            continue
        if which in found:
            raise WireError(f"property {which} given twice", PROTOCOL_ERROR)
        if (which in _NOT_0 and value == 0) or (which in _AT_MOST_1 and value > 1):
            raise WireError(f"property {which} cannot be {value}", PROTOCOL_ERROR)
        found[which] = value
    return found, stop


def _value(kind: str, data: bytes, at: int, stop: int) -> tuple[Any, int]:
    if kind in _BYTES:
        return number(data, at, stop, _BYTES[kind])
    if kind == "v":
        return varint(data, at, stop)
    if kind == "s":
        return string(data, at, stop)
    if kind == "b":
        return binary(data, at, stop)
    name, at = string(data, at, stop)
    value, at = string(data, at, stop)
    return (name, value), at


def write(properties: Mapping[int, Any]) -> bytes:
    """The properties without their length: several parts can be put together."""
    return b"".join(
        bytes((which,)) + _written(_KINDS[which], value)
        for which, given in properties.items()
        for value in (given if isinstance(given, list) else (given,))
    )


def _written(kind: str, value: Any) -> bytes:
    if kind in _BYTES:
        return bytes(value.to_bytes(_BYTES[kind], "big"))
    if kind == "v":
        return write_varint(value)
    if kind == "s":
        return write_string(value.encode())
    if kind == "b":
        return write_string(value)
    return write_string(value[0].encode()) + write_string(value[1].encode())
