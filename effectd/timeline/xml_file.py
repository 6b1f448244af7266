"""XML, read as a stream by expat: no document type, so no entities and nothing from outside; depth and count bounded.

Python's own expat and not lxml: it says the column of each element, holds no tree, and can be fed a slice at a time
between live effects (docs/decisions/0022-timelines.md).
"""

from collections.abc import Generator
from typing import Protocol
from xml.parsers import expat

from effectd.timeline import playsem_xml, sem
from effectd.timeline.document import Problem, Reading, TimelineRefused
from effectd.timeline.element import Element

DEPTH = 64
ATTRIBUTES = 64  # of one element
ELEMENTS = 400_000  # of any kind
TEXT = 4096  # characters kept of one element
SLICE_BYTES = 4096  # some 2 ms
_NAMESPACES = {
    "sedl": "urn:mpeg:mpeg-v:2010:01-SEDL-NS",
    "sev": "urn:mpeg:mpeg-v:2010:01-SEV-NS",
    "si": "urn:mpeg:mpeg21:2003:01-DIA-XSI-NS",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
}


class Handler(Protocol):
    """What one kind of document makes of its elements."""

    def start(self, element: Element) -> None: ...
    def end(self, name: str, text: str) -> None: ...
    def between(self) -> Generator[None, None, None]: ...
    def finish(self) -> Reading: ...


class _Stream:
    """Feeds the handler that the root element asks for."""

    def __init__(self) -> None:
        self.handler: Handler | None = None
        self._depth = self._count = 0
        self._prefixes: dict[str, str] = {}
        self._texts: list[list[str]] = []
        parser = self.parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartNamespaceDeclHandler = self._prefix
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text

    def feed(self, data: bytes, *, last: bool) -> None:
        try:
            self.parser.Parse(data, last)
        except expat.ExpatError as error:
            raise TimelineRefused(Problem(error.lineno, error.offset + 1, "", _words(error))) from None
        except (LookupError, ValueError) as error:  # of an encoding that Python does not know
            raise TimelineRefused(Problem(*self._place(), "", f"no readable XML: {error}")) from None

    def _place(self) -> tuple[int, int]:
        return self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber + 1

    def _doctype(self, name: str, *_: object) -> None:
        why = "a document type (<!DOCTYPE) and entities are not read; take them out"
        raise TimelineRefused(Problem(*self._place(), name[:64], why))

    def _prefix(self, prefix: str | None, uri: str | None) -> None:
        if len(self._prefixes) < ATTRIBUTES:
            self._prefixes = self._prefixes | {prefix or "": uri or ""}

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._count += 1
        namespace, _, local = name.rpartition(" ")
        if self._depth > DEPTH or self._count > ELEMENTS or len(attributes) > ATTRIBUTES:
            why = f"deeper than {DEPTH} elements, more than {ELEMENTS} of them, or more than {ATTRIBUTES} attributes"
            raise TimelineRefused(Problem(*self._place(), local[:64], why))
        flat = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        element = Element(local, namespace, flat, *self._place(), self._prefixes)
        if self.handler is None:
            self.handler = _handler(element)
        self.handler.start(element)
        self._texts.append([])

    def _end(self, name: str) -> None:
        self._depth -= 1
        assert self.handler is not None  # an end without a start is no XML
        self.handler.end(name.rpartition(" ")[2], "".join(self._texts.pop())[:TEXT])

    def _text(self, text: str) -> None:
        parts = self._texts[-1]
        if len(parts) < 16:
            parts.append(text[:TEXT])


def steps(data: bytes) -> Reading:
    """Raises TimelineRefused."""
    stream = _Stream()
    for at in range(0, len(data), SLICE_BYTES):
        stream.feed(data[at : at + SLICE_BYTES], last=False)
        if stream.handler is not None:
            yield from stream.handler.between()
        yield
    stream.feed(b"", last=True)
    assert stream.handler is not None  # expat wants a root element
    return (yield from stream.handler.finish())


def _handler(root: Element) -> Handler:
    if root.name == "SEM" and ("SEDL" in root.namespace or sem.is_bare(root)):
        return sem.Sem(root)
    if root.namespace and "SEDL" in root.namespace:
        why = "this is MPEG-V, but the root element of a timeline is SEM"
        raise TimelineRefused(Problem(root.line, root.column, root.name, why))
    return playsem_xml.PlaySem(root)


def _words(error: expat.ExpatError) -> str:
    words = expat.ErrorString(error.code)
    if error.code == expat.errors.codes[expat.errors.XML_ERROR_UNBOUND_PREFIX]:
        need = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in _NAMESPACES.items())
        return f"a prefix is used here that is declared nowhere; an MPEG-V file has in its root element: {need}"
    return f"no XML: {words}"
