/* PS/2 keyboard with 105 keys: commands and scan code sets 1 and 2. Source: IBM PS/2 Hardware Interface Technical
 * Reference, "Keyboard". Keys are named by HID usages (USB HID Usage Tables, "Keyboard/Keypad Page"). */
#include "sim/dev/ps2.h"

#define E0 0x100 /* sent behind a prefix E0H */

enum { USAGE_PRINT = 0x46, USAGE_PAUSE = 0x48 };

/* usage -> code of set 2 and of set 1 */
static const struct {
    uint16_t set2, set1;
} codes[0xE8] = {
    [0x04] = {0x1C,      0x1E     },
      [0x05] = {0x32,      0x30     },
      [0x06] = {0x21,      0x2E     },
    [0x07] = {0x23,      0x20     },
      [0x08] = {0x24,      0x12     },
      [0x09] = {0x2B,      0x21     },
    [0x0A] = {0x34,      0x22     },
      [0x0B] = {0x33,      0x23     },
      [0x0C] = {0x43,      0x17     },
    [0x0D] = {0x3B,      0x24     },
      [0x0E] = {0x42,      0x25     },
      [0x0F] = {0x4B,      0x26     },
    [0x10] = {0x3A,      0x32     },
      [0x11] = {0x31,      0x31     },
      [0x12] = {0x44,      0x18     },
    [0x13] = {0x4D,      0x19     },
      [0x14] = {0x15,      0x10     },
      [0x15] = {0x2D,      0x13     },
    [0x16] = {0x1B,      0x1F     },
      [0x17] = {0x2C,      0x14     },
      [0x18] = {0x3C,      0x16     },
    [0x19] = {0x2A,      0x2F     },
      [0x1A] = {0x1D,      0x11     },
      [0x1B] = {0x22,      0x2D     },
    [0x1C] = {0x35,      0x15     },
      [0x1D] = {0x1A,      0x2C     },
      [0x1E] = {0x16,      0x02     },
    [0x1F] = {0x1E,      0x03     },
      [0x20] = {0x26,      0x04     },
      [0x21] = {0x25,      0x05     },
    [0x22] = {0x2E,      0x06     },
      [0x23] = {0x36,      0x07     },
      [0x24] = {0x3D,      0x08     },
    [0x25] = {0x3E,      0x09     },
      [0x26] = {0x46,      0x0A     },
      [0x27] = {0x45,      0x0B     },
    [0x28] = {0x5A,      0x1C     },
      [0x29] = {0x76,      0x01     },
      [0x2A] = {0x66,      0x0E     },
    [0x2B] = {0x0D,      0x0F     },
      [0x2C] = {0x29,      0x39     },
      [0x2D] = {0x4E,      0x0C     },
    [0x2E] = {0x55,      0x0D     },
      [0x2F] = {0x54,      0x1A     },
      [0x30] = {0x5B,      0x1B     },
    [0x31] = {0x5D,      0x2B     },
      [0x32] = {0x5D,      0x2B     },
      [0x33] = {0x4C,      0x27     },
    [0x34] = {0x52,      0x28     },
      [0x35] = {0x0E,      0x29     },
      [0x36] = {0x41,      0x33     },
    [0x37] = {0x49,      0x34     },
      [0x38] = {0x4A,      0x35     },
      [0x39] = {0x58,      0x3A     },
    [0x3A] = {0x05,      0x3B     },
      [0x3B] = {0x06,      0x3C     },
      [0x3C] = {0x04,      0x3D     },
    [0x3D] = {0x0C,      0x3E     },
      [0x3E] = {0x03,      0x3F     },
      [0x3F] = {0x0B,      0x40     },
    [0x40] = {0x83,      0x41     },
      [0x41] = {0x0A,      0x42     },
      [0x42] = {0x01,      0x43     },
    [0x43] = {0x09,      0x44     },
      [0x44] = {0x78,      0x57     },
      [0x45] = {0x07,      0x58     },
    [0x47] = {0x7E,      0x46     },
      [0x49] = {E0 | 0x70, E0 | 0x52},
      [0x4A] = {E0 | 0x6C, E0 | 0x47},
    [0x4B] = {E0 | 0x7D, E0 | 0x49},
      [0x4C] = {E0 | 0x71, E0 | 0x53},
      [0x4D] = {E0 | 0x69, E0 | 0x4F},
    [0x4E] = {E0 | 0x7A, E0 | 0x51},
      [0x4F] = {E0 | 0x74, E0 | 0x4D},
      [0x50] = {E0 | 0x6B, E0 | 0x4B},
    [0x51] = {E0 | 0x72, E0 | 0x50},
      [0x52] = {E0 | 0x75, E0 | 0x48},
      [0x53] = {0x77,      0x45     },
    [0x54] = {E0 | 0x4A, E0 | 0x35},
      [0x55] = {0x7C,      0x37     },
      [0x56] = {0x7B,      0x4A     },
    [0x57] = {0x79,      0x4E     },
      [0x58] = {E0 | 0x5A, E0 | 0x1C},
      [0x59] = {0x69,      0x4F     },
    [0x5A] = {0x72,      0x50     },
      [0x5B] = {0x7A,      0x51     },
      [0x5C] = {0x6B,      0x4B     },
    [0x5D] = {0x73,      0x4C     },
      [0x5E] = {0x74,      0x4D     },
      [0x5F] = {0x6C,      0x47     },
    [0x60] = {0x75,      0x48     },
      [0x61] = {0x7D,      0x49     },
      [0x62] = {0x70,      0x52     },
    [0x63] = {0x71,      0x53     },
      [0x64] = {0x61,      0x56     },
      [0x65] = {E0 | 0x2F, E0 | 0x5D},
    [0xE0] = {0x14,      0x1D     },
      [0xE1] = {0x12,      0x2A     },
      [0xE2] = {0x11,      0x38     },
    [0xE3] = {E0 | 0x1F, E0 | 0x5B},
      [0xE4] = {E0 | 0x14, E0 | 0x1D},
      [0xE5] = {0x59,      0x36     },
    [0xE6] = {E0 | 0x11, E0 | 0x38},
      [0xE7] = {E0 | 0x27, E0 | 0x5C},
};
#define USAGES (sizeof codes / sizeof codes[0])

/* Print Screen and Pause are sequences: set 2, set 1; going down, going up. Pause has no break code. */
static const char *const print_codes[2][2] = {
    {"\xE0\x12\xE0\x7C", "\xE0\xF0\x7C\xE0\xF0\x12"},
    {"\xE0\x2A\xE0\x37", "\xE0\xB7\xE0\xAA"        }
};
static const char *const pause_codes[2][2] = {
    {"\xE1\x14\x77\xE1\xF0\x14\xF0\x77", ""},
    {"\xE1\x1D\x45\xE1\x9D\xC5",         ""}
};

static void set_defaults(struct ps2_keyboard *k) {
    k->scan_set = 2;
    k->pending = 0;
}

void ps2_keyboard_reset(struct ps2_keyboard *k) {
    *k = (struct ps2_keyboard){.scanning = true};
    set_defaults(k);
}

/* ---- keys ---- */

static void put_sequence(struct ps2_keyboard *k, const char *bytes) {
    for (; *bytes; bytes++) ps2_put(&k->out, (uint8_t)*bytes);
}

static void put_key(struct ps2_keyboard *k, unsigned usage, bool down) {
    bool first = k->scan_set == 1;
    if (usage == USAGE_PRINT || usage == USAGE_PAUSE) {
        put_sequence(k, (usage == USAGE_PRINT ? print_codes : pause_codes)[first][!down]);
        return;
    }
    unsigned code = first ? codes[usage].set1 : codes[usage].set2;
    if (code & E0) ps2_put(&k->out, 0xE0);
    if (!first && !down) ps2_put(&k->out, 0xF0);
    ps2_put(&k->out, (uint8_t)(first && !down ? code | 0x80 : code));
}

bool ps2_keyboard_key(struct ps2_keyboard *k, unsigned usage, bool down) {
    bool known = usage == USAGE_PRINT || usage == USAGE_PAUSE || (usage < USAGES && codes[usage].set2);
    if (!known || k->event_count == PS2_EVENTS) return false;
    if (!k->scanning) return true; /* it is pressed, and nobody is told */
    k->event[(k->event_head + k->event_count++) % PS2_EVENTS] = (struct ps2_key){(uint16_t)usage, down};
    return true;
}

bool ps2_keyboard_take(struct ps2_keyboard *k, uint8_t *byte) {
    if (!k->out.count && k->event_count && k->scanning && !k->pending) {
        struct ps2_key e = k->event[k->event_head];
        k->event_head = (k->event_head + 1) % PS2_EVENTS;
        k->event_count--;
        put_key(k, e.usage, e.down);
    }
    if (!ps2_take(&k->out, byte)) return false;
    if (*byte != PS2_RESEND) k->last = *byte;
    return true;
}

/* ---- commands ---- */

static void forget_keys(struct ps2_keyboard *k) {
    k->event_count = 0;
    k->out.count = 0;
}

static void parameter(struct ps2_keyboard *k, uint8_t cmd, uint8_t val) {
    k->pending = 0;
    if (cmd == 0xF0 && val > 2) { /* set 3 is not offered */
        ps2_put(&k->out, PS2_RESEND);
        return;
    }
    ps2_put(&k->out, PS2_ACK);
    if (cmd == 0xED) k->leds = val & 7;
    if (cmd == 0xF0 && !val) ps2_put(&k->out, k->scan_set);
    if (cmd == 0xF0 && val) k->scan_set = val;
}

void ps2_keyboard_write(struct ps2_keyboard *k, uint8_t val) {
    uint8_t pending = k->pending;
    if (pending && val < 0xED) {
        parameter(k, pending, val);
        return;
    }
    k->pending = 0; /* a new command takes the place of a parameter */
    if (val >= 0xED && val != 0xFE) forget_keys(k);
    switch (val) {
    case 0xEE: /* echo */
        ps2_put(&k->out, 0xEE);
        return;
    case 0xED: /* indicators */
    case 0xF0: /* scan code set */
    case 0xF3: /* typematic rate and delay: accepted; keys held down repeat as the host repeats them */
        k->pending = val;
        break;
    case 0xF2: /* identify */
        ps2_put(&k->out, PS2_ACK);
        ps2_put(&k->out, 0xAB);
        ps2_put(&k->out, 0x83);
        return;
    case 0xF4: /* enable */
        k->scanning = true;
        break;
    case 0xF5: /* defaults, and disable */
        set_defaults(k);
        k->scanning = false;
        break;
    case 0xF6: /* defaults */
        set_defaults(k);
        break;
    case 0xF7: /* key types, of set 3 only */
    case 0xF8:
    case 0xF9:
    case 0xFA:
        break;
    case PS2_RESEND:
        ps2_put(&k->out, k->last);
        return;
    case PS2_RESET:
        ps2_keyboard_reset(k);
        ps2_put(&k->out, PS2_ACK);
        ps2_put(&k->out, PS2_PASSED);
        return;
    default:
        ps2_put(&k->out, PS2_RESEND);
        return;
    }
    ps2_put(&k->out, PS2_ACK);
}
