"""The program `buttons` in a real home, on gpiozero's mock pins: a contact whose wire is broken holds."""

from typing import Any

from effectd.cli.check import section
from tests.system.home import Home, wait_for


def test_a_contact_with_a_broken_wire_holds_over_the_death_of_its_program_until_it_is_taken_away() -> None:
    door: dict[str, Any] = {"pin": 17, "contact": True, "normally_closed": True, "reason": "door open"}
    with Home(buttons={"door": door}) as home:
        conf = home.path / "supervisor.conf"
        checked = home.effectd("check")
        assert checked.returncode == 78
        assert section("buttons") in checked.stdout
        mocked = section("buttons").replace("environment=", 'environment=GPIOZERO_PIN_FACTORY="mock",')
        conf.write_text(conf.read_text() + "\n" + mocked)
        up = home.effectd("up")
        home.pids()
        assert up.returncode == 0, up.stdout + up.stderr
        client = home.client()
        wait_for(lambda: (line := home.line("wind")) and line["reason"] == "held by door: door open", what="held")
        client.publish("effects/wind", {"id": "w"})
        assert client.receipt("w")["reason"] == "held by door: door open"
        killed = home.kill("buttons")
        wait_for(lambda: (line := home.line("buttons")) and line["pid"] != killed, what="a successor")
        line = home.line("wind")
        assert line is not None
        assert line["reason"] == "held by door: door open"
        # released by hand while the contact is open, it holds again only when it changes, or its program starts
        assert home.effectd("release", "door").returncode == 0
        client.publish("effects/wind", {"id": "free"})
        assert client.receipt("free")["status"] == "done"
