"""Inside supervisord: an entry of its poll map that ends its wait, so that the next round of its loop does the work."""


class Alarm:
    """What is read here is nobody's: a class that reads something has a `handle_read_event` of its own."""

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None: ...

    handle_write_event = handle_error = handle_read_event
