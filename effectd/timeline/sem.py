"""MPEG-V sensory effect metadata (ISO/IEC 23005-3), element by element: groups, declarations, references.

What an Effect says becomes an effect in `sem_effect`; what ends what is decided in `sem_ends` when all are read.
"""

from collections.abc import Generator

from msgspec import Struct

from effectd.timeline import sem_ends
from effectd.timeline.document import EFFECTS, Problem, Problems, Reading, made, too_many
from effectd.timeline.element import Element
from effectd.timeline.sem_effect import TIMES, Entry, SemEffect

_AT_ONCE = 100  # effects, some 2 ms: a few bytes may refer to thousands
_SKIPPED = ("SupplementalInformation", "DescriptionMetadata")
_INHERITED = (  # SEMBaseAttributes, and the time: what a group says of its children
    *("activate", "active", "duration", "fade", "priority", "intensity-value", "intensity-range", "location"),
    *("autoExtraction", "absTimeScheme", *TIMES),
)


class _Group(Struct):
    attributes: dict[str, str]
    declared: str = ""  # its id, inside Declarations
    members: list[SemEffect] = []


class _Reference(Struct):
    """What is still to be made of a reference: `effects` as declared, `inherited` where it stands."""

    effects: list[SemEffect]
    element: Element | None  # None: they are no reference's, and come behind one
    inherited: dict[str, str]


class Sem:
    """The handler of such a document."""

    def __init__(self, root: Element) -> None:
        self._problems = Problems()
        self._scale = self._time_scale(root)
        self._scheme = {name: root.attributes[name] for name in ("absTimeScheme",) if name in root.attributes}
        self._skipping = 0
        self._declaring = False
        self._groups: list[_Group] = []
        self._declared: dict[str, list[SemEffect]] = {}
        self._effect: SemEffect | None = None
        self._entries: list[Entry] = []
        self._made = 0  # entries, since the last `between`
        self._waiting: list[_Reference] = []
        self._below = 0  # elements open within the effect

    def start(self, element: Element) -> None:
        if self._skipping or element.name in _SKIPPED:
            self._skipping += 1
        elif self._effect is not None:
            self._below += 1
            self._effect.detail(element)
        elif element.name == "SEM":
            self._begin(element)
        elif element.name == "Declarations":
            self._declaring = True
        elif element.name == "GroupOfEffects":
            inherited = self._inherited()
            own = {key: value for key, value in element.attributes.items() if key in _INHERITED}
            if any(name in own for name in TIMES):
                inherited = {name: value for name, value in inherited.items() if name not in TIMES}
            self._groups.append(_Group(inherited | own, element.attributes.get("id", ""), []))
        elif element.name == "Effect":
            self._effect = SemEffect(element, self._inherited())
        elif element.name == "ReferenceEffect":
            self._refer(element)
        else:
            self._say(element, "an element that is not known here", "skipped")

    def end(self, name: str, _text: str) -> None:
        if self._skipping:
            self._skipping -= 1
        elif self._effect is not None:
            if self._below:
                self._below -= 1
                return
            effect, self._effect = self._effect, None
            self._take(effect)
        elif name == "Declarations":
            self._declaring = False
        elif name == "GroupOfEffects" and self._groups:
            group = self._groups.pop()
            if self._declaring and group.declared:
                self._declare(group.declared, group.members)

    def between(self) -> Generator[None, None, None]:
        """Make the effects of references that a slice had too many of."""
        self._made = 0
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            for effect in each.effects:
                self._enter(effect if each.element is None else effect.referred_to(each.element, each.inherited))
                if self._made >= _AT_ONCE:
                    self._made = 0
                    yield

    def finish(self) -> Reading:
        effects = yield from sem_ends.settle(self._entries, self._problems)
        return (yield from made("MPEG-V SEM", effects, self._problems))

    def _begin(self, root: Element) -> None:
        if not root.namespace:
            need = 'its namespace is missing: xmlns="urn:mpeg:mpeg-v:2010:01-SEDL-NS"'
            self._say(root, need, "MPEG-V all the same")
        if "autoExtraction" in root.attributes:
            self._say(root, "autoExtraction: effects are not taken from the film itself", "none")

    def _time_scale(self, root: Element) -> float:
        given = root.attributes.get("timeScale")
        if given is None:
            return 1.0
        try:
            if 0 < (scale := float(given)) <= 1e12:
                return scale
        except ValueError:
            pass
        self._say(root, f"si:timeScale: {given[:40]!r} is no number above 0", "1")
        return 1.0

    def _inherited(self) -> dict[str, str]:
        return self._groups[-1].attributes if self._groups else self._scheme

    def _take(self, effect: SemEffect) -> None:
        if self._declaring:
            for group in self._groups:
                group.members.append(effect)
            if name := effect.element.attributes.get("id"):
                self._declare(name, [effect])
            return
        if self._waiting:
            self._waiting.append(_Reference([effect], None, {}))
        else:
            self._enter(effect)

    def _enter(self, effect: SemEffect) -> None:
        self._made += 1
        self._entries += effect.entries(self._scale, self._problems)
        if len(self._entries) > EFFECTS:
            raise too_many()

    def _declare(self, name: str, effects: list[SemEffect]) -> None:
        if len(self._declared) > EFFECTS:
            raise too_many()
        self._declared[name] = effects

    def _refer(self, element: Element) -> None:
        name = element.attributes.get("uri", "").removeprefix("#")
        if name not in self._declared:
            known = ", ".join(list(self._declared)[:5]) or "none"
            self._say(element, f"uri: {name[:40]!r} is not declared; declared are {known}", "left out")
            return
        if self._declaring:
            self._say(element, "a reference within Declarations is not resolved", "left out")
            return
        reference = _Reference(self._declared[name], element, self._inherited())
        if self._waiting or self._made + len(reference.effects) > _AT_ONCE:
            self._waiting.append(reference)
            return
        for effect in reference.effects:
            self._enter(effect.referred_to(element, reference.inherited))

    def _say(self, element: Element, problem: str, assumed: str) -> None:
        self._problems.add(Problem(element.line, element.column, element.name[:64], problem, assumed))


def is_bare(root: Element) -> bool:
    """Whether a SEM without a namespace is MPEG-V's and not Python_PlaySEM's."""
    return bool({"timeScale", "puMode", "absTimeScheme"} & set(root.attributes))
