"""A block of bytes in a page: deflated, and written with 7 bits in a character, where base64 has 6.

The low 7 bits of each byte are a character, in the order of the bytes. After them come the high bits: character n holds those of the
bytes n, n + part, n + 2 * part, ..., from its lowest bit on, where `part` is a seventh of the bytes. Three characters would not come through
a parser of HTML: NUL, a carriage return and `<`. They are written 128 higher, and so take two bytes in UTF-8.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from etlrun.dashboards.deflating import deflated

MUCH = 10_000_000  # bytes, from which on a tighter packing takes more seconds than it is worth
_LOW = bytes((code & 127) + (128 if code & 127 in b"\0\r<" else 0) for code in range(256))
_HIGH = bytes(code >> 7 for code in range(256))


def block(name: str, contents: Sequence[bytes]) -> str:
    """The element that holds the contents, joined: the browser does not run it, and needs no permission for it."""
    content = b"".join(contents)
    packed = zlib.compress(content, 9) if len(content) < MUCH else deflated(contents)
    return f'<script type="application/octet-stream" id="{name}">{_characters(packed)}</script>'


def _characters(content: bytes) -> str:
    part = -(-len(content) // 7)
    high, bits = content.translate(_HIGH), 0
    for bit in range(7):
        bits |= int.from_bytes(high[bit * part : (bit + 1) * part], "little") << bit
    return (content + bits.to_bytes(part, "little")).translate(_LOW).decode("latin-1")
