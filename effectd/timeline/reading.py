"""Bytes -> timeline: the kind of a document is recognised by its content, and it is read a slice at a time.

Reading is a generator that pauses every few milliseconds, so that the dispatcher reads a document of 4 MiB between live
effects and never makes one wait for it: no thread, no other process. `read` runs it to its end.
"""

import codecs

from effectd.base.steps import finished
from effectd.timeline import json_file, recorded, wind_track, xml_file
from effectd.timeline.document import DOCUMENT_BYTES, Problem, Reading, Timeline, TimelineRefused


def reading(data: bytes) -> Reading:
    """Read a slice at each `next`; the timeline is the generator's value. Raises TimelineRefused."""
    if len(data) > DOCUMENT_BYTES:
        size = f"{len(data)} bytes; a timeline has at most {DOCUMENT_BYTES}"
        raise TimelineRefused(Problem(0, 0, "", size))
    data = data.removeprefix(codecs.BOM_UTF8)
    begins = data[:4096].lstrip()
    if begins.startswith((b"<", codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or data[:2] in (b"<\0", b"\0<"):
        return xml_file.steps(data)
    if recorded.begins(begins):
        return recorded.steps(data)
    if begins.startswith((b"{", b"[")):
        return json_file.steps(data)
    if wind_track.looks_like(data):
        return wind_track.steps(data)
    kinds = "JSON, MPEG-V SEM, Python_PlaySEM's XML, lines of `effectd record`, or HH:MM:SS,WORD"
    raise TimelineRefused(Problem(1, 1, "", f"empty; it should be {kinds}" if not begins else f"none of {kinds}"))


def read(data: bytes) -> Timeline:
    """The whole document at once. Raises TimelineRefused."""
    return finished(reading(data))
