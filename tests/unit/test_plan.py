"""The plan of `up`: afterwards it is as a fresh start from the same files, and no more is done than that needs."""

from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from effectd.config.part import Part
from effectd.supervision.plan import Plan, Runs, Sections, devices_of, place_of, plan

OWN, ELSEWHERE = {"embedded": True}, {"embedded": False, "external": {"host": "a", "port": 1}}
NAMES = ("fan", "lamp", "strip", "mist")


class Files(NamedTuple):
    """config.yaml and supervisor.conf, as far as a plan looks at them."""

    parts: dict[str, Part]
    sections: dict[str, int]  # program -> the text of its section
    devices: frozenset[str]


class Process(NamedTuple):
    section: int
    part: Part | None
    alive: bool
    life: int = 0  # rises with each start


@st.composite
def files(draw: st.DrawFn) -> Files:
    root = draw(st.sampled_from(["", "room1"]))
    way = draw(st.sampled_from([OWN, ELSEWHERE]))
    names = draw(st.sets(st.sampled_from(NAMES)))
    remote = draw(st.sets(st.sampled_from(NAMES))) & names
    top = {"topic_root": root, "broker": way}
    port = {"port": draw(st.integers(1, 2))} if way == OWN else {}
    parts: dict[str, Part] = {"broker": {"topic_root": root, "broker": way | port}}
    known = {name: {"location": draw(st.integers(0, 1))} for name in names}
    parts["dispatcher"] = {**top, "devices": known, "effects": draw(st.integers(0, 1))}
    for name in sorted(names - remote):
        parts[name] = {**top, "kind": draw(st.integers(0, 1)), "limits": {"max_on_ms": draw(st.integers(0, 1))}}
    sections = {name: draw(st.integers(0, 1)) for name in parts}
    if draw(st.booleans()):
        sections["theirs"] = draw(st.integers(0, 1))
    return Files(parts, sections, frozenset(names))


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Process]:
    """What a series of edits, stops and crashes may have left: each program by files of its own time."""
    world: dict[str, Process] = {}
    for at in draw(st.lists(files(), min_size=1, max_size=2)):
        for name, section in at.sections.items():
            alive = draw(st.booleans()) or name == "broker"
            world[name] = Process(section, at.parts.get(name) if alive else None, alive)
    return world


def diff(world: dict[str, Process], now: Files) -> Sections:
    """What supervisord says."""
    return Sections(
        [name for name in now.sections if name not in world],
        [name for name, process in world.items() if now.sections.get(name, process.section) != process.section],
        [name for name in world if name not in now.sections],
    )


def made(world: dict[str, Process], now: Files, only: set[str] | None = None) -> Plan:
    runs = {name: Runs(name, process.alive, process.part, name != "theirs") for name, process in world.items()}
    return plan(now.parts, now.devices, diff(world, now), runs, only)


def carried_out(world: dict[str, Process], now: Files, by: Plan) -> dict[str, Process]:
    after = {name: process for name, process in world.items() if name not in by.end}
    for name in (*by.renew, *by.restart, *by.add, *by.start):
        section = now.sections[name] if name in (*by.renew, *by.add) else world[name].section
        life = world[name].life + 1 if name in world else 1
        after[name] = Process(section, now.parts.get(name), alive=True, life=life)
    for name in by.reread:
        after[name] = after[name]._replace(part=now.parts[name])
    return after


def kept(world: dict[str, Process]) -> set[tuple[str, str, str]]:
    """What brokers keep of devices that are driven here: place, device."""
    found = set()
    for name, process in world.items():
        if process.part is not None and name in NAMES:
            root, broker = place_of(process.part)
            found |= {(str(broker), root, device) for device in devices_of(name, process.part)}
    return found


@given(worlds(), files())
def test_afterwards_everything_runs_as_after_a_fresh_start_from_the_same_files(world, now):
    after = carried_out(world, now, made(world, now))
    assert {name: (process.section, process.part) for name, process in after.items() if name in now.parts} == {
        name: (now.sections[name], own) for name, own in now.parts.items()
    }
    assert set(after) == set(now.sections)
    assert all(process.alive for name, process in after.items() if name in now.parts)


@given(worlds(), files())
def test_what_has_not_changed_is_not_touched(world, now):
    after = carried_out(world, now, made(world, now))
    for name, process in world.items():
        if process.alive and now.sections.get(name) == process.section and process.part == now.parts.get(name):
            assert after[name] == process


@given(worlds(), files())
def test_a_second_time_there_is_nothing_to_do(world, now):
    after = carried_out(world, now, made(world, now))
    assert made(after, now) == Plan()


@given(worlds(), files())
def test_nothing_is_left_at_any_broker_of_a_device_that_is_not_there_any_more(world, now):
    by = made(world, now)
    before, here = kept(world), kept(carried_out(world, now, by))
    if "broker" in (*by.end, *by.renew, *by.restart):  # with its process goes what it kept
        before = {each for each in before if each[0] != str(OWN)}
    cleared = {(str(left.place.broker), left.place.root, device) for left in by.left for device in left.devices}
    assert before - here <= cleared
    assert not cleared & here


@given(worlds(), files(), st.sampled_from(NAMES))
def test_a_command_about_one_device_touches_no_other_program_but_has_the_dispatcher_read_again(world, now, name):
    after = carried_out(world, now, made(world, now, {name}))
    for other, process in world.items():
        if other != name:
            assert after[other]._replace(part=None) == process._replace(part=None)
            assert after[other].part == process.part or other == "dispatcher"


def one(part: Part, alive: bool = True) -> dict[str, Runs]:
    return {"fan": Runs("fan", alive, part)}


def fan(**more: Any) -> Part:
    return {"topic_root": "", "broker": OWN, **more}


def test_the_plan_names_the_keys_that_have_changed():
    by = plan({"fan": fan(limits={"max_on_ms": 5})}, {"fan"}, Sections(), one(fan(limits={"max_on_ms": 9})))
    assert by.restart == {"fan": ["limits.max_on_ms"]}


def test_a_program_that_does_not_say_what_it_works_by_is_left_alone():
    assert plan({"fan": fan()}, {"fan"}, Sections(), {"fan": Runs("fan", alive=True)}) == Plan()
