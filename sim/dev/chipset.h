/* What the host bridges, ISA bridges and power-management blocks share, and what the tables for operating systems need
 * to know of them. */
#ifndef HVSIM_DEV_CHIPSET_H
#define HVSIM_DEV_CHIPSET_H

#include "sim/dev/pci.h"

/* Subsystem of the board's own functions: what firmware for simulated PCs looks for */
#define BOARD_VENDOR    0x1AF4
#define BOARD_SUBSYSTEM 0x1100

/* ---- the two chipsets ---- */

/* One write to a configuration space, as firmware makes it. */
struct config_write {
    uint8_t devfn, off, size;
    uint32_t val;
};

struct chipset {
    uint64_t low_memory_max;  /* RAM beyond it is found at 4 GiB */
    uint64_t window;          /* memory of PCI functions: from here to WINDOW_END */
    uint64_t ecam;            /* where set-up puts the extended configuration space; 0: there is none */
    uint8_t pm_devfn;         /* the function that has the PM base address at 40H */
    uint8_t gpe_at, gpe_size; /* of the GPE0 block, from the PM base on */
    uint8_t s5_type;          /* SLP_TYP that switches off */
    const struct config_write *setup;
    unsigned setup_count;
};
#define ECAM_SIZE  (256ull << 20)
#define WINDOW_END 0xFEC00000ull /* the I/O APIC's page is the first that is not theirs */
#define PORTS_FROM 0xC000u       /* ports of PCI functions: from here to the end */

extern const struct chipset chipset_pc, chipset_q35;

/* The 64-bit window: behind RAM, as large as one MTRR covers. size 0: physical addresses end before it. */
struct pci_window {
    uint64_t base, size;
};
struct pci_window chipset_high_window(const struct machine *m);

bool i440fx_create(struct machine *m);
bool piix_create(struct machine *m);
bool q35_create(struct machine *m);
struct pci_window q35_ecam(const struct machine *m); /* size 0: off */
bool ich9_create(struct machine *m);

/* What firmware does with the chipset and the PCI functions before it starts a loader (sim/machine/platform.c). */
void platform_setup(struct machine *m);

/* ---- what a host bridge makes of memory below 1 MiB and of SMRAM (dram.c) ---- */

enum { DRAM_SEGMENTS = 13, DRAM_PAM_REGISTERS = 7 };
enum dram_range { DRAM_HOLE = DRAM_SEGMENTS, DRAM_SMRAM, DRAM_TSEG, DRAM_RANGES };
struct dram {
    struct device *owner;           /* of the windows; its own ranges begin at DRAM_RANGES */
    uint8_t segment[DRAM_SEGMENTS]; /* what is in force: attribute bits */
    uint8_t smram;                  /* enum dram_smram */
    uint32_t tseg;                  /* bytes that only SMM sees at the end of low memory */
};
enum dram_smram { SMRAM_OFF, SMRAM_IN_SMM, SMRAM_OPEN };
/* The SMRAM control registers of both bridges have the same bits. */
enum { SMRAM_SEGMENT = 0x02, SMRAM_ENABLE = 0x08, SMRAM_LOCK = 0x10, SMRAM_CLOSE = 0x20, SMRAM_D_OPEN = 0x40 };
void dram_init(struct dram *d, struct device *owner);
void dram_set_pam(struct dram *d, const uint8_t reg[DRAM_PAM_REGISTERS]);
void dram_set_smram(struct dram *d, uint8_t control);
void dram_set_tseg(struct dram *d, uint32_t size);

/* ---- interrupt routing of an ISA bridge (pirq.c) ---- */

#define PIRQS 8
struct pirq {
    struct machine *machine;
    uint8_t route[PIRQS]; /* bit 7: to no ISA interrupt; bits 3:0: which */
    uint8_t level;        /* of the inputs */
    uint8_t sci_irq;
    bool sci;
    uint32_t lines; /* interrupt lines that are asserted */
};
#define PIRQ_OFF 0x80
void pirq_update(struct pirq *p);
void pirq_set_input(struct pirq *p, unsigned n, bool level);
void pirq_set_sci(struct pirq *p, bool level);

/* ---- ACPI power management (acpipm.c) ---- */

enum pm_kind { PM_PIIX4, PM_ICH9 };
struct pm_host { /* what it reaches of the chip that it is part of */
    void (*set_sci)(struct device *bridge, bool level);
    bool (*apm_smi)(const struct device *function); /* is a write to port B2H to raise an SMI? */
    struct device *bridge, *function;
};
struct device *acpipm_create(struct machine *m, enum pm_kind kind, const struct pm_host *host);
void acpipm_move(struct device *pm, uint16_t base); /* 0: not decoded */
uint16_t acpipm_base(const struct device *pm);
void acpipm_lock_smi(struct device *pm, bool lock);
void acpipm_power_button(struct device *pm);

#endif
