"""A document that is wrong, hostile or huge is refused at its line, soon; whatever comes does not break the reader."""

import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effectd.timeline.document import EFFECTS, Problem, Timeline, TimelineRefused
from effectd.timeline.reading import read, reading
from tests.unit.test_timeline_documents import SAMPLES, document

SEM = (
    '<SEM xmlns="urn:mpeg:mpeg-v:2010:01-SEDL-NS" xmlns:v="urn:mpeg:mpeg-v:2010:01-SEV-NS" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:si="urn:mpeg:mpeg21:2003:01-DIA-XSI-NS">'
)
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
EFFECT = '<Effect xsi:type="v:WindType" activate="true" si:pts="1" duration="1"/>'

WRONG = {
    "nothing": (b"", "empty"),
    "a word": (b"wind", "none of JSON"),
    "torn JSON": (b'{"effects": [{"effect_type": "wind"},', "1:38: "),
    "no JSON": (b'{\n "effects": [nonsense]}', "2:15: no JSON"),
    "a list": (b'[{"effect_type": "wind"}]', "1:1: Expected object, got array"),
    "no effects": (b'{"title": "x"}', '1:1: no "effects": a list of effects'),
    "an unknown key": (b'{\n "efects": []}', "2:2: efects: unknown; known are title, duration, priority, effects"),
    "a wrong priority": (b'{"effects": [], "priority": 11}', "1:17: priority: Expected int <= 9"),
    "a wrong field": (
        b'{"effects": [\n  {"effect_type": "wind", "intensty": 3}]}',
        "2:3: effects[0]: intensty: unknown field",
    ),
    "no type": (
        b'{"effects": [{"effect_type": "wind"},\n\n {"duration": 1}]}',
        "3:2: effects[1]: effect_type: missing",
    ),
    "a number": (b'{"effects": [7]}', "1:14: effects[0]: effects: each is an object"),
    "too deep": (b'{"effects": [' + b"[" * 100_000, "nested too deep"),
    "a deep parameter": (
        b'{"effects": [{"effect_type": "a", "parameters": {"a": ' + b"[" * 20 + b"]" * 20 + b"}}]}",
        "1:14: effects[0]: nested deeper than 8 levels",
    ),
    "too large": (b" " * (4 << 20) + b"{}", "4194306 bytes; a timeline has at most 4194304"),
    "too many": (b'{"effects": [' + b"{}," * EFFECTS + b"{}]}", f"more than {EFFECTS} effects"),
    "too many elements": (f"{SEM}{'<a/>' * 450_000}</SEM>".encode(), "more than 400000 of them"),
    "a million by reference": (
        f"""{SEM}<Declarations><GroupOfEffects id="g">{EFFECT * 1000}</GroupOfEffects></Declarations>
        {'<ReferenceEffect uri="#g"/>' * 1000}</SEM>""".encode(),
        f"more than {EFFECTS} effects",
    ),
    "entities": (f'<!DOCTYPE SEM [<!ENTITY l0 "ha">{LAUGHS}]>\n<SEM>&l9;</SEM>'.encode(), "1:15: SEM: a document type"),
    "a file": (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "a document type"),
    "deep XML": (b"<a>" * 1_000_000, "1:193: a: deeper than 64 elements"),
    "many attributes": (("<a " + " ".join(f'a{n}=""' for n in range(70)) + "/>").encode(), "more than 64 attributes"),
    "torn XML": (SEM.encode(), "no XML: no element found"),
    "no XML": (b"<SEM><a></b></SEM>", "1:11: no XML: mismatched tag"),
    "an undeclared prefix": (
        b'<SEM>\n  <sedl:Effect xsi:type="x"/></SEM>',
        '2:3: a prefix is used here that is declared nowhere; an MPEG-V file has in its root element: xmlns:sedl="urn:',
    ),
    "another encoding": (b'<?xml version="1.0" encoding="nonsense"?><SEM/>', "no"),
    "something else": (b"<html><body/></html>", "1:1: html: no effect found"),
    "another MPEG-V root": (b'<Effect xmlns="urn:mpeg:mpeg-v:2010:01-SEDL-NS"/>', "root element of a timeline is SEM"),
    "a history of nonsense": (b'{"event":"published"}\n', "1:1: "),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_played_is_refused_at_its_place_and_soon(name: str) -> None:
    data, said = WRONG[name]
    began = time.process_time()
    with pytest.raises(TimelineRefused) as refused:
        read(data)
    assert said in str(refused.value)
    assert time.process_time() - began < 15.0  # some 2 s; measuring coverage makes it several times as much


def test_every_wrong_effect_of_a_document_is_named() -> None:
    with pytest.raises(TimelineRefused) as refused:
        read(b'{"effects": [{"effect_type": "a", "priority": 10}, {}, {"effect_type": "a"}, {"effect_type": 3}]}')
    assert [problem.element for problem in refused.value.problems] == ["effects[0]", "effects[1]", "effects[3]"]


def test_a_type_whose_prefix_is_not_declared_is_read_and_the_declaration_is_named() -> None:
    (problem,) = read((SEM + EFFECT.replace("v:", "q:") + "</SEM>").encode()).problems
    assert "xmlns:q=" in problem.problem
    assert problem.assumed == "wind"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "iso-8859-1"])
def test_a_document_is_read_in_its_encoding(encoding: str) -> None:
    named = encoding.removesuffix("-sig").removesuffix("-le")
    declared = f'<?xml version="1.0" encoding="{named}"?>{SEM}{EFFECT}</SEM>'
    assert len(read(declared.encode(encoding)).effects) == 1


def test_forty_thousand_effects_are_read_within_a_second_in_slices_of_ten_ms() -> None:
    one = '{"effect_type": "wind", "timestamp": %d, "duration": 40, "intensity": 55.5, "location": "left"}'
    data = ('{"effects": [' + ",\n".join(one % (n * 50) for n in range(40_000)) + "]}").encode()
    steps = reading(data)
    slices = []
    while True:
        began = time.thread_time()
        try:
            next(steps)
        except StopIteration as end:
            found: Timeline = end.value
            break
        finally:
            slices.append(time.thread_time() - began)
    assert len(found.effects) == 40_000
    assert sum(slices) < 3.0  # 0.6 here; a busy machine is slower
    assert sorted(slices)[len(slices) * 99 // 100] < 0.01
    assert found.duration == 39_999 * 50 + 40


def test_a_few_bytes_that_refer_to_thousands_of_effects_are_read_in_slices_too() -> None:
    declared = f'<Declarations><GroupOfEffects id="g">{EFFECT * 500}</GroupOfEffects></Declarations>'
    between = '<ReferenceEffect uri="#g" si:pts="7"/>' * 50
    data = f"{SEM}{declared}{between}{EFFECT}</SEM>".encode()
    steps, count = reading(data), 0
    while True:
        try:
            next(steps)
            count += 1
        except StopIteration as end:
            found: Timeline = end.value
            break
    assert count > 25_000 // 100 > len(data) // 4096
    assert [effect.timestamp for effect in found.effects] == [7000] * 25_000 + [1000]


def test_four_thousand_effects_need_six_megabytes() -> None:
    data = (
        '{"effects": [' + ",".join(f'{{"effect_type": "wind", "timestamp": {n}}}' for n in range(4000)) + "]}"
    ).encode()
    tracemalloc.start()
    try:
        kept = read(data)
        assert tracemalloc.get_traced_memory()[1] < 6 << 20
    finally:
        tracemalloc.stop()
    assert len(kept.effects) == 4000


def unbroken(data: bytes) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        found = read(data)
    except TimelineRefused as refused:
        problems = refused.problems
    else:
        assert all(effect.timestamp >= 0 and effect.effect_type for effect in found.effects)
        return
    assert problems
    assert all(problem.problem for problem in problems)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    unbroken(data)


@settings(max_examples=300)
@given(st.sampled_from(SAMPLES), st.data())
def test_no_damage_to_a_document_breaks_the_reader(path, data) -> None:
    text = document(path)
    at, length = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 40))
    unbroken(text[:at] + data.draw(st.binary(max_size=12)) + text[at + length :])


_values = st.sampled_from(
    ["", "-1", "1e400", "nan", "inf", "0", "true", "x" * 5000, "a:b", "9" * 400, "left left", "#1"]
)
_names = st.sampled_from(
    [
        "si:pts",
        "duration",
        "fade",
        "activate",
        "intensity-value",
        "intensity-range",
        "location",
        "color",
        "scent",
        "priority",
        "frequency",
        "si:timeScale",
        "autoExtraction",
        "uri",
        "id",
    ]
)


@given(st.dictionaries(_names, _values), st.sampled_from(["Effect", "GroupOfEffects", "ReferenceEffect"]))
def test_no_value_of_mpeg_v_breaks_the_reader(values, element) -> None:
    attributes = " ".join(f'{name}="{value}"' for name, value in values.items())
    inner = f'<{element} xsi:type="v:LightType" {attributes}>{EFFECT}</{element}>'
    unbroken(f"{SEM}{inner}</SEM>".encode())


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.sampled_from(["left", "right", "*", "left:top"]))))
def test_after_an_off_nothing_of_its_place_is_on(cues) -> None:
    """The obvious model: whoever is on at a place is ended by the first off that reaches it, after it began."""
    effects = "".join(
        f'<Effect xsi:type="v:WindType" si:pts="{at}" activate="{str(on).lower()}" location="{place}" '
        'intensity-value="1" intensity-range="0 1"/>'
        for at, on, place in cues
    )
    found = read(f"{SEM}{effects}</SEM>".encode()).effects
    for effect in found:
        if effect.intensity and effect.duration == 0:
            later = [
                at
                for at, on, place in cues
                if not on and place in ("*", effect.location) and at * 1000 > effect.timestamp
            ]
            assert later == []
        elif effect.intensity:
            assert (effect.timestamp + effect.duration) // 1000 in {at for at, on, _ in cues if not on}
