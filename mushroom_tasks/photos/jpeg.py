"""Tell, without decoding its pixels, that a JPEG decodes whole.

Huffman decoding is most of the cost of a decode, also of one at 1/8 scale. Yet libjpeg never fails on the coded data
of a scan: what is damaged there it fills with grey, and only data that end too early are an error. So a JPEG decodes
exactly if its segments lead up to an end marker, and if its headers and tables are good. The first is seen by walking
over the segments; the second by decoding the file's skeleton: everything but the coded data of its scans, as a picture
of 8 x 8 pixels. (The one error in coded data, a sum of brightness differences beyond 31 bits, takes more blocks than
`_MAX_PIXELS` has.)

    probe(data)      # ("JPEG", 500, 375): it decodes. None: it may not; decode it to know

A test compares the answer with full decodes of thousands of damaged files, baseline and progressive. Needs simplejpeg,
which is libjpeg-turbo like Pillow, and reads a skeleton in a fifth of its time. Measured on photos of 57 kB: 0.05 ms,
where a full decode takes 0.75 ms and one at 1/8 scale 0.6 ms.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import simplejpeg

from mushroom_tasks import imaging
from mushroom_tasks.errors import PhotoError

_EOI, _SOS, _COMMENT = 0xD9, 0xDA, 0xFE
_FRAMES = {0xC0, 0xC1, 0xC2}  # SOF: baseline, extended and progressive Huffman coding
# Tables that a decoder needs, with the least length of a whole one: DHT, DQT, DRI, JFIF, Adobe.
_TABLES = {0xC4: 4, 0xDB: 4, 0xDD: 6, 0xE0: 18, 0xEE: 16}
_NOTES = {*range(0xE1, 0xEE), 0xEF, _COMMENT}  # EXIF, profiles, other application segments and comments
_NO_DATA = "premature end of data segment"
_TINY = bytes((0, 8, 0, 8))  # height and width
_MAX_PIXELS = 4_000_000  # 62,500 blocks, whose differences are below 2 ** 15 each
# After 0xFF in coded data: a stuffed zero, a restart marker or a fill byte; anything else is a marker.
_IS_MARKER = np.ones(256, dtype=bool)
_IS_MARKER[[0x00, 0xFF, *range(0xD0, 0xD8)]] = False


class _Skeleton(NamedTuple):
    """A JPEG without coded data and notes; whether there were notes, and the size of the whole picture as stored."""

    data: bytes
    has_notes: bool
    width: int
    height: int


def probe(data: bytes) -> tuple[str, int, int] | None:
    """Return what `imaging.probe` returns for a JPEG that surely decodes; None also where one is merely unusual."""
    skeleton = _skeleton(data)
    if skeleton is None or not 0 < skeleton.width * skeleton.height <= _MAX_PIXELS:
        return None
    if not _has_good_headers(skeleton):
        return None
    if not skeleton.has_notes:
        return "JPEG", skeleton.width, skeleton.height
    try:
        # Notes are for Pillow to read, which turns the picture as they say, and to stumble over.
        return imaging.header(data)
    except PhotoError:
        return None


def _has_good_headers(skeleton: _Skeleton) -> bool:
    try:
        simplejpeg.decode_jpeg(skeleton.data, "GRAY", strict=True)
    except ValueError as error:
        # The last complaint is the one that counts, and this is the one about coded data that end too early.
        return str(error).endswith(_NO_DATA)
    return True


def _skeleton(data: bytes) -> _Skeleton | None:
    """Return the skeleton of a file whose segments lead from its start to an end marker; None for any other."""
    parts, position, has_notes, width, height = [data[:2]], 2, False, 0, 0
    markers = _markers(data)
    while position + 4 <= len(data) and data[position] == 0xFF:
        kind = data[position + 1]
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        segment = data[position:end]
        if kind == _SOS:
            following = int(np.searchsorted(markers, end))
            if following == len(markers):
                return None
            parts.append(segment)
            end = int(markers[following])
            if data[end + 1] == _EOI:
                return _Skeleton(b"".join((*parts, data[end : end + 2])), has_notes, width, height)
        elif kind in _FRAMES and not width and _is_plain_frame(segment):
            height, width = int.from_bytes(segment[5:7]), int.from_bytes(segment[7:9])
            parts.append(segment[:5] + _TINY + segment[9:])
        elif len(segment) >= _TABLES.get(kind, len(data)):
            parts.append(segment)
        elif kind in _NOTES:
            has_notes = True
        else:
            return None
        position = end
    return None


def _is_plain_frame(segment: bytes) -> bool:
    """Tell whether a frame has 8 bits and one or three components, grey or colour."""
    return len(segment) > 9 and segment[4] == 8 and segment[9] in (1, 3)


def _markers(data: bytes) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Return where a 0xFF is followed by what makes it a marker in coded data, ascending."""
    view = np.frombuffer(data, dtype=np.uint8)
    positions = np.flatnonzero(view[:-1] == 0xFF)
    return positions[_IS_MARKER[view[positions + 1]]]
