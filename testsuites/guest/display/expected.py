"""What modes.c draws, computed from its formulas and from what the manuals say of each mode; nothing of hvsim is used."""


def six(v):
    return v << 2 | v >> 4


def colour(i):
    return bytes((six(i * 5 & 63), six(i * 11 & 63), six(i * 3 & 63)))


def text():
    """80 by 25 characters, 9 by 16 dots each; bit 7 of an attribute is the background's; a line character's ninth dot is
    its eighth; the underline is in scan line 31, which no character has."""
    lines = []
    for y in range(400):
        line = b""
        for column in range(80):
            i = y // 16 * 80 + column
            code, attribute = i * 3 & 0xFF, i * 29 & 0xFF
            row = y % 16
            bits = code * 7 + row * 37 + (code ^ row) & 0xFF
            ninth = bits & 1 if 0xC0 <= code <= 0xDF else 0
            for on in [bits >> 7 - x & 1 for x in range(8)] + [ninth]:
                line += colour(attribute & 15 if on else attribute >> 4)
        lines.append(line)
    return 720, 400, b"".join(lines)


def planar_planes(x, y):
    """The bytes of the four planes."""
    if y >= 320:
        y -= 320
    if y < 160:
        return [(x * (p + 1) + y) & 0xFF for p in range(4)]
    mask = y & 0xFF
    return [(0xFF * (y >> p & 1) & mask) | (0xFF * (x >> p & 1) & ~mask & 0xFF) for p in range(4)]


def planar():
    out = bytearray()
    for y in range(480):
        for x in range(80):
            planes = planar_planes(x, y)
            for bit in range(7, -1, -1):
                out += colour(sum((planes[p] >> bit & 1) << p for p in range(4)))
    return 640, 480, bytes(out)


def chained():
    """Every pixel is two dots wide and two lines high."""
    out = bytearray()
    for y in range(400):
        for x in range(320):
            out += colour(x + y // 2 * 3 & 0xFF) * 2
    return 640, 400, bytes(out)


def widen(v, bits):
    return v << 8 - bits | v >> 2 * bits - 8


def linear(width, height, bpp):
    def pixel(v):
        if bpp == 8:
            return colour(v & 0xFF)
        if bpp == 15:
            return bytes(widen(v >> shift & 31, 5) for shift in (10, 5, 0))
        if bpp == 16:
            return bytes((widen(v >> 11 & 31, 5), widen(v >> 5 & 63, 6), widen(v & 31, 5)))
        return bytes((v >> 16 & 0xFF, v >> 8 & 0xFF, v & 0xFF))
    return width, height, b"".join(pixel(x * 0x010203 + y * 0x030507) for y in range(height) for x in range(width))


PICTURES = {
    "text": text,
    "planar": planar,
    "chained": chained,
    "linear 8": lambda: linear(640, 480, 8),
    "linear 15": lambda: linear(320, 240, 15),
    "linear 16": lambda: linear(800, 600, 16),
    "linear 24": lambda: linear(640, 400, 24),
    "linear 32": lambda: linear(1024, 768, 32),
}
