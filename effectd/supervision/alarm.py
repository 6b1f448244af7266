"""Inside supervisord: an entry of its poll map that ends its wait, so that the next round of its loop does the work."""


class Alarm:
    """Reads nothing: a subclass that does overrides `handle_read_event`."""

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None: ...

    handle_write_event = handle_error = handle_read_event
