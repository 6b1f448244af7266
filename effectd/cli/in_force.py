"""Applies both files to a running home: carries out the plan, and reports what was done."""

import contextlib
import time
from collections.abc import Container
from pathlib import Path

import msgspec

from effectd import CONTRACT
from effectd.base.errors import BrokerLost, ConfigError
from effectd.cli import places
from effectd.cli.places import Was
from effectd.config import part, programs, reader
from effectd.config.address import External
from effectd.config.reader import Config
from effectd.config.schema import Broker
from effectd.messages import answers
from effectd.messages.topics import HomeAssistantTopics
from effectd.readiness import glance
from effectd.supervision.control import Supervisor
from effectd.supervision.health import few
from effectd.supervision.plan import Left, Place, Plan, Runs, plan

_ALIVE = ("STARTING", "RUNNING", "BACKOFF", "STOPPING")
_TAKEN_IN_S = 2.0
_BROKER_S = 3.0
_LATE_S = 0.2  # for the last messages of a program that has just ended

ADDED, _ENDED = "added", "ended: in neither file any more"

Done = dict[str, str]


def bring(home: Path, supervisor: Supervisor, only: Container[str] | None = None) -> Done:
    """What was done, by program: `restarted: limits.max_on_ms`. Raises as Supervisor does, and ConfigError.

    `only`: the programs and devices that may be touched; the dispatcher reads config.yaml again in any case.
    """
    tree = reader.load(home)
    wanted = {}
    for name in tree.programs:
        with contextlib.suppress(ConfigError):  # a bus whose section is wrong: nothing is done about it
            wanted[name] = part.of(tree, name)
    sections = supervisor.sections()
    runs = _runs(home, supervisor, wanted)
    todo = plan(wanted, tree.devices, sections, runs, only)
    done: Done = {}
    supervisor.stop((*todo.end, *todo.renew, *todo.restart))
    for name in todo.end:
        supervisor.remove(runs[name].group)
        done[name] = _ENDED
    for group in dict.fromkeys(runs[name].group for name in todo.renew):
        supervisor.remove(group)
    done |= _forget(home, tree, todo)
    for group in dict.fromkeys([*(runs[name].group for name in todo.renew), *todo.add]):
        supervisor.add(group)
    fresh = [name for name in wanted if name in (*todo.renew, *todo.restart, *todo.start) or name not in runs]
    supervisor.start(sorted((n for n in fresh if only is None or n in only), key=lambda n: programs.of(n).priority))
    done |= dict.fromkeys(todo.add, ADDED) | dict.fromkeys(todo.start, "started")
    done |= dict.fromkeys(todo.renew, "restarted: its section in supervisor.conf")
    done |= {name: f"restarted: {few(keys)}" for name, keys in todo.restart.items()}
    supervisor.reread_supervision()
    for name in todo.reread:
        supervisor.reread(name)
    for name, keys in todo.reread.items():
        done |= {name: f"reads again: {few(keys)}"} if keys else {}
        _await(home, name, wanted[name])
    return done


def forget_former(home: Path) -> list[str]:
    """Clear what brokers of others keep of what was moved or taken out while nothing ran; a line for each place."""
    tree = reader.load(home)
    here, lines, later = places.now(tree), list[str](), list[Was]()
    for was in places.known(home):
        if (left := places.left(was, here)) is None:
            continue
        try:
            _clear(tree, left)
            lines.append(f"what was kept {_where(left.place)} of {', '.join(left.devices or left.programs)} is cleared")
        except msgspec.ValidationError:  # a broker's address as another version wrote it
            continue
        except BrokerLost as error:
            later.append(was)
            lines.append(f"what is kept {_where(left.place)} could not be cleared; the next up tries again: {error}")
    places.remember(home, [*later, here])
    return lines


def _runs(home: Path, supervisor: Supervisor, wanted: Container[str]) -> dict[str, Runs]:
    found = {}
    for name, info in supervisor.programs().items():
        alive = info["statename"] in _ALIVE
        own = glance.part(home / "run", name) if alive else None
        ours = name in wanted or own is not None or (home / "run" / f"{name}.state").exists()
        found[name] = Runs(info["group"], alive, own or None, ours)
    return found


def _await(home: Path, name: str, wanted: part.Part) -> None:
    """Wait until the program has reloaded the file, so that later output is true."""
    end = time.monotonic() + _TAKEN_IN_S
    while glance.part(home / "run", name) not in (wanted, None) and time.monotonic() < end:
        time.sleep(0.02)


def _forget(home: Path, tree: Config, todo: Plan) -> Done:
    """Clear what the plan leaves behind; what cannot be cleared now is remembered for the next `up`."""
    here, known, done = places.now(tree), places.known(home), Done()
    for left in todo.left:
        try:
            _clear(tree, left)
        except BrokerLost as error:
            done |= dict.fromkeys(left.devices, f"its topics {_where(left.place)} could not be cleared: {error}")
        else:
            known = [was for was in known if was.place != left.place]
            done |= {name: _ENDED if name in todo.end else "its topics are cleared" for name in left.devices}
    places.remember(home, [*(was for was in known if places.left(was, here)), here])
    return done


def _clear(tree: Config, left: Left) -> None:
    """Clear what a broker keeps of devices that are gone, or that are elsewhere now; say of the programs that they are.

    By a client of our own: the dispatcher may be one of those that have just ended. Raises BrokerLost.
    """
    from effectd.cli.client import Client  # paho: few plans have anything to clear

    there = msgspec.structs.replace(tree, topic_root=left.place.root, broker=_broker(left.place))
    topics = there.topics
    kept = [topic for device in left.devices for topic in topics.kept_of_device(device)]
    if any(programs.of(name).name == programs.DISPATCHER for name in left.programs):
        kept += topics.kept_of_dispatcher()
        here = places.now(tree).place.broker
        if tree.home_assistant.discovery and left.place.broker != here:  # at the same one its successor sees to it
            announced = HomeAssistantTopics(tree.home_assistant.prefix)
            kept += [announced.device(tree.client_id(device)) for device in left.devices]
    gone = {topics.system(name): _gone(name) for name in left.programs}
    with Client(there, "up", [*kept, *gone]) as client:
        client.connect(_BROKER_S)
        acked: list[str] = []

        def clear(topic: str) -> None:
            payload = gone.get(topic, b"")
            client.link.publish(topic, payload, qos=1, retain=True, acked=lambda: acked.append(topic))

        for topic in (*kept, *gone):
            clear(topic)
        client.loop.until(lambda: len(acked) >= len(kept) + len(gone), _BROKER_S)
        for message in client.messages(_LATE_S):  # a program's last message may have come after ours
            if not message.retained and message.payload not in (b"", gone.get(message.topic)):
                clear(message.topic)


def _where(place: Place) -> str:
    return f"at {_broker(place).address}{f' under {place.root}' if place.root else ''}"


def _broker(place: Place) -> Broker:
    if place.broker["embedded"]:
        return Broker()
    return Broker(embedded=False, external=msgspec.convert(place.broker["external"], External))


def _gone(name: str) -> bytes:
    return answers.encode({"name": name, "state": "gone", "at": answers.unix_ms(), "contract": CONTRACT})
