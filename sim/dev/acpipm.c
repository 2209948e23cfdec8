/* ACPI power management, ports 600H-60BH: PM1 event and control blocks and the 24-bit PM timer at 608H.
 * Source: ACPI specification, "PM1 Event Grouping", "PM1 Control Grouping", "Power Management Timer". */
#include "sim/dev/dev.h"

#define PM_BASE 0x600
#define PM_HZ   3579545ull
#define PM_SIZE 12
#define SCI_IRQ 9

#define STS_TIMER      (1u << 0)
#define STS_BITS       0x8731u /* timer, bus master, global, power and sleep button, RTC, wake */
#define EN_BITS        0x0721u
#define CNT_SCI_EN     (1u << 0)
#define CNT_SLP_EN     (1u << 13)
#define CNT_SLP_TYP(v) ((v) >> 10 & 7)
#define SLP_TYP_S5     5 /* what the board's \_S5 says; 0 is accepted too, as the PIIX4 has it */

struct acpipm {
    struct device dev;
    uint16_t status, enable, control;
    uint64_t seen; /* ticks of the PM timer at which its status bit was last looked at */
};

static uint64_t pm_ticks(const struct acpipm *p) { return ticks_of_cycles(machine_now(p->dev.machine), PM_HZ); }

/* TMR_STS is set whenever bit 23 of the timer changes. Interrupts of it are not modelled: it is read. */
static void look_at_timer(struct acpipm *p) {
    uint64_t now = pm_ticks(p);
    if (now >> 23 != p->seen >> 23) p->status |= STS_TIMER;
    p->seen = now;
}

static uint8_t read_byte(struct acpipm *p, unsigned offset) {
    static const uint8_t part[PM_SIZE] = {0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 4};
    unsigned shift = offset < 8 ? 8 * (offset & 1) : 8 * (offset & 3);
    if (part[offset] == 0) look_at_timer(p);
    const uint64_t value[5] = {p->status, p->enable, p->control, 0, pm_ticks(p) & 0xFFFFFF};
    return (uint8_t)(value[part[offset]] >> shift);
}

static uint64_t acpipm_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    uint64_t val = 0;
    (void)range;
    for (unsigned i = 0; i < size; i++) val |= (uint64_t)read_byte((struct acpipm *)d, (unsigned)offset + i) << 8 * i;
    return val;
}

static void write_control(struct acpipm *p, uint16_t val) {
    p->control = (uint16_t)((val & ~CNT_SLP_EN) | CNT_SCI_EN);
    unsigned type = CNT_SLP_TYP(val);
    if ((val & CNT_SLP_EN) && (type == SLP_TYP_S5 || type == 0)) machine_stop(p->dev.machine, STOP_POWEROFF);
}

static void write_byte(struct acpipm *p, unsigned offset, uint8_t val) {
    unsigned shift = 8 * (offset & 1);
    uint16_t keep = (uint16_t) ~(0xFFu << shift), bits = (uint16_t)(val << shift);
    switch (offset >> 1) {
    case 0:
        look_at_timer(p);
        p->status &= (uint16_t)~bits; /* write 1 to clear */
        break;
    case 1:
        p->enable = (uint16_t)(((p->enable & keep) | bits) & EN_BITS);
        break;
    case 2:
        write_control(p, (uint16_t)((p->control & keep) | bits));
        break;
    default:
        break;
    }
}

static void acpipm_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    (void)range;
    for (unsigned i = 0; i < size; i++) write_byte((struct acpipm *)d, (unsigned)offset + i, (uint8_t)(val >> 8 * i));
}

static void acpipm_reset(struct device *d) {
    struct acpipm *p = (struct acpipm *)d;
    p->status = p->enable = 0;
    p->control = CNT_SCI_EN; /* always in ACPI mode */
    p->seen = pm_ticks(p);
}

static const struct device_ops acpipm_ops = {
    .name = "ACPI PM", .reset = acpipm_reset, .read = acpipm_read, .write = acpipm_write, .port_width = 4};

struct device *acpipm_create(struct machine *m) {
    struct acpipm *p = device_alloc(m, sizeof *p, &acpipm_ops);
    if (p) machine_map_ports(m, &p->dev, 0, PM_BASE, PM_SIZE);
    return p ? &p->dev : NULL;
}
