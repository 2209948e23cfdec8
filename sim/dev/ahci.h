/* The AHCI function of an ICH9: six SATA ports with a device each. AHCI specification 1.3.1; Serial ATA 2.6 for the
 * frames; Intel I/O Controller Hub 9 data sheet for what is its own. */
#ifndef HVSIM_DEV_AHCI_H
#define HVSIM_DEV_AHCI_H

#include "sim/dev/ata.h"
#include "sim/dev/pci.h"

#define AHCI_PORTS 6u
#define AHCI_SLOTS 32u

struct ahci_port { /* registers have the specification's names, without Px */
    struct ahci *ahci;
    unsigned number;
    bool present;
    uint64_t clb, fb;
    uint32_t is, ie, cmd, tfd, sig, ssts, sctl, serr, sact, ci;
    bool halted;          /* an error: no command is fetched until ST was 0 */
    unsigned last_slot;   /* whose command was fetched last */
    uint64_t data_cycles; /* how long the data of the last command takes */
    bool soft_reset;      /* between the two frames of a software reset */
    struct timer timer;
    struct ata_drive drive;
};

struct ahci {
    struct pci_device pci;
    uint32_t ghc, is, index; /* index: of the index/data pair */
    struct ahci_port port[AHCI_PORTS];
};

/* ahci.c: the function and its registers */
struct ahci *ahci_create(struct machine *m, uint8_t devfn);
bool ahci_attach(struct ahci *a, struct disk *disk, bool cdrom, unsigned number); /* false: all ports are taken */
void ahci_update_interrupt(struct ahci *a);

/* ahci_port.c: registers of a port, by their offset */
void ahci_port_reset(struct ahci_port *p);
uint32_t ahci_port_read(const struct ahci_port *p, unsigned offset);
void ahci_port_write(struct ahci_port *p, unsigned offset, uint32_t val, uint32_t mask); /* mask: bytes written */

/* ahci_command.c */
enum ahci_frame { AHCI_PIO_SETUP = 0x20, AHCI_REGISTER = 0x40, AHCI_SET_DEVICE_BITS = 0x58 }; /* where it is received */
enum ahci_interrupt {                                                                         /* bits of PxIS */
                      AHCI_DHRS = 1u << 0,
                      AHCI_PSS = 1u << 1,
                      AHCI_SDBS = 1u << 3,
                      AHCI_DPS = 1u << 5,
                      AHCI_PCS = 1u << 6,
                      AHCI_OFS = 1u << 24,
                      AHCI_IFS = 1u << 27,
                      AHCI_HBFS = 1u << 29,
                      AHCI_TFES = 1u << 30,
};
enum { AHCI_CMD_ST = 1 << 0, AHCI_CMD_FRE = 1 << 4, AHCI_CMD_CCS_SHIFT = 8 };
void ahci_run_next(struct ahci_port *p); /* one command of those that were issued */
/* Device to host: a register frame with what the drive's registers hold */
void ahci_send_registers(struct ahci_port *p, bool interrupt);

#endif
