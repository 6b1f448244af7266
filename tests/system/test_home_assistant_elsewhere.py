"""Home Assistant at another broker, which keeps what is announced: nothing of a home stays where it is no more."""

from tests.system.home import Client, Home, free_port, wait_for


def announced(port: int) -> set[str]:
    """The devices that a newcomer finds there."""
    # the last of what is retained has come when the answer to our own message has
    client = Client(port, "homeassistant/device/+/config", "probe/end")
    try:
        client.publish("probe/end", "now")
        wait_for(lambda: client.on("probe/end"), what="our own message")
        return {
            topic.split("/")[2].split("-", 2)[2] for topic, payload in client.heard if payload and "/device/" in topic
        }
    finally:
        client.close()


def test_what_another_broker_keeps_is_taken_back_after_a_day_off_and_after_a_move(mosquitto: int) -> None:
    elsewhere = {"embedded": False, "external": {"host": "127.0.0.1", "port": mosquitto}}
    with Home({"wind": None, "vibration": None}, home_assistant={"discovery": True}, broker=elsewhere) as home:
        home.port = mosquitto
        home.start_ready()
        wait_for(lambda: announced(mosquitto) == {"light", "scent"}, what="what is announced there")
        assert home.effectd("down").returncode == 0
        del home.config["devices"]["scent"]
        home.write()
        home.start_ready()
        wait_for(lambda: announced(mosquitto) == {"light"}, what="what is announced there")
        home.config["broker"] = {"host": "127.0.0.1", "port": free_port()}
        home.write()
        done = home.effectd("up")
        home.pids()
        assert done.returncode == 0, done.stdout + done.stderr
        wait_for(lambda: announced(mosquitto) == set(), what="what is announced there")
