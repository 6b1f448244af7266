"""Timelines by MQTT: load, play, pause, resume, seek, stop; their retained states; recovery after a death."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from dispatcher_proc.admission import Admission
from dispatcher_proc.conductor import Conductor
from dispatcher_proc.delivery import Delivery
from dispatcher_proc.holding import Holding
from dispatcher_proc.loader import Loader
from dispatcher_proc.origin import Origin
from dispatcher_proc.part import Handler, Message, Part
from dispatcher_proc.receipts import Receipts
from dispatcher_proc.score import Score
from dispatcher_proc.shelf import Kept, Shelf
from dispatcher_proc.show import Show
from dispatcher_proc.states import States
from effectd.base.journal import Notes
from effectd.base.loop import AnyLoop
from effectd.config.reader import Config
from effectd.messages.effect import Effect, boot_id
from effectd.messages.topics import DEVICE_ID as NAME
from effectd.messages.topics import Topics
from effectd.program.broker_session import BrokerSession
from effectd.timeline.document import LENGTH_MS, Problem

FOLDER = "timelines"
MOST, MOST_EFFECTS = 100, 400_000  # timelines, and effects of all of them

log = logging.getLogger(__name__)

_Ms = Annotated[float, Meta(ge=0, le=LENGTH_MS)]


class _Play(Struct, forbid_unknown_fields=True):
    from_ms: _Ms | None = None
    loop: bool | None = None


class _Seek(Struct, forbid_unknown_fields=True):
    position_ms: _Ms


class Timelines(Part):
    """`home` has the folder of the files that are there at the start."""

    def __init__(  # noqa: PLR0917
        self,
        loop: AnyLoop,
        broker: BrokerSession,
        topics: Topics,
        admission: Admission,
        delivery: Delivery,
        receipts: Receipts,
        journal: Notes,
        home: Path,
        holding: Holding,
    ) -> None:
        self._loop, self._topics, self._home = loop, topics, home
        self._admission, self._receipts, self._holding = admission, receipts, holding
        self._shelf = Shelf(journal, home / "run" / FOLDER)
        self._loader = Loader(loop, self._shelf, self._loaded)
        self.conductor = Conductor(loop, self._submit, delivery.present, self._changed, self._note, delivery.has_open)
        self._targets: set[str] = set()  # ids and zones that a `target` may name
        self._boot = boot_id()
        self._kept: dict[str, Kept] = {}  # positions of timelines that are not loaded yet
        self._states = States(loop, broker, topics, self.conductor)

    def topics(self) -> dict[str, Handler]:
        verbs: dict[str, Callable[[str, Message], None]] = {
            "load": self._load,
            "play": self._play,
            "pause": partial(self._simple, self.conductor.pause),
            "resume": partial(self._simple, self.conductor.resume),
            "seek": self._seek,
            "stop": self._stop,
        }
        handlers: dict[str, Handler] = {
            self._topics.timeline("+", verb): partial(self._heard, handle) for verb, handle in verbs.items()
        }
        return {self._topics.stop_timelines: self._stop_all} | handlers

    def configure(self, config: Config) -> None:
        """What is loaded already goes on with these devices; removed ones get nothing any more."""
        self._loader.config = config
        self._targets = {*config.devices, *(zone for device in config.devices.values() for zone in device.zones)}
        for show in self.conductor.shows.values():
            for found in (show.score, show.next):
                if found is not None:
                    self._loader.again(show.name, found.timeline, self._rescored)

    def start(self) -> None:
        """Load the files of the home and what an earlier run has stored; timelines that played go on."""
        self._kept = self._shelf.found()
        for kept in self._kept.values():
            self.conductor.runs.used(kept.latest)
        paths = self._shelf.documents()
        for path in sorted((self._home / FOLDER).glob("*")) if (self._home / FOLDER).is_dir() else []:
            name = path.stem.lower()
            if not NAME.fullmatch(name) or not path.is_file():
                log.error("%s: a timeline's name is 1 to 32 of a-z, 0-9 and -; it is left out", path)
            elif name not in paths or paths[name].stat().st_mtime < path.stat().st_mtime:
                self._loader.file(name, path)
                paths.pop(name, None)
        for name, path in paths.items():
            self._loader.kept(name, path)
        for name in [name for name in self._kept if not self._loader.loads(name)]:  # no file, no document any more
            self._states.gone(name)
            self._shelf.forget(name)
        self._loader.watch()

    def connected(self) -> None:
        self._states.all()

    def room(self) -> None:
        self._states.room()

    def stop_all(self) -> None:
        """Stop all timelines: the drivers have received the same stop, or will find its fence."""
        self._loader.forget_orders()
        self._forget(*self._kept)
        self.conductor.stop_all(off=True)

    def hold(self) -> None:
        """There is a hold on everything: no timeline goes on until it is resumed."""
        self._loader.forget_orders()
        for name in list(self.conductor.shows):
            self.conductor.pause(name)

    def stopped(self, device: str) -> None:
        self.conductor.stopped(device)

    # --- orders --------------------------------------------------------------------------------------------------

    def _heard(self, handle: Callable[[str, Message], None], message: Message) -> None:
        """An order for a timeline; an invalid one becomes a dead letter."""
        name = message.words[0]
        if message.retained:
            self._refuse(message, "retained: a timeline is never moved by a stored copy; publish it without the flag")
        elif not NAME.fullmatch(name):
            self._refuse(message, "topic: a timeline's name is 1 to 32 of a-z, 0-9 and -")
        else:
            handle(name, message)

    def _load(self, name: str, message: Message) -> None:
        if not message.payload:
            return
        shows = self.conductor.shows
        held = sum(len(show.score.timeline.effects) for show in shows.values() if show.score is not None)
        if self._loader.full or held > MOST_EFFECTS or (name not in shows and len(shows) >= MOST):
            self._refuse(message, f"overload: at most {MOST} timelines with {MOST_EFFECTS} effects in all")
        else:
            self._loader.document(name, message.payload)

    def _play(self, name: str, message: Message) -> None:
        if (asked := self._decoded(message, _Play)) is not None:
            order = partial(self.conductor.play, name, asked.from_ms or 0.0, loop=bool(asked.loop))
            self._loader.when_loaded(name, partial(self._order, order, name, message))

    def _seek(self, name: str, message: Message) -> None:
        if (asked := self._decoded(message, _Seek)) is not None:
            order = partial(self.conductor.seek, name, asked.position_ms)
            self._loader.when_loaded(name, partial(self._order, order, name, message))

    def _simple(self, order: Callable[[str], None], name: str, message: Message) -> None:
        self._loader.when_loaded(name, partial(self._order, partial(order, name), name, message))

    def _stop(self, name: str, message: Message) -> None:
        self._loader.forget_orders(name)
        if name in self._kept:  # it is not loaded again yet
            self._forget(name)
        else:
            self._order(partial(self.conductor.stop, name), name, message)

    def _forget(self, *names: str) -> None:
        """A stop came before these were loaded again after a death: they do not go on, nor in a later run."""
        for name in names:
            self._loader.forget_orders(name)
            kept = self._kept.pop(name)
            self._shelf.note(name, msgspec.structs.replace(kept, status="loaded", position=0.0))

    def _stop_all(self, message: Message) -> None:
        if not message.retained:
            self._loader.forget_orders()
            self._forget(*self._kept)
            self.conductor.stop_all(off=False)

    def _order(self, order: Callable[[], None], name: str, message: Message) -> None:
        show = self.conductor.shows.get(name)
        if show is None or show.score is None:
            known = ", ".join(each for each, found in self.conductor.shows.items() if found.score) or "none"
            self._refuse(message, f"there is no timeline {name}; loaded are {known}")
        elif self._holding.everything and message.topic.rpartition("/")[2] in ("play", "resume"):
            self._refuse(
                message, "everything is held (effectd release ends a hold), and a timeline does not go on before"
            )
        else:
            order()
            self._states.beat()

    def _decoded(self, message: Message, kind: Any) -> Any:
        try:
            return msgspec.json.decode(message.payload.strip() or b"{}", type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._refuse(message, f"{error}; it is an object with {', '.join(kind.__struct_fields__)}")
            return None

    def _refuse(self, message: Message, why: str) -> None:
        self._receipts.dead("refused", None, message.topic, message.payload, why)

    # --- afterwards ----------------------------------------------------------------------------------------------

    def _loaded(self, name: str, found: Score | None, problems: tuple[Problem, ...]) -> None:
        if found is None:
            log.warning("timeline %s is refused: %s", name, problems[0])
            show = self.conductor.show(name)
            show.load_refused(problems)
            self._changed(show)
            if name in self._kept:  # it must not go on when it is loaded again later
                self._forget(name)
            return
        kept = self._kept.pop(name, None)
        self.conductor.load(name, found)
        if kept is not None and kept.boot == self._boot and kept.document == found.digest:
            self._take_up(name, kept)
        log.info("timeline %s is loaded: %d effects, %d problems", name, len(found.commands), len(found.problems))

    def _rescored(self, name: str, found: Score | None, _problems: tuple[Problem, ...]) -> None:
        show = self.conductor.shows[name]
        if found is not None and show.rescore(found, self.conductor.now()):
            self._changed(show)

    def _take_up(self, name: str, kept: Kept) -> None:
        if kept.status == "playing" and not self._holding.everything:
            passed = self.conductor.now() - kept.since
            self.conductor.go_on(name, kept.run, kept.position, passed, kept.index, loop=kept.loop)
            self._states.beat()
        elif kept.status in ("playing", "paused"):
            self.conductor.seek(name, kept.position)

    def _submit(self, effect: Effect, show: Show) -> None:
        if effect.target is not None:  # the score may be an older configuration's, and one unknown name refuses all
            there = tuple(name for name in effect.target if name in self._targets)
            if not there:
                return
            effect = msgspec.structs.replace(effect, target=there)
        payload = msgspec.json.encode(effect)
        origin = Origin(self._receipts, self._topics.timeline(show.name, "play"), payload, self._loop.time())
        self._admission.submit(effect, origin)

    def _changed(self, show: Show) -> None:
        self._states.beat()
        self._note(show)
        self._states.say(show.name)

    def _note(self, show: Show) -> None:
        if show.score is not None:
            now = self.conductor.now()
            document = show.score.digest if show.next is None else ""
            kept = Kept(
                show.status,
                show.loop,
                show.run,
                show.position(now),
                now,
                show.index,
                self._boot,
                document,
                self.conductor.runs.latest,
            )
            self._shelf.note(show.name, kept)
