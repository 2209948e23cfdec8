/* The font that text modes start with, as firmware would leave one in plane 2. It is drawn here, from strokes, so that
 * what a machine shows depends on no file of the host; a guest with a VGA BIOS or a driver of its own loads its own
 * font. */
#include <string.h>

#include "sim/dev/vga.h"

#define LEFT 1 /* column and row of the cell where stroke coordinates begin */
#define TOP  2
#define BOX  "03434b0b03"

/* A glyph begins with - when its lines are thin, to have room for seven columns. It is polylines, separated by blanks;
 * a point is column 0 to 4 (thin: 6) and row 0 to 12 (0-9, a-c). Capitals stand on row 9 and reach to row 0, small
 * letters to row 3. */
static const char *const ascii[95] = {
    "",
    "2026 2829",
    "1012 3032",
    "-2129 4149 0363 0666",
    "423111020314344547381807 2029",
    "-6009 0020220200 4767694947",
    "490201102031320507192946",
    "2022",
    "30121739",
    "10323719",
    "-3238 1357 5317",
    "2327 0545",
    "28291b",
    "0545",
    "2829",
    "4009",
    "103041483919080110 3317",
    "022029 0949",
    "0201103041430949",
    "01103041433414 344548391908",
    "39300646",
    "400004344548391908",
    "413010010819394845341405",
    "0040422529",
    "103041433414030110 3445483919080514",
    "081939484130100104153544",
    "2324 2829",
    "2324 28291b",
    "420548",
    "0444 0747",
    "024508",
    "0201103041432526 2829",
    "-591908011050616646 433324253646",
    "0903204349 0646",
    "0009 003041433404 3445483909",
    "4130100108193948",
    "002042472909 0009",
    "40000949 0434",
    "400009 0434",
    "41301001081939484525",
    "0009 4049 0444",
    "1030 2029 1939",
    "4048391908",
    "0009 400549",
    "000949",
    "-0900336069",
    "09004940",
    "103041483919080110",
    "09003041443505",
    "103041483919080110 2749",
    "09003041443505 2549",
    "413010010314344548391908",
    "0040 2029",
    "000819394840",
    "0006294640",
    "-0009366960",
    "0049 4009",
    "002440 2429",
    "00400949",
    "30101939",
    "0049",
    "10303919",
    "022042",
    "0b4b",
    "1022",
    "13334449 46160708193948",
    "0009 0413334448391908",
    "4433130408193948",
    "4049 4433130408193948",
    "06464433130408193948",
    "41302129 0343",
    "434b3c1c0b 4433130407183847",
    "0009 0413334449",
    "132329 1939 2021",
    "23333b2c1c 3031",
    "0009 430649",
    "102029 1939",
    "-0903 0413233439 3443536469",
    "0903 0413334449",
    "133344483919080413",
    "030c 0413334448391908",
    "434c 4433130408193948",
    "0903 05233344",
    "443313040516364748391908",
    "20283948 0343",
    "0308193948 4349",
    "0306294643",
    "-030819293835 3849596863",
    "0349 4309",
    "0307183847 434b3c1c0b",
    "03430949",
    "40302315273949",
    "202b",
    "00102335271909",
    "06143644",
};

/* other characters of code page 437 that menus are made of */
static const struct {
    uint8_t code;
    const char *strokes;
} others[] = {
    {0x00, ""                             },
    {0xFF, ""                             },
    {0x07, "1535 1636"                    },
    {0x10, "01450901"                     },
    {0x11, "41054941"                     },
    {0x18, "2029 022042"                  },
    {0x19, "2029 072947"                  },
    {0x1A, "0545 234527"                  },
    {0x1B, "0545 230527"                  },
    {0x1E, "20084820"                     },
    {0x1F, "01294101"                     },
    {0xF8, "1030331310"                   },
    {0xFA, "2526"                         },
    {0xFE, "0343 0444 0545 0646 0747 0848"},
};

/* B3H to DAH: what leads up, down, left and right, a hexadecimal digit each: 1 a single line, 2 a double one */
static const uint16_t lines[] = {0x1100, 0x1110, 0x1120, 0x2210, 0x0210, 0x0120, 0x2220, 0x2200, 0x0220, 0x2020,
                                 0x2010, 0x1020, 0x0110, 0x1001, 0x1011, 0x0111, 0x1101, 0x0011, 0x1111, 0x1102,
                                 0x2201, 0x2002, 0x0202, 0x2022, 0x0222, 0x2202, 0x0022, 0x2222, 0x1022, 0x2011,
                                 0x0122, 0x0211, 0x2001, 0x1002, 0x0102, 0x0201, 0x2211, 0x1122, 0x1010, 0x0101};

static void dot(uint8_t *glyph, int x, int y) { glyph[y] |= (uint8_t)(0x80u >> x); }

static void segment(uint8_t *glyph, int x0, int y0, int x1, int y1) {
    int dx = x1 - x0, dy = y1 - y0;
    int ax = dx < 0 ? -dx : dx, ay = dy < 0 ? -dy : dy, steps = ax > ay ? ax : ay;
    dot(glyph, x0, y0);
    for (int i = 1; i <= steps; i++) {
        int x = (ax * i + steps / 2) / steps, y = (ay * i + steps / 2) / steps;
        dot(glyph, dx < 0 ? x0 - x : x0 + x, dy < 0 ? y0 - y : y0 + y);
    }
}

static int digit(char c) { return c >= 'a' ? c - 'a' + 10 : c - '0'; }

static void draw(uint8_t *glyph, const char *strokes) {
    bool first = true, thin = *strokes == '-';
    int left = thin ? 0 : LEFT, x0 = 0, y0 = 0;
    for (const char *s = strokes + thin; *s;) {
        if (*s == ' ') {
            first = true;
            s++;
            continue;
        }
        int x = left + digit(s[0]), y = TOP + digit(s[1]);
        segment(glyph, first ? x : x0, first ? y : y0, x, y);
        x0 = x, y0 = y;
        first = false;
        s += 2;
    }
    for (unsigned i = 0; i < 16 && !thin; i++) glyph[i] |= glyph[i] >> 1; /* uprights are two dots wide */
}

static void vertical(uint8_t *glyph, unsigned kind, unsigned from, unsigned to) {
    static const uint8_t bits[3] = {0x00, 0x18, 0x24};
    for (unsigned y = from; y <= to; y++) glyph[y] |= bits[kind];
}

static void horizontal(uint8_t *glyph, unsigned kind, uint8_t bits) {
    if (kind == 1) glyph[7] |= bits;
    if (kind == 2) glyph[6] |= bits, glyph[8] |= bits;
}

static void draw_lines(uint8_t *glyph, unsigned to) {
    vertical(glyph, to >> 12, 0, 8 - ((to & 0xFF) < 2));
    vertical(glyph, to >> 8 & 3, 6, 15);
    horizontal(glyph, to >> 4 & 3, 0xF8);
    horizontal(glyph, to & 3, 0x1F);
}

/* B0H to B2H, DBH to DFH: shades and blocks */
static void draw_blocks(uint8_t font[256][16]) {
    for (unsigned y = 0; y < 16; y++) {
        font[0xB0][y] = y & 1 ? 0x44 : 0x11;
        font[0xB1][y] = y & 1 ? 0xAA : 0x55;
        font[0xB2][y] = y & 1 ? 0xBB : 0xEE;
        font[0xDB][y] = 0xFF;
        font[0xDC][y] = y < 8 ? 0x00 : 0xFF;
        font[0xDD][y] = 0xF0;
        font[0xDE][y] = 0x0F;
        font[0xDF][y] = y < 8 ? 0xFF : 0x00;
    }
}

void vga_font(uint8_t font[256][16]) {
    memset(font, 0, 256 * 16);
    for (unsigned c = 0; c < 256; c++) {
        const char *strokes = c >= 0x20 && c < 0x7F ? ascii[c - 0x20] : BOX;
        for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++)
            if (others[i].code == c) strokes = others[i].strokes;
        if (c >= 0xB0 && c <= 0xDF) continue;
        draw(font[c], strokes);
    }
    for (unsigned i = 0; i < sizeof lines / sizeof lines[0]; i++) draw_lines(font[0xB3 + i], lines[i]);
    draw_blocks(font);
}
