"""MQTT 5's reason codes (section 2.4), and the error that ends a connection with one of them."""

SUCCESS = 0x00
DISCONNECT_WITH_WILL = 0x04
NO_SUBSCRIBERS = 0x10
NO_SUBSCRIPTION = 0x11
UNSPECIFIED = 0x80
MALFORMED = 0x81
PROTOCOL_ERROR = 0x82
UNSUPPORTED_VERSION = 0x84
BAD_LOGIN = 0x86
NOT_AUTHORIZED = 0x87
SERVER_BUSY = 0x89
SHUTTING_DOWN = 0x8B
BAD_AUTHENTICATION_METHOD = 0x8C
KEEPALIVE = 0x8D
TAKEN_OVER = 0x8E
FILTER_INVALID = 0x8F
TOPIC_INVALID = 0x90
ID_NOT_FOUND = 0x92
RECEIVE_MAXIMUM = 0x93
ALIAS_INVALID = 0x94
TOO_LARGE = 0x95
QUOTA = 0x97

# MQTT 3.1.1's CONNACK return codes (section 3.2.2.3)
V311_VERSION, V311_CLIENT_ID, V311_UNAVAILABLE, V311_BAD_LOGIN, V311_NOT_AUTHORIZED = 0x01, 0x02, 0x03, 0x04, 0x05


class WireError(Exception):
    """A protocol error or a silence that ends a connection: `code` is MQTT 5's reason code, the text is for people."""

    def __init__(self, text: str, code: int = MALFORMED) -> None:
        super().__init__(text)
        self.code = code
