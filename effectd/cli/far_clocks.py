"""Reports how far the clocks of machines are apart, as measured by MQTT from the machines without a dispatcher."""

from effectd.base.errors import BrokerLost
from effectd.config import programs
from effectd.config.reader import Config
from effectd.program.far_clock import FarClock
from effectd.readiness import glance

FAR_MS = 500.0  # from this difference on there is a note: an `expires_at` by that clock is wrong by as much
_WAIT_S = 2.0


def look(tree: Config) -> tuple[bool, str]:
    """Whether they are far apart, and the text about it, if any."""
    if not tree.dispatcher:
        return _measured(tree)
    known = (glance.ask(tree.home / "run", programs.DISPATCHER, "clocks") or {}).get("ahead_ms")
    if not isinstance(known, dict) or not known:
        return False, ""
    clocks = ", ".join(f"{client_id} {ahead:+.0f} ms" for client_id, ahead in sorted(known.items()))
    return any(abs(ahead) > FAR_MS for ahead in known.values()), f"; other machines, ahead of this one: {clocks}"


def _measured(tree: Config) -> tuple[bool, str]:
    from effectd.cli.client import Client  # paho: only homes of drivers need it here

    try:
        with Client(tree, "doctor", ()) as client:
            clock = FarClock(client.loop, tree.topics, client.client_id)
            client.listen(clock.topic_answer)
            client.connect(_WAIT_S)
            clock.begin(client.link)
            for message in client.messages(_WAIT_S, lambda: clock.known):
                clock.hear(message.payload)
    except BrokerLost:
        return False, ""
    if not clock.known:
        return False, "; the dispatcher's machine does not say what its clock says"
    cured = ": effects' deadlines are judged by that one all the same" if abs(clock.ahead_ms) > FAR_MS else ""
    about = f"it is {clock.ahead_ms:+.0f} ms ahead of the dispatcher's, to {clock.within_ms:.1f} ms"
    return abs(clock.ahead_ms) > FAR_MS, f"; {about}{cured}"
