"""Each device is at each moment where an obvious model has it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher_proc import routing
from dispatcher_proc import show as show_module
from effectd.config.reader import Config
from effectd.messages.effect import Effect
from effectd.timeline.document import Timeline, last_end
from tests.unit.timelines.room import Room, built


def wanted(effects: tuple[Effect, ...], config: Config, at: float) -> dict[str, float]:
    """Slow and obvious: everything from the start up to `at`, one after the other."""
    on: dict[str, tuple[float, int, float]] = {}  # device -> intensity, priority, end
    for effect in sorted(effects, key=lambda each: each.timestamp):
        if effect.timestamp > at:
            break
        for name, resolved in routing.plan(effect, config).devices.items():
            level, priority, end = on.get(name, (0.0, 0, 0.0))
            if end > effect.timestamp and level and priority > effect.priority and resolved.intensity:
                continue
            lasts = min(resolved.duration or 60_000, config.devices[name].limits.max_on_ms)
            on[name] = float(resolved.intensity), effect.priority, effect.timestamp + lasts
    return {name: level for name, (level, _, end) in on.items() if level and end > at + 1e-3}


_effects = st.lists(
    st.builds(
        lambda kind, at, lasts, level, priority, place: Effect(
            id="",
            effect_type=kind,
            timestamp=at * 10,
            duration=lasts * 10,
            intensity=level,
            priority=priority,
            location=place if kind == "light" else "everywhere",
        ),
        st.sampled_from(["light", "wind"]),
        st.integers(0, 100),
        st.integers(0, 60),
        st.sampled_from([0, 20, 70]),
        st.integers(3, 7),
        st.sampled_from(["left", "right", "everywhere"]),
    ),
    min_size=1,
    max_size=12,
)
_steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["play", "seek"]), st.integers(0, 1500)),
        st.tuples(st.sampled_from(["pause", "resume", "stop"]), st.just(0)),
        st.tuples(st.sampled_from(["after", "kill"]), st.integers(0, 700)),
    ),
    max_size=14,
)


@settings(max_examples=300, deadline=None)
@given(_effects, _steps)
def test_each_device_is_at_each_moment_where_an_obvious_model_has_it(
    config: Config, effects: list[Effect], steps: list[tuple[str, int]]
) -> None:
    found = tuple(effects)
    room = Room(config)
    room.conductor.load("film", built(Timeline("JSON", "", last_end(found), found), config))
    show = room.conductor.shows["film"]
    position, playing, dark = 0.0, False, True  # of the model: dark while nothing may be on
    for step, value in [("play", 0), *steps]:
        length = float(show.score.length if show.score else 0)
        if step == "after":
            room.after(value)
            position += value if playing else 0
        elif step == "kill" and show.status != "ended":
            show = room.kill(value)
            position += value if playing else 0
        elif step == "play":
            room.after(100)  # not the same one twice
            position += 100 if playing else 0
            room.conductor.play("film", value)
            position, playing, dark = min(float(value), length), True, False
        elif step == "seek":
            # slewed; at the very limit either is right, as the positions are floats
            if playing and position < length and abs(value - position) < show_module.SLEWED_MS + 1e-3:
                continue
            was = playing and position < length
            room.conductor.seek("film", value)
            position, playing = min(float(value), length), was
            dark = dark if was else True
        elif step == "pause":
            room.conductor.pause("film")
            if playing and position < length:
                playing, dark = False, True
        elif step == "resume":
            room.conductor.resume("film")
            playing, dark = (
                (True, False) if show.status in ("playing", "ended") and not playing and dark else (playing, dark)
            )
        elif step == "stop":
            room.conductor.stop("film")
            position, playing, dark = 0.0, False, True
        room.after(0)
        assert room.levels() == ({} if dark else wanted(found, config, position)), (step, value, position, show.status)
    assert len(set(room.ids)) == len(room.ids)
