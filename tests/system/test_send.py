"""`effectd send`: the receipt on one line, and an exit code for each end."""

import json
import re

import pytest

from tests.system.home import Home, wait_for
from tests.system.running import Running


def test_send_prints_the_final_receipt_on_one_line_and_exits_0_when_it_is_done(shared_home: Home) -> None:
    client = shared_home.client()
    done = shared_home.effectd(
        "send", "light", "high", "--param", "color=#ff8800", "--param", "rgb=[255, 136, 0]", "--duration", "5000"
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"done  light  in \d+\.\d ms  \(light: done\)\n", done.stdout)
    state = wait_for(lambda: (s := client.state("light")) and s["on"] and s, what="the light on")
    assert state["intensity"] == 100
    assert state["parameters"] == {"color": "#ff8800", "rgb": [255, 136, 0]}


def test_send_as_json_prints_the_receipt_as_it_came(shared_home: Home) -> None:
    client = shared_home.client()
    done = shared_home.effectd("send", "wind", "12.5", "--id", "my-id", "--priority", "9", "--json")
    assert done.returncode == 0
    assert done.stdout.encode().rstrip(b"\n") == client.on("receipts/my-id")[-1]
    assert client.json("effects/wind")[0] == {"id": "my-id", "intensity": 12.5, "priority": 9}


def test_send_exits_1_with_the_dispatchers_reason_when_the_effect_is_refused(shared_home: Home) -> None:
    done = shared_home.effectd("send", "fog", "50")
    assert done.returncode == 1
    assert done.stdout.startswith("refused  fog  effect_type: unknown; known are light, wind")


def test_send_tells_what_it_waits_for_and_exits_1_when_the_effect_expires(up_home: Home) -> None:
    up_home.ctl("stop", "wind")
    done = up_home.effectd("send", "wind", "50", "--ttl", "400")
    assert done.returncode == 1
    assert done.stderr == "accepted  wind  waiting: wind is not running\n"
    assert re.fullmatch(r"expired  wind  in 4\d\d\.\d ms  \(wind: expired\)  wind is not running\n", done.stdout)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("wind", "300"), "intensity: "),
        (("wind", "--ttl", "0"), "ttl_ms: "),
        (("wind", "--id", "no blanks"), "id: "),
        (("wind", "--param", "color=blurple"), "parameters.color: "),
    ],
)
def test_send_refuses_what_breaks_a_rule_without_asking_anybody(
    own_home: Home, arguments: tuple[str, ...], reason: str
) -> None:
    done = own_home.effectd("send", *arguments)
    assert done.returncode == 1
    assert done.stdout.startswith(f"refused  wind  {reason}")


def test_send_of_a_used_id_with_other_content_is_told_at_once(shared_home: Home) -> None:
    assert shared_home.effectd("send", "wind", "10", "--id", "one").returncode == 0
    again = shared_home.effectd("send", "wind", "10", "--id", "one", "--json")
    assert again.returncode == 0
    other = shared_home.effectd("send", "wind", "20", "--id", "one")
    assert other.returncode == 1
    assert "id: was used" in other.stdout


def test_send_publishes_again_until_there_is_a_receipt(up_home: Home) -> None:
    up_home.ctl("stop", "dispatcher")
    client = up_home.client()
    with Running(up_home, "send", "wind", "30", "--ttl", "20000") as sending:
        wait_for(lambda: len(client.on("effects/wind")) > 1, what="the effect published again")
        up_home.order("start", "dispatcher")
        assert sending.process.wait(20) == 0, sending.err
        assert sending.out.startswith("done  wind")
    published = client.on("effects/wind")
    assert published == published[:1] * len(published)
    assert [r["status"] for r in client.json(f"receipts/{json.loads(published[0])['id']}")].count("done") >= 1


def test_send_exits_75_when_nobody_gives_a_receipt(up_home: Home) -> None:
    up_home.ctl("stop", "dispatcher")
    done = up_home.effectd("send", "wind", "--ttl", "1", "--id", "lonely")
    assert done.returncode == 75
    assert done.stderr == "no receipt of lonely; see: effectd health\n"


def test_send_exits_69_and_says_how_to_start_where_there_is_no_broker(own_home: Home) -> None:
    done = own_home.effectd("send", "wind")
    assert done.returncode == 69
    assert "cannot connect to run/broker.sock: No such file or directory" in done.stderr
    assert "effectd up" in done.stderr
    assert done.stdout == ""


def test_a_dry_run_prints_the_plan_without_a_broker(own_home: Home) -> None:
    own_home.config["devices"]["fan"] = {
        "kind": "virtual", "effects": ["wind"], "location": "left", "limits": {"max_intensity": 40},
    }  # fmt: skip
    own_home.config["devices"]["wind"]["location"] = "centerright"
    own_home.write()
    done = own_home.effectd("send", "wind", "medium", "--location", "left", "--dry-run")
    assert done.returncode == 0
    assert done.stdout == "plan; nothing is sent\n  fan  wind 50 %  for 2000 ms  at most 40 % (max_intensity)\n"
    done = own_home.effectd("send", "wind", "30", "--target", "wind", "--fade", "500", "--dry-run")
    assert done.stdout == "plan; nothing is sent\n  wind  wind 30 %  for 2000 ms, a fade of 500 ms\n"
    done = own_home.effectd("send", "wind", "--location", "center", "--dry-run", "--json")
    assert json.loads(done.stdout) == {
        "devices": {"wind": {"intensity": 100, "duration": 2000}},
        "note": "no device at center; the nearest took it: wind",
    }


def test_a_dry_run_of_what_would_be_refused_exits_1(own_home: Home) -> None:
    done = own_home.effectd("send", "fog", "--dry-run")
    assert done.returncode == 1
    assert done.stdout.startswith("refused  fog  effect_type: unknown")
    own_home.config["effects"]["fog"] = {}
    own_home.write()
    done = own_home.effectd("send", "fog", "--dry-run")
    assert done.returncode == 1
    assert done.stdout == "undeliverable  fog  no device of this home does fog\n"


def test_ctrl_c_exits_130_without_a_traceback(up_home: Home) -> None:
    up_home.ctl("stop", "dispatcher")
    client = up_home.client()
    with Running(up_home, "send", "wind") as sending:
        wait_for(lambda: client.on("effects/wind"), what="the effect")
        assert sending.interrupt() == 130
        assert sending.out + sending.err == ""
