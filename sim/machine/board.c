/* What is on the board, and where it is wired. Addresses and lines are in the device's own files. */
#include "sim/dev/chipset.h"
#include "sim/dev/dev.h"
#include "sim/dev/disk.h"
#include "sim/dev/fwcfg.h"
#include "sim/dev/hpet.h"
#include "sim/dev/pci.h"
#include "sim/machine/internal.h"

bool board_create(struct machine *m, const struct machine_config *c, char *err, size_t err_size) {
    m->pci = pci_bus_create(m);
    m->fwcfg = fwcfg_create(m);
    if (!m->pci || !m->fwcfg) return false;
    m->pic = pic_create(m);
    m->ioapic = ioapic_create(m);
    m->kbc = kbc_create(m);
    m->ferr = ferr_create(m);
    bool chipset = m->kind == MACHINE_Q35 ? q35_create(m) && ich9_create(m) : i440fx_create(m) && piix_create(m);
    bool rest = pit_create(m) && hpet_create(m) && rtc_create(m, c->rtc_start) && pciconf_create(m) &&
                port80_create(m) && exitport_create(m);
    if (c->test_device && !testdev_create(m)) return false;
    if (!m->pic || !m->ioapic || !m->kbc || !m->ferr || !chipset || !rest) return false;
    return uart_create(m, &c->serial, err, err_size) && debugcon_create(m, &c->debug_console, err, err_size) &&
           drives_create(m, c, err, err_size);
}

void devices_flush(struct machine *m) {
    (void)m;
    fflush(NULL);
}
