"""Fades and targets through all processes, with virtual devices."""

from tests.system.home import Home, wait_for


def lamp(zone: str) -> dict[str, object]:
    return {"kind": "virtual", "effects": ["light"], "zones": [zone]}


def test_a_fade_reaches_its_zone_alone_moves_in_one_direction_and_ends_at_what_was_asked_for() -> None:
    with Home({"light": None, "left": lamp("row-a"), "right": lamp("row-b")}) as home:
        home.start_ready()
        client = home.client()
        wait_for(lambda: client.state("left") and client.state("right"), what="both are off")
        up = home.effectd("send", "light", "80", "--fade", "400", "--duration", "0", "--target", "row-a", "--id", "up")
        assert up.returncode == 0, up.stdout + up.stderr
        wait_for(lambda: client.state("left")["intensity"] == 80, what="the last step is driven")
        client.publish("effects/light", {"id": "down", "intensity": 0, "fade": 300, "target": "left", "priority": 0})
        assert client.receipt("down")["devices"] == {"left": "done"}
        wait_for(lambda: not client.state("left")["on"], what="the way down ends off")
        states = client.json("devices/left/state")
        rising = [state["intensity"] for state in states if state["effect_id"] == "up"]
        falling = [state["intensity"] for state in states if state["effect_id"] == "down"]
        assert len(rising) >= 4
        assert rising == sorted(rising)
        assert len(falling) >= 3
        assert falling == sorted(falling, reverse=True)
        assert all(not state["on"] for state in client.json("devices/right/state"))
        assert client.json("devices/left/config")[-1]["zones"] == ["row-a"]
