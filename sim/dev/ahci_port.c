/* The registers of an AHCI port: AHCI 1.3.1, "Port Registers". */
#include <string.h>

#include "sim/dev/ahci.h"

enum port_register {
    PORT_CLB = 0x00,
    PORT_CLBU = 0x04,
    PORT_FB = 0x08,
    PORT_FBU = 0x0C,
    PORT_IS = 0x10,
    PORT_IE = 0x14,
    PORT_CMD = 0x18,
    PORT_TFD = 0x20,
    PORT_SIG = 0x24,
    PORT_SSTS = 0x28,
    PORT_SCTL = 0x2C,
    PORT_SERR = 0x30,
    PORT_SACT = 0x34,
    PORT_CI = 0x38,
};

#define CMD_SUD       (1u << 1)
#define CMD_POD       (1u << 2)
#define CMD_CLO       (1u << 3)
#define CMD_CCS       (31u << AHCI_CMD_CCS_SHIFT)
#define CMD_FR        (1u << 14)
#define CMD_CR        (1u << 15)
#define CMD_WRITABLE  (AHCI_CMD_ST | AHCI_CMD_FRE | 1u << 24 | 1u << 25) /* and ATAPI, DLAE: software's notes */
#define CLB_MASK      0xFFFFFC00u
#define FB_MASK       0xFFFFFF00u
#define IS_CLEARED    0x7DC000AFu /* the others follow SERR */
#define IE_WRITABLE   0x7DC000FFu
#define SCTL_WRITABLE 0xFFFu
#define SCTL_DET      15u
#define SERR_X        (1u << 26)
#define LINK_UP       0x123u /* present and communicating, 3 Gb/s, active */
#define TFD_NONE      0x7Fu

#define COMMAND_CYCLES 20000u /* from the issue to the end, without the data's time */

static struct machine *machine_of(const struct ahci_port *p) { return p->ahci->pci.dev.machine; }

static void on_timer(void *arg) {
    struct ahci_port *p = arg;
    uint64_t before = machine_now(machine_of(p));
    ahci_run_next(p);
    /* the next command waits for this one's data */
    if (p->ci && !p->halted) timer_arm(machine_of(p), &p->timer, before + COMMAND_CYCLES + p->data_cycles);
}

/* "Software Initialization of HBA", "COMRESET": the device sends its signature. */
static void comreset(struct ahci_port *p) {
    p->ssts = 0;
    p->tfd = TFD_NONE;
    p->sig = 0xFFFFFFFF;
    if (!p->present) return;
    ata_reset(&p->drive);
    p->ssts = LINK_UP;
    p->serr |= SERR_X;
    p->is |= AHCI_PCS;
    ahci_send_registers(p, false);
    p->sig = (uint32_t)p->drive.regs.lba[2] << 24 | (uint32_t)p->drive.regs.lba[1] << 16 |
             (uint32_t)p->drive.regs.lba[0] << 8 | p->drive.regs.count[0];
}

static void stop(struct ahci_port *p) {
    timer_cancel(machine_of(p), &p->timer);
    p->cmd &= ~(CMD_CCS | CMD_CR | AHCI_CMD_ST);
    p->ci = p->sact = 0;
    p->halted = false;
    p->last_slot = AHCI_SLOTS - 1;
}

/* "HBA Reset": where the command list and the received frames lie stays. */
void ahci_port_reset(struct ahci_port *p) {
    if (!p->timer.fn) timer_init(&p->timer, on_timer, p);
    stop(p);
    p->is = p->ie = p->sctl = p->serr = 0;
    p->cmd = CMD_SUD | CMD_POD;
    p->soft_reset = false;
    comreset(p);
    ahci_update_interrupt(p->ahci);
}

static void write_cmd(struct ahci_port *p, uint32_t val) {
    if ((p->cmd & AHCI_CMD_ST) && !(val & AHCI_CMD_ST)) stop(p);
    p->cmd = (p->cmd & ~CMD_WRITABLE) | (val & CMD_WRITABLE);
    if ((val & CMD_CLO) && !(val & AHCI_CMD_ST)) p->tfd &= ~(uint32_t)(ATA_STATUS_BSY | ATA_STATUS_DRQ);
    p->cmd = (p->cmd & ~(CMD_FR | CMD_CR)) | (p->cmd & AHCI_CMD_FRE ? CMD_FR : 0) | (p->cmd & AHCI_CMD_ST ? CMD_CR : 0);
}

/* DET 1 holds the link in reset, until it is 0 again. */
static void write_sctl(struct ahci_port *p, uint32_t val) {
    uint32_t before = p->sctl & SCTL_DET, now = val & SCTL_DET;
    p->sctl = val & SCTL_WRITABLE;
    if (now == 1 && before != 1) {
        stop(p);
        p->ssts = 0;
        p->tfd = TFD_NONE;
    } else if (now == 4) {
        p->ssts = 4; /* offline */
    } else if (now == 0 && before) {
        comreset(p);
    }
}

static void issue(struct ahci_port *p, uint32_t slots) {
    if (!(p->cmd & AHCI_CMD_ST)) return;
    p->ci |= slots;
    if (!p->ci || p->halted || p->timer.armed) return;
    p->data_cycles = 0;
    timer_arm(machine_of(p), &p->timer, machine_now(machine_of(p)) + COMMAND_CYCLES);
}

uint32_t ahci_port_read(const struct ahci_port *p, unsigned offset) {
    switch (offset) {
    case PORT_CLB:
        return (uint32_t)p->clb;
    case PORT_CLBU:
        return (uint32_t)(p->clb >> 32);
    case PORT_FB:
        return (uint32_t)p->fb;
    case PORT_FBU:
        return (uint32_t)(p->fb >> 32);
    case PORT_IS:
        return p->is;
    case PORT_IE:
        return p->ie;
    case PORT_CMD:
        return p->cmd;
    case PORT_TFD:
        return p->tfd;
    case PORT_SIG:
        return p->sig;
    case PORT_SSTS:
        return p->ssts;
    case PORT_SCTL:
        return p->sctl;
    case PORT_SERR:
        return p->serr;
    case PORT_SACT:
        return p->sact;
    case PORT_CI:
        return p->ci;
    default:
        return 0;
    }
}

static void put_half(uint64_t *reg, bool high, uint32_t val, uint32_t mask) {
    unsigned shift = high ? 32 : 0;
    *reg = (*reg & ~((uint64_t)mask << shift)) | (uint64_t)(val & mask) << shift;
}

void ahci_port_write(struct ahci_port *p, unsigned offset, uint32_t val, uint32_t mask) {
    const uint32_t merged = (ahci_port_read(p, offset) & ~mask) | val;
    switch (offset) {
    case PORT_CLB:
    case PORT_CLBU:
        put_half(&p->clb, offset == PORT_CLBU, merged, offset == PORT_CLB ? CLB_MASK : ~0u);
        break;
    case PORT_FB:
    case PORT_FBU:
        put_half(&p->fb, offset == PORT_FBU, merged, offset == PORT_FB ? FB_MASK : ~0u);
        break;
    case PORT_IS:
        p->is &= ~(val & IS_CLEARED);
        break;
    case PORT_IE:
        p->ie = merged & IE_WRITABLE;
        break;
    case PORT_CMD:
        write_cmd(p, merged);
        break;
    case PORT_SCTL:
        write_sctl(p, merged);
        break;
    case PORT_SERR:
        p->serr &= ~val;
        if (!(p->serr & SERR_X)) p->is &= ~(uint32_t)AHCI_PCS;
        break;
    case PORT_SACT:
        if (p->cmd & AHCI_CMD_ST) p->sact |= val;
        break;
    case PORT_CI:
        issue(p, val);
        break;
    default:
        break;
    }
    ahci_update_interrupt(p->ahci);
}
