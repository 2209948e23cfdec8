/* CMOS RAM and real-time clock, ports 70H and 71H, IRQ 8. Source: Motorola MC146818A data sheet; memory-size bytes: IBM
 * PC AT Technical Reference, "Real-Time Clock/CMOS RAM Information", and what firmware adds for more than 64 MiB. The
 * date at cycle 0 is an option with a fixed default: the host's clock is never looked at. */
#include <stdlib.h>

#include "sim/core/system.h"
#include "sim/dev/dev.h"

#define RTC_IRQ 8
#define NVRAM   128
#define UPDATE_NS                                                                                                      \
    2228000ull /* UIP is high for 244 us before the update and 1984 us of it; the time changes at its end */

enum {
    SEC,
    SEC_ALARM,
    MIN,
    MIN_ALARM,
    HOUR,
    HOUR_ALARM,
    WDAY,
    MDAY,
    MONTH,
    YEAR,
    REG_A,
    REG_B,
    REG_C,
    REG_D,
    CENTURY = 0x32
};
/* What firmware for simulated PCs reads: devices to boot from, the first in the low half. */
enum { BOOT_FLAGS = 0x38, BOOT_ORDER = 0x3D };
enum { BOOT_NO_FLOPPY_CHECK = 1, BOOT_DISK = 2, BOOT_CDROM = 3 };
#define A_UIP    0x80
#define A_RATE   0x0F
#define B_SET    0x80
#define B_PIE    0x40
#define B_AIE    0x20
#define B_UIE    0x10
#define B_BINARY 0x04
#define B_24H    0x02
#define C_IRQF   0x80
#define C_PF     0x40
#define C_AF     0x20
#define C_UF     0x10
#define D_VALID  0x80

struct rtc {
    struct device dev;
    uint8_t index, ram[NVRAM];
    int64_t base;         /* seconds since 1970 shown at cycle 0 */
    uint64_t seen_second; /* whole seconds of the clock that flags were computed for */
    uint64_t seen_tick;   /* periodic ticks, the same */
    struct timer timer;
};

static uint64_t whole_seconds(const struct rtc *r) { return machine_now(r->dev.machine) / CYCLES_PER_SEC; }

/* ---- calendar: days since 1970-01-01 to year, month, day and back (proleptic Gregorian) ---- */

static int64_t days_from_civil(int64_t y, unsigned mo, unsigned d) {
    y -= mo <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    unsigned yoe = (unsigned)(y - era * 400), doy = (153 * (mo > 2 ? mo - 3 : mo + 9) + 2) / 5 + d - 1;
    return era * 146097 + (int64_t)(yoe * 365 + yoe / 4 - yoe / 100 + doy) - 719468;
}

static void civil_from_days(int64_t z, int64_t *y, unsigned *mo, unsigned *d) {
    z += 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    unsigned doe = (unsigned)(z - era * 146097), yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    *d = doy - (153 * mp + 2) / 5 + 1;
    *mo = mp < 10 ? mp + 3 : mp - 9;
    *y = (int64_t)yoe + era * 400 + (*mo <= 2);
}

static uint8_t encode(const struct rtc *r, unsigned v) {
    return (uint8_t)(r->ram[REG_B] & B_BINARY ? v : v / 10 << 4 | v % 10);
}
static unsigned decode(const struct rtc *r, uint8_t v) {
    return r->ram[REG_B] & B_BINARY ? v : (v >> 4) * 10u + (v & 15);
}

static uint8_t encode_hour(const struct rtc *r, unsigned h) {
    if (r->ram[REG_B] & B_24H) return encode(r, h);
    return encode(r, h % 12 ? h % 12 : 12) | (h >= 12 ? 0x80 : 0);
}
static unsigned decode_hour(const struct rtc *r, uint8_t v) {
    if (r->ram[REG_B] & B_24H) return decode(r, v);
    return decode(r, v & 0x7F) % 12 + (v & 0x80 ? 12 : 0);
}

/* Time registers from a count of seconds. */
static void show(struct rtc *r, int64_t t) {
    int64_t days = t / 86400, rest = t % 86400, year;
    unsigned month, day;
    if (rest < 0) rest += 86400, days--;
    civil_from_days(days, &year, &month, &day);
    r->ram[SEC] = encode(r, (unsigned)(rest % 60));
    r->ram[MIN] = encode(r, (unsigned)(rest / 60 % 60));
    r->ram[HOUR] = encode_hour(r, (unsigned)(rest / 3600));
    r->ram[WDAY] = encode(r, (unsigned)(((days % 7) + 11) % 7 + 1)); /* 1 = Sunday; day 0 was a Thursday */
    r->ram[MDAY] = encode(r, day);
    r->ram[MONTH] = encode(r, month);
    r->ram[YEAR] = encode(r, (unsigned)(year % 100));
    r->ram[CENTURY] = encode(r, (unsigned)(year / 100 % 100));
}

static int64_t shown(const struct rtc *r) {
    int64_t year = decode(r, r->ram[CENTURY]) * 100ll + decode(r, r->ram[YEAR]);
    unsigned month = decode(r, r->ram[MONTH]), day = decode(r, r->ram[MDAY]);
    if (month < 1 || month > 12) month = 1;
    return days_from_civil(year, month, day) * 86400 + decode_hour(r, r->ram[HOUR]) * 3600ll +
           decode(r, r->ram[MIN]) * 60ll + decode(r, r->ram[SEC]);
}

static bool running(const struct rtc *r) { return !(r->ram[REG_B] & B_SET) && (r->ram[REG_A] & 0x70) == 0x20; }

/* ---- flags and interrupts ---- */

/* MC146818A, "Periodic Interrupt Rate": cycles between ticks, 0 = none */
static uint64_t periodic_hz(const struct rtc *r) {
    unsigned rate = r->ram[REG_A] & A_RATE;
    if (!rate) return 0;
    return rate < 3 ? 512u >> rate : 65536u >> rate; /* rates 1 and 2 repeat 8 and 9: 256 and 128 Hz */
}

static bool alarm_matches(const struct rtc *r, int64_t t) {
    int64_t rest = t % 86400;
    if (rest < 0) rest += 86400;
    const struct {
        uint8_t set;
        int64_t now;
        bool hour;
    } f[3] = {
        {r->ram[SEC_ALARM],  rest % 60,      false},
        {r->ram[MIN_ALARM],  rest / 60 % 60, false},
        {r->ram[HOUR_ALARM], rest / 3600,    true }
    };
    for (unsigned i = 0; i < 3; i++) {
        if ((f[i].set & 0xC0) == 0xC0) continue; /* "don't care" */
        if ((f[i].hour ? decode_hour(r, f[i].set) : decode(r, f[i].set)) != f[i].now) return false;
    }
    return true;
}

/* Set the flags of everything that happened since they were last computed. */
static void catch_up(struct rtc *r) {
    uint64_t now = whole_seconds(r), hz = periodic_hz(r);
    if (running(r) && now > r->seen_second) {
        r->ram[REG_C] |= C_UF;
        uint64_t first = now - r->seen_second > 86400 ? now - 86400 : r->seen_second;
        for (uint64_t s = first + 1; s <= now && !(r->ram[REG_C] & C_AF); s++)
            if (alarm_matches(r, r->base + (int64_t)s)) r->ram[REG_C] |= C_AF;
    }
    r->seen_second = now;
    uint64_t tick = hz ? ticks_of_cycles(machine_now(r->dev.machine), hz) : 0;
    if (tick > r->seen_tick) r->ram[REG_C] |= C_PF;
    r->seen_tick = tick;
}

static void update(struct rtc *r) {
    struct machine *m = r->dev.machine;
    catch_up(r);
    bool irq = (r->ram[REG_C] & r->ram[REG_B] & (C_PF | C_AF | C_UF)) != 0;
    r->ram[REG_C] = (uint8_t)((r->ram[REG_C] & ~C_IRQF) | (irq ? C_IRQF : 0));
    machine_set_irq(m, RTC_IRQ, irq);
    uint64_t due = ~0ull;
    if (running(r) && (r->ram[REG_B] & (B_AIE | B_UIE))) due = (r->seen_second + 1) * CYCLES_PER_SEC;
    if ((r->ram[REG_B] & B_PIE) && periodic_hz(r)) {
        uint64_t tick = cycles_of_ticks(r->seen_tick + 1, periodic_hz(r));
        if (tick < due) due = tick;
    }
    if (due != ~0ull && !irq)
        timer_arm(m, &r->timer, due);
    else
        timer_cancel(m, &r->timer); /* an interrupt that was not answered (REG_C not read) blocks the next */
}

static void timer_expired(void *arg) { update(arg); }

/* ---- ports ---- */

static bool is_time(unsigned reg) {
    return reg == SEC || reg == MIN || reg == HOUR || (reg >= WDAY && reg <= YEAR) || reg == CENTURY;
}

static uint8_t read_reg(struct rtc *r, unsigned reg) {
    if (is_time(reg) && running(r)) show(r, r->base + (int64_t)whole_seconds(r));
    if (reg == REG_A) {
        uint64_t left = CYCLES_PER_SEC - machine_now(r->dev.machine) % CYCLES_PER_SEC;
        return (uint8_t)((r->ram[REG_A] & ~A_UIP) | (running(r) && left <= UPDATE_NS ? A_UIP : 0));
    }
    if (reg == REG_C) { /* reading clears the flags */
        update(r);
        uint8_t flags = r->ram[REG_C];
        r->ram[REG_C] = 0;
        update(r);
        return flags;
    }
    return r->ram[reg];
}

static void write_reg(struct rtc *r, unsigned reg, uint8_t val) {
    catch_up(r);
    bool was_running = running(r);
    if (was_running) show(r, r->base + (int64_t)whole_seconds(r));
    if (reg == REG_C || reg == REG_D) return;
    if (reg == REG_A) val &= (uint8_t)~A_UIP;
    if (reg == REG_B && (val & B_SET)) val &= (uint8_t)~B_UIE;
    r->ram[reg] = val;
    if (running(r) && (is_time(reg) || !was_running)) r->base = shown(r) - (int64_t)whole_seconds(r);
    if (reg == REG_A) r->seen_tick = periodic_hz(r) ? ticks_of_cycles(machine_now(r->dev.machine), periodic_hz(r)) : 0;
    if (reg == REG_A || reg == REG_B) update(r);
}

static uint64_t rtc_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    struct rtc *r = (struct rtc *)d;
    (void)range, (void)size;
    return offset ? read_reg(r, r->index) : 0xFF;
}

static void rtc_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct rtc *r = (struct rtc *)d;
    (void)range, (void)size;
    if (offset)
        write_reg(r, r->index, (uint8_t)val);
    else
        r->index = val & 0x7F; /* bit 7 masks NMI on a PC; no device of this board raises one */
}

/* What firmware writes about memory. */
static void fill_memory_size(struct rtc *r) {
    const struct machine *m = r->dev.machine;
    uint64_t extended = (m->low_size >> 10) - 1024;                                   /* KiB above 1 MiB */
    uint64_t above16 = m->low_size > 16 << 20 ? (m->low_size - (16 << 20)) >> 16 : 0; /* 64 KiB above 16 MiB */
    uint64_t high = (m->ram_size - m->low_size) >> 16;                                /* 64 KiB above 4 GiB */
    if (extended > 0xFFFF) extended = 0xFFFF;
    const struct {
        uint8_t reg;
        uint64_t value;
        unsigned bytes;
    } fields[] = {
        {0x15, 640,              2},
        {0x17, extended,         2},
        {0x30, extended,         2},
        {0x34, above16,          2},
        {0x5B, high,             3},
        {0x5F, m->cpu_count - 1, 1}
    };
    for (unsigned i = 0; i < sizeof fields / sizeof fields[0]; i++)
        for (unsigned b = 0; b < fields[i].bytes; b++) r->ram[fields[i].reg + b] = (uint8_t)(fields[i].value >> 8 * b);
    r->ram[0x14] = 0x04 | (model_has(m->model, FEAT_FPU) ? 0x02 : 0); /* equipment: mouse, coprocessor, VGA */
}

static void rtc_reset(struct device *d) {
    struct rtc *r = (struct rtc *)d;
    r->ram[REG_A] = 0x26; /* 32768 Hz crystal, 1024 Hz periodic rate */
    r->ram[REG_B] = B_24H;
    r->ram[REG_C] = 0;
    r->ram[REG_D] = D_VALID;
    r->seen_second = whole_seconds(r);
    fill_memory_size(r);
    update(r);
}

static const struct device_ops rtc_ops = {.name = "RTC", .reset = rtc_reset, .read = rtc_read, .write = rtc_write};

struct device *rtc_create(struct machine *m, int64_t start, bool cdrom_first) {
    struct rtc *r = device_alloc(m, sizeof *r, &rtc_ops);
    if (!r) return NULL;
    r->base = start;
    r->ram[BOOT_ORDER] = cdrom_first ? BOOT_CDROM | BOOT_DISK << 4 : BOOT_DISK | BOOT_CDROM << 4;
    r->ram[BOOT_FLAGS] = BOOT_NO_FLOPPY_CHECK;
    timer_init(&r->timer, timer_expired, r);
    machine_map_ports(m, &r->dev, 0, 0x70, 2);
    return &r->dev;
}
