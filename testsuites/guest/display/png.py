"""Reads PNG files of 8-bit RGB or RGBA pixels, as far as the tests need it. PNG specification, "Filtering"."""

import struct
import zlib


def paeth(a, b, c):
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    return a if pa <= pb and pa <= pc else b if pb <= pc else c


def unfilter(kind, line, above, size):
    for i in range(len(line)):
        a = line[i - size] if i >= size else 0
        b = above[i]
        c = above[i - size] if i >= size else 0
        add = (0, a, b, (a + b) // 2, paeth(a, b, c))[kind]
        line[i] = (line[i] + add) & 0xFF


def read(path):
    """Returns (width, height, bytes R G B of each pixel)."""
    with open(path, "rb") as f:
        data = f.read()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError(f"{path}: not a PNG file")
    at, packed, header = 8, b"", None
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if zlib.crc32(kind + body) != struct.unpack(">I", data[at + 8 + length:at + 12 + length])[0]:
            raise ValueError(f"{path}: wrong checksum of a chunk")
        header = struct.unpack(">IIBBBBB", body) if kind == b"IHDR" else header
        packed += body if kind == b"IDAT" else b""
        at += 12 + length
    width, height, depth, colour, _, _, interlace = header
    if depth != 8 or colour not in (2, 6) or interlace:
        raise ValueError(f"{path}: expected 8-bit RGB or RGBA")
    size = 3 if colour == 2 else 4
    raw, out, above = zlib.decompress(packed), bytearray(), bytearray(width * size)
    for y in range(height):
        begin = y * (width * size + 1)
        line = bytearray(raw[begin + 1:begin + 1 + width * size])
        unfilter(raw[begin], line, above, size)
        for x in range(width) if size == 4 else ():
            out += line[4 * x:4 * x + 3]
        out += line if size == 3 else b""
        above = line
    return width, height, bytes(out)
