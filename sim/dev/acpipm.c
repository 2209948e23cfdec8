/* ACPI power management, as part of two chips: PM1 event and control blocks, the 24-bit PM timer, general-purpose
 * events, and SMIs by the APM ports B2H and B3H. ACPI specification, "ACPI Hardware Specification"; Intel 82371AB
 * (PIIX4) data sheet, "Power Management I/O Registers"; Intel ICH9 data sheet, "Power Management I/O Registers" and
 * "TCO Registers". The board is always in ACPI mode: SCI_EN is 1. */
#include <string.h>

#include "sim/dev/chipset.h"
#include "sim/dev/dev.h"

#define PM_HZ        3579545ull
#define PM_MAX       128
#define APM_PORT     0xB2
#define TIMER_TOGGLE 23 /* TMR_STS is set whenever this bit of the timer changes */

enum pm_range { RANGE_PM, RANGE_APM };
enum { PM1_STS = 0, PM1_EN = 2, PM1_CNT = 4, PM_TMR = 8 };
enum { STS_TIMER = 1 << 0, STS_POWER_BUTTON = 1 << 8, CNT_SCI_EN = 1 << 0, CNT_SLP_EN = 1 << 13 };
#define CNT_SLP_TYP(v) ((v) >> 10 & 7)
#define SLP_TYP_OFF    0 /* the PIIX4's soft off; firmware for simulated PCs writes it on every chipset */

enum { PIIX4_GLBSTS = 0x18, PIIX4_GLBCTL = 0x28, PIIX4_APM_STS = 1 << 5, PIIX4_SMI_EN = 1 << 0 };
enum { ICH9_SMI_EN = 0x30, ICH9_SMI_STS = 0x34, ICH9_GBL_SMI_EN = 1 << 0, ICH9_APMC = 1 << 5 };
enum { ICH9_GPE_CNTL = 0x42, ICH9_SWGPE = 1 << 2 /* in GPE0_STS */, ICH9_SWGPE_CTRL = 1 << 1 };

struct pm_register {
    uint8_t at, bytes;
    uint32_t writable, cleared /* by a 1 */, initial;
};

static const struct pm_register piix4_registers[] = {
    {PM1_STS,      2, 0,          0x8531,     0         },
    {PM1_EN,       2, 0x0521,     0,          0         },
    {PM1_CNT,      2, 0x3C02,     0,          CNT_SCI_EN},
    {0x0C,         2, 0,          0x0F01,     0         }, /* GPSTS */
    {0x0E,         2, 0x0F01,     0,          0         }, /* GPEN */
    {0x10,         4, 0x0003FE1E, 0,          0         },
    {PIIX4_GLBSTS, 2, 0,          0x0C7F,     0         },
    {0x1C,         4, 0,          0x3FFF0000, 0         }, /* DEVSTS */
    {0x20,         2, 0x0F7F,     0,          0         }, /* GLBEN */
    {PIIX4_GLBCTL, 4, 0x07FFFF07, 0,          0         },
    {0x2C,         4, 0x3FFFFFFF, 0,          0         }, /* DEVCTL */
    {0x34,         4, 0x7FFFFFFF, 0,          0x7FFFBFFF}, /* GPOREG */
};
static const struct pm_register ich9_registers[] = {
    {PM1_STS,       2, 0,               0xCD31,     0         },
    {PM1_EN,        2, 0x4521,          0,          0         },
    {PM1_CNT,       2, 0x3C02,          0,          CNT_SCI_EN},
    {0x10,          4, 0x0001FE1E,      0,          0         },
    {0x20,          4, 0,               0xFFFFFFFF, 0         }, /* GPE0_STS */
    {0x24,          4, 0,               0xFFFFFFFF, 0         },
    {0x28,          4, 0xFFFFFFFF,      0,          0         }, /* GPE0_EN */
    {0x2C,          4, 0xFFFFFFFF,      0,          0         },
    {ICH9_SMI_EN,   4, 0x0E06793B,      0,          0x00000002},
    {ICH9_SMI_STS,  4, 0,               0x0821EFE0, 0         },
    {0x38,          2, 0xFFFF,          0,          0         }, /* ALT_GP_SMI_EN */
    {ICH9_GPE_CNTL, 1, ICH9_SWGPE_CTRL, 0,          0         },
    {0x60,          2, 0x03FF,          0,          0         }, /* TCO: the watchdog is halted and stays so */
    {0x62,          2, 0xFFFF,          0,          0         },
    {0x68,          2, 0x0300,          0,          0x0800    },
    {0x6A,          2, 0x003E,          0,          0x0008    },
    {0x6C,          2, 0xFFFF,          0,          0         },
    {0x70,          1, 0x03,            0,          0x03      },
    {0x72,          2, 0x03FF,          0,          0x0004    },
};

static const struct pm_chip {
    const struct pm_register *registers;
    unsigned count;
    uint16_t size;
    uint8_t gpe_status, gpe_enable, gpe_bytes;
    uint8_t s5_type;
    uint8_t smi_control, smi_status; /* places */
    uint32_t smi_enabled, apm_status;
} chips[] = {
    [PM_PIIX4] = {piix4_registers, sizeof piix4_registers / sizeof piix4_registers[0], 64,  0x0C, 0x0E, 2, SLP_TYP_OFF,
                  PIIX4_GLBCTL,                                                                                                      PIIX4_GLBSTS, PIIX4_SMI_EN,                PIIX4_APM_STS},
    [PM_ICH9] = {ich9_registers,  sizeof ich9_registers / sizeof ich9_registers[0],   128, 0x20, 0x28, 8, 7,           ICH9_SMI_EN,
                  ICH9_SMI_STS,                                                                                                                    ICH9_GBL_SMI_EN | ICH9_APMC, ICH9_APMC    },
};

struct acpipm {
    struct device dev;
    const struct pm_chip *chip;
    struct pm_host host;
    uint16_t base; /* 0: not decoded */
    uint8_t reg[PM_MAX], writable[PM_MAX], cleared[PM_MAX];
    uint8_t apm[2]; /* command and status, as last written */
    uint64_t seen;  /* ticks of the PM timer at which its status bit was last looked at */
    struct timer timer;
};

static uint32_t get(const struct acpipm *p, unsigned at, unsigned bytes) {
    uint32_t val = 0;
    for (unsigned i = 0; i < bytes; i++) val |= (uint32_t)p->reg[at + i] << 8 * i;
    return val;
}
static void put(uint8_t *reg, unsigned at, unsigned bytes, uint32_t val) {
    for (unsigned i = 0; i < bytes; i++) reg[at + i] = (uint8_t)(val >> 8 * i);
}

/* ---- timer, events, SCI ---- */

static uint64_t pm_ticks(const struct acpipm *p) { return ticks_of_cycles(machine_now(p->dev.machine), PM_HZ); }

static void look_at_timer(struct acpipm *p) {
    uint64_t now = pm_ticks(p);
    if (now >> TIMER_TOGGLE != p->seen >> TIMER_TOGGLE) p->reg[PM1_STS] |= STS_TIMER;
    p->seen = now;
}

static bool event_pending(const struct acpipm *p) {
    uint8_t any = 0;
    for (unsigned i = 0; i < 2; i++) any |= p->reg[PM1_STS + i] & p->reg[PM1_EN + i];
    for (unsigned i = 0; i < p->chip->gpe_bytes; i++)
        any |= p->reg[p->chip->gpe_status + i] & p->reg[p->chip->gpe_enable + i];
    return any;
}

static void update(struct acpipm *p) {
    struct machine *m = p->dev.machine;
    look_at_timer(p);
    p->host.set_sci(p->host.bridge, event_pending(p));
    if ((p->reg[PM1_EN] & STS_TIMER) && !(p->reg[PM1_STS] & STS_TIMER))
        timer_arm(m, &p->timer, cycles_of_ticks(((p->seen >> TIMER_TOGGLE) + 1) << TIMER_TOGGLE, PM_HZ));
    else
        timer_cancel(m, &p->timer);
}

static void timer_expired(void *arg) { update(arg); }

void acpipm_power_button(struct device *d) {
    struct acpipm *p = (struct acpipm *)d;
    put(p->reg, PM1_STS, 2, get(p, PM1_STS, 2) | STS_POWER_BUTTON);
    update(p);
}

void acpipm_lock_smi(struct device *d, bool lock) {
    struct acpipm *p = (struct acpipm *)d;
    uint8_t bit = (uint8_t)(p->chip->smi_enabled & ICH9_GBL_SMI_EN), *mask = &p->writable[p->chip->smi_control];
    *mask = (uint8_t)(lock ? *mask & ~bit : *mask | bit);
}

/* ---- registers ---- */

static uint8_t read_byte(struct acpipm *p, unsigned at) {
    if (at >= PM_TMR && at < PM_TMR + 4) return (uint8_t)((pm_ticks(p) & 0xFFFFFF) >> 8 * (at - PM_TMR));
    if (at < PM1_STS + 2) look_at_timer(p);
    return p->reg[at];
}

static void control_written(struct acpipm *p) {
    uint32_t control = get(p, PM1_CNT, 2), type = CNT_SLP_TYP(control);
    if (!(control & CNT_SLP_EN)) return;
    put(p->reg, PM1_CNT, 2, control & ~(uint32_t)CNT_SLP_EN);
    if (type == SLP_TYP_OFF || type == p->chip->s5_type) machine_stop(p->dev.machine, STOP_POWEROFF);
}

/* ICH9, "GPE_CNTL": while SWGPE_CTRL is 1, SWGPE_STS is set. */
static void software_event(struct acpipm *p) {
    if (p->chip == &chips[PM_ICH9] && (p->reg[ICH9_GPE_CNTL] & ICH9_SWGPE_CTRL))
        p->reg[p->chip->gpe_status] |= ICH9_SWGPE;
}

/* ---- SMI ---- */

/* The SMI reaches the processor that wrote, as firmware for simulated PCs expects; the others may not be started yet.
 */
static void apm_written(struct acpipm *p) {
    struct machine *m = p->dev.machine;
    const struct pm_chip *c = p->chip;
    if ((get(p, c->smi_control, 4) & c->smi_enabled) != c->smi_enabled) return;
    if (p->host.apm_smi && !p->host.apm_smi(p->host.function)) return;
    put(p->reg, c->smi_status, 2, get(p, c->smi_status, 2) | c->apm_status);
    cpu_attention(m->running ? m->running : m->cpu[0], ATTN_SMI);
}

/* ---- accesses ---- */

static uint64_t acpipm_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    struct acpipm *p = (struct acpipm *)d;
    uint64_t val = 0;
    for (unsigned i = 0; i < size; i++) {
        unsigned at = (unsigned)(offset + i);
        val |= (uint64_t)(range == RANGE_APM ? p->apm[at & 1] : read_byte(p, at % PM_MAX)) << 8 * i;
    }
    return val;
}

static void acpipm_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct acpipm *p = (struct acpipm *)d;
    if (range == RANGE_APM) {
        for (unsigned i = 0; i < size; i++) p->apm[(offset + i) & 1] = (uint8_t)(val >> 8 * i);
        if (!(offset & 1)) apm_written(p);
        return;
    }
    look_at_timer(p);
    for (unsigned i = 0; i < size; i++) {
        unsigned at = (unsigned)(offset + i) % PM_MAX;
        uint8_t byte = (uint8_t)(val >> 8 * i), *reg = &p->reg[at];
        *reg = (uint8_t)(((*reg & ~p->writable[at]) | (byte & p->writable[at])) & ~(byte & p->cleared[at]));
    }
    control_written(p);
    software_event(p);
    update(p);
}

void acpipm_move(struct device *d, uint16_t base) {
    struct acpipm *p = (struct acpipm *)d;
    if (base == p->base) return;
    machine_unmap_ports(d->machine, d, RANGE_PM);
    if (base) machine_map_ports(d->machine, d, RANGE_PM, base, p->chip->size);
    p->base = base;
}

uint16_t acpipm_base(const struct device *d) { return ((const struct acpipm *)d)->base; }

static void acpipm_reset(struct device *d) {
    struct acpipm *p = (struct acpipm *)d;
    memset(p->reg, 0, sizeof p->reg);
    memset(p->apm, 0, sizeof p->apm);
    for (unsigned i = 0; i < p->chip->count; i++) {
        const struct pm_register *r = &p->chip->registers[i];
        put(p->reg, r->at, r->bytes, r->initial);
        put(p->writable, r->at, r->bytes, r->writable);
        put(p->cleared, r->at, r->bytes, r->cleared);
    }
    p->seen = pm_ticks(p);
    update(p);
}

static const struct device_ops acpipm_ops = {
    .name = "ACPI PM", .reset = acpipm_reset, .read = acpipm_read, .write = acpipm_write, .port_width = 4};

struct device *acpipm_create(struct machine *m, enum pm_kind kind, const struct pm_host *host) {
    struct acpipm *p = device_alloc(m, sizeof *p, &acpipm_ops);
    if (!p) return NULL;
    p->chip = &chips[kind];
    p->host = *host;
    timer_init(&p->timer, timer_expired, p);
    machine_map_ports(m, &p->dev, RANGE_APM, APM_PORT, 2);
    return &p->dev;
}
