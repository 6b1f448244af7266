"""Bring what stands in both files into force in a running home: carry out the plan, and say what was done."""

import contextlib
import time
from collections.abc import Container
from pathlib import Path

import msgspec

from effectd import CONTRACT
from effectd.base.errors import BrokerLost, ConfigError
from effectd.config import part, programs, reader
from effectd.config.reader import Config
from effectd.config.schema import Address, Broker
from effectd.messages import answers
from effectd.messages.topics import HomeAssistantTopics
from effectd.readiness import glance
from effectd.supervision.control import Supervisor
from effectd.supervision.plan import Left, Plan, Runs, place_of, plan

_ALIVE = ("STARTING", "RUNNING", "BACKOFF", "STOPPING")
_TAKEN_IN_S = 2.0
_BROKER_S = 3.0
_LATE_S = 0.2  # for the last words of a program that has just ended
_KEYS = 4  # of those that have changed, shown

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
    for left in todo.left:
        done |= _forget(tree, left, todo)
    for group in dict.fromkeys([*(runs[name].group for name in todo.renew), *todo.add]):
        supervisor.add(group)
    fresh = [name for name in wanted if name in (*todo.renew, *todo.restart, *todo.start) or name not in runs]
    supervisor.start(sorted((n for n in fresh if only is None or n in only), key=lambda n: programs.of(n).priority))
    done |= dict.fromkeys(todo.add, ADDED) | dict.fromkeys(todo.start, "started")
    done |= dict.fromkeys(todo.renew, "restarted: its section in supervisor.conf")
    done |= {name: f"restarted: {_shown(keys)}" for name, keys in todo.restart.items()}
    supervisor.reread_supervision()
    for name in todo.reread:
        supervisor.reread(name)
    for name, keys in todo.reread.items():
        done |= {name: f"reads again: {_shown(keys)}"} if keys else {}
        _await(home, name, wanted[name])
    return done


def forget_former(home: Path) -> None:
    """Clear what another broker keeps of devices that were taken out while nothing ran: `run/` has their names."""
    tree = reader.load(home)
    if tree.broker.embedded:
        return  # it keeps nothing over its own end
    known = {*tree.programs, *tree.devices, *tree.buses}
    mirrors = [path for path in (home / "run").glob("*.state") if path.stem not in known]
    names = tuple(sorted(path.stem for path in mirrors if programs.is_device(path.stem)))
    if not names:
        return
    here = place_of(part.of(tree, programs.BROKER))
    if _forget(tree, Left(here, names, names), Plan(end=names)) == dict.fromkeys(names, _ENDED):
        for name in names:
            (home / "run" / f"{name}.state").unlink(missing_ok=True)


def _runs(home: Path, supervisor: Supervisor, wanted: Container[str]) -> dict[str, Runs]:
    found = {}
    for name, info in supervisor.programs().items():
        alive = info["statename"] in _ALIVE
        own = glance.part(home / "run", name) if alive else None
        ours = name in wanted or own is not None or (home / "run" / f"{name}.state").exists()
        found[name] = Runs(info["group"], alive, own or None, ours)
    return found


def _shown(keys: list[str]) -> str:
    more = len(keys) - _KEYS
    return ", ".join(keys[:_KEYS]) + (f" and {more} more" if more > 0 else "")


def _await(home: Path, name: str, wanted: part.Part) -> None:
    """Until the program has read the file again, so that what is said next is true."""
    end = time.monotonic() + _TAKEN_IN_S
    while glance.part(home / "run", name) not in (wanted, None) and time.monotonic() < end:
        time.sleep(0.02)


def _forget(tree: Config, left: Left, todo: Plan) -> Done:
    """Clear what a broker keeps of devices that are gone, or that are elsewhere now; say of the programs that they are.

    By a client of our own: the dispatcher may be one of those that have just ended.
    """
    from effectd.cli.client import Client  # paho: few plans have anything to clear

    place = left.place
    broker = Broker() if place.broker["embedded"] else Broker(embedded=False, external=_address(place.broker))
    there = msgspec.structs.replace(tree, topic_root=place.root, broker=broker)
    topics = there.topics
    kept = [topic for device in left.devices for topic in topics.kept_of_device(device)]
    if any(programs.of(name).name == programs.DISPATCHER for name in left.programs):
        kept += topics.kept_of_dispatcher()
        here = place_of(part.of(tree, programs.BROKER))
        if tree.home_assistant.discovery and place.broker != here.broker:  # at the same one its successor sees to it
            announced = HomeAssistantTopics(tree.home_assistant.prefix)
            kept += [announced.device(tree.client_id(device)) for device in left.devices]
    gone = {topics.system(name): _gone(name) for name in left.programs}
    try:
        with Client(there, "up", [*kept, *gone]) as client:
            client.connect(_BROKER_S)
            acked: list[str] = []

            def clear(topic: str) -> None:
                payload = gone.get(topic, b"")
                client.link.publish(topic, payload, qos=1, retain=True, acked=lambda: acked.append(topic))

            for topic in (*kept, *gone):
                clear(topic)
            client.until(lambda: len(acked) >= len(kept) + len(gone), _BROKER_S)
            for message in client.messages(_LATE_S):  # what a program said last may have come after our word
                if not message.retained and message.payload not in (b"", gone.get(message.topic)):
                    clear(message.topic)
    except BrokerLost as error:
        where = f"{broker.address}{f' under {place.root}' if place.root else ''}"
        return dict.fromkeys(left.devices, f"its topics at {where} could not be cleared: {error}")
    cleared = "its topics are cleared"
    return {name: _ENDED if name in todo.end else cleared for name in left.devices}


def _address(broker: part.Part) -> Address:
    return msgspec.convert(broker["external"], Address)


def _gone(name: str) -> bytes:
    return answers.encode({"name": name, "state": "gone", "at": answers.unix_ms(), "contract": CONTRACT})
