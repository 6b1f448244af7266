"""What a device says of itself once it is connected."""

import json

from drivers.reporter import JOURNAL_BYTES, Reporter
from effectd.base.journal import Journal
from effectd.config.schema import Device
from effectd.messages.topics import Topics
from effectd.testing import FakeLink, FakeLoop


def test_the_configuration_that_a_device_publishes_has_what_a_client_needs_to_reach_it(home):
    device = Device("virtual", ("wind",), location="left", zones=("row-a", "aisle"))
    reporter = Reporter(FakeLoop(), Topics(), "fan", device, Journal(home / "run" / "fan.seen", JOURNAL_BYTES))
    reporter.link = wire = FakeLink()
    reporter.connected()
    (published,) = [json.loads(payload) for topic, payload, _, _ in wire.published if topic == "devices/fan/config"]
    assert published == {
        "kind": "virtual",
        "effects": ["wind"],
        "location": "left",
        "zones": ["row-a", "aisle"],
        "limits": {
            "max_intensity": 100,
            "max_on_ms": 60000,
            "max_rate_hz": 60,
            "max_apply_ms": 5000,
            "budget": None,
            "min_off_ms": 0,
            "max_flash_hz": 0,
        },
    }
