"""The metrics of `GET /metrics`: name, kind, labels and meaning of each. docs/metrics.md has the same rows."""

from typing import NamedTuple


class Figure(NamedTuple):
    """`kind`: counter, gauge or histogram; `help` is a whole phrase."""

    kind: str
    labels: tuple[str, ...]
    help: str


FIGURES = {
    "effectd_ready": Figure("gauge", (), "1 while every program of the home is ready"),
    "effectd_build_info": Figure("gauge", ("version",), "always 1; the version of effectd"),
    # effects
    "effectd_effects_total": Figure("counter", ("type", "status"), "effects that ended, or were refused"),
    "effectd_effects_accepted_total": Figure("counter", ("type",), "effects that were not over within 100 ms"),
    "effectd_queue_length": Figure(
        "gauge",
        ("queue",),
        "what waits in the dispatcher: effects (to be read), open (accepted, not ended), receipts and letters (to go)",
    ),
    "effectd_effect_latency_seconds": Figure(
        "histogram", ("type",), "from the dispatcher's receipt of an effect to the last ack, where it was driven"
    ),
    "effectd_effect_stage_seconds": Figure(
        "histogram",
        ("stage",),
        "of an effect on one device: deliver (until the driver has it), drive (until the actuator is driven), "
        "answer (until the receipt); by clocks that count whole ms",
    ),
    "effectd_dead_letters_total": Figure("counter", ("reason",), "dead letters"),
    "effectd_overload_refused_total": Figure("counter", (), "effects refused for overload, as dead letters count them"),
    "effectd_stops_total": Figure("counter", ("scope",), "stops that were published, of all or of one device"),
    # devices
    "effectd_device_online": Figure("gauge", ("device",), "1 while its driver says that it is online"),
    "effectd_device_on": Figure("gauge", ("device",), "1 while the actuator does something"),
    "effectd_device_intensity_ratio": Figure("gauge", ("device",), "how much of it, 0 to 1"),
    "effectd_device_kept_off": Figure("gauge", ("device",), "1 while a hold or a limit keeps it off"),
    "effectd_device_kept_off_total": Figure(
        "counter", ("device", "cause"), "times that a hold, or a limit such as its budget, switched it off"
    ),
    "effectd_holds": Figure("gauge", ("scope",), "holds that stand, of all or of some devices"),
    "effectd_timelines": Figure("gauge", ("status",), "timelines by what they do"),
    # programs
    "effectd_program_ready": Figure("gauge", ("program",), "1 while it is ready"),
    "effectd_program_state": Figure("gauge", ("program", "state"), "1 for the state that it is in"),
    "effectd_program_restarts_total": Figure(
        "counter", ("program",), "times that it was started again since supervisord runs"
    ),
    "effectd_program_memory_bytes": Figure(
        "gauge", ("program",), "its memory, shared pages divided among those who share them (PSS)"
    ),
    "effectd_program_cpu_seconds_total": Figure("counter", ("program",), "time on a CPU since it was started"),
    "effectd_program_stale_keys": Figure("gauge", ("program",), "keys of config.yaml that are not in force in it"),
    # the broker
    "effectd_broker_connected": Figure("gauge", (), "1 while the page is connected to the broker"),
    "effectd_broker_uptime_seconds": Figure("gauge", (), "since the embedded broker was started"),
    "effectd_broker_clients": Figure("gauge", ("state",), "clients that are connected, and sessions that are kept"),
    "effectd_broker_messages_received_total": Figure("counter", (), "packets of all kinds from clients"),
    "effectd_broker_messages_sent_total": Figure("counter", (), "packets of all kinds to clients"),
    "effectd_broker_publish_received_total": Figure("counter", (), "messages that clients published"),
    "effectd_broker_publish_sent_total": Figure("counter", (), "messages that were sent to clients"),
    "effectd_broker_publish_dropped_total": Figure("counter", (), "messages that a client did not take in time"),
    "effectd_broker_received_bytes_total": Figure("counter", (), "bytes from clients"),
    "effectd_broker_sent_bytes_total": Figure("counter", (), "bytes to clients"),
    "effectd_broker_stored_messages": Figure("gauge", (), "messages that wait for clients, and retained ones"),
    "effectd_broker_stored_bytes": Figure("gauge", (), "their size"),
    "effectd_broker_retained_messages": Figure("gauge", (), "retained messages"),
    "effectd_broker_subscriptions": Figure("gauge", (), "subscriptions"),
    "effectd_broker_refusals_total": Figure("counter", ("limit",), "what was beyond a limit of the broker, or a right"),
}

# of `$SYS/broker/...` -> name, labels
BROKER = {
    "uptime": ("effectd_broker_uptime_seconds", ()),
    "clients/connected": ("effectd_broker_clients", ("connected",)),
    "clients/disconnected": ("effectd_broker_clients", ("away",)),
    "messages/received": ("effectd_broker_messages_received_total", ()),
    "messages/sent": ("effectd_broker_messages_sent_total", ()),
    "publish/messages/received": ("effectd_broker_publish_received_total", ()),
    "publish/messages/sent": ("effectd_broker_publish_sent_total", ()),
    "publish/messages/dropped": ("effectd_broker_publish_dropped_total", ()),
    "bytes/received": ("effectd_broker_received_bytes_total", ()),
    "bytes/sent": ("effectd_broker_sent_bytes_total", ()),
    "store/messages/count": ("effectd_broker_stored_messages", ()),
    "store/messages/bytes": ("effectd_broker_stored_bytes", ()),
    "retained messages/count": ("effectd_broker_retained_messages", ()),
    "subscriptions/count": ("effectd_broker_subscriptions", ()),
}
