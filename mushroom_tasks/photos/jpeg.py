"""Tell, without decoding its pixels, that a JPEG decodes whole.

Huffman decoding is most of the cost of a decode, also of one at 1/8 scale. Yet libjpeg never fails on the coded data
of a scan: what is damaged there it fills with grey, and only data that end too early are an error. So a JPEG decodes
exactly if its segments lead up to an end marker, and if its headers and tables are good. The first is seen by walking
over the segments; the second by decoding the file's skeleton: everything but the coded data of its scans, as a picture
of 8 x 8 pixels. (The one error in coded data, a sum of brightness differences beyond 31 bits, takes more blocks than
`_MAX_PIXELS` has.)

    probe(data)      # ("JPEG", 500, 375): it decodes. None: it may not; decode it to know

A test compares the answer with full decodes of thousands of damaged files, baseline and progressive. Measured on
photos of 57 kB: 0.08 ms, where a full decode takes 0.75 ms and one at 1/8 scale 0.6 ms.
"""

from __future__ import annotations

import numpy as np

from mushroom_tasks import imaging
from mushroom_tasks.errors import PhotoError

_EOI, _SOS = 0xD9, 0xDA
_FRAMES = {0xC0, 0xC1, 0xC2}  # SOF: baseline, extended and progressive Huffman coding
_TABLES = {0xC4, 0xDB, 0xDD, 0xE0, 0xE1, 0xEE}  # DHT, DQT, DRI, JFIF, EXIF, Adobe
_NOTES = {*range(0xE2, 0xEE), 0xEF, 0xFE}  # other application segments and comments, which no decoder needs
_SIZE = slice(5, 9)  # height and width in a frame's segment
_SMALL = bytes((0, 8, 0, 8))
_MAX_PIXELS = 4_000_000  # 62,500 blocks, whose differences are below 2 ** 15 each
_MAX_SIDE = 65_500  # libjpeg's
# After 0xFF in coded data: a stuffed zero, a restart marker or a fill byte; anything else is a marker.
_IS_MARKER = np.ones(256, dtype=bool)
_IS_MARKER[[0x00, 0xFF, *range(0xD0, 0xD8)]] = False


def probe(data: bytes) -> tuple[str, int, int] | None:
    """Return what `imaging.probe` returns for a JPEG that surely decodes; None also where one is merely unusual."""
    found = _skeleton(data)
    if found is None:
        return None
    skeleton, width, height = found
    if not 0 < width * height <= _MAX_PIXELS or max(width, height) > _MAX_SIDE:
        return None
    try:
        name, is_sideways = imaging.probe_header(skeleton)
    except PhotoError:
        return None
    return (name, height, width) if is_sideways else (name, width, height)


def _skeleton(data: bytes) -> tuple[bytes, int, int] | None:
    """Return a file's skeleton, width and height as stored; None where it is not plainly whole."""
    parts, position, width, height = [data[:2]], 2, 0, 0
    markers = _markers(data)
    while position + 4 <= len(data) and data[position] == 0xFF:
        kind = data[position + 1]
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        segment = data[position:end]
        if kind == _SOS:
            parts.append(segment)
            following = int(np.searchsorted(markers, end))
            if following == len(markers):
                return None
            end = int(markers[following])
            if data[end + 1] == _EOI:
                return b"".join((*parts, data[end : end + 2])), width, height
        elif kind in _FRAMES and not width and len(segment) > _SIZE.stop:
            height, width = int.from_bytes(segment[5:7]), int.from_bytes(segment[7:9])
            parts.append(segment[: _SIZE.start] + _SMALL + segment[_SIZE.stop :])
        elif kind in _TABLES:
            parts.append(segment)
        elif kind not in _NOTES:
            return None
        position = end
    return None


def _markers(data: bytes) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Return where a 0xFF is followed by what makes it a marker in coded data, ascending."""
    view = np.frombuffer(data, dtype=np.uint8)
    positions = np.flatnonzero(view[:-1] == 0xFF)
    return positions[_IS_MARKER[view[positions + 1]]]
