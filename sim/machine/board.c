/* What is on the board, and where it is wired. Addresses and lines are in the device's own files. */
#include <string.h>

#include "sim/dev/chipset.h"
#include "sim/dev/dev.h"
#include "sim/dev/disk.h"
#include "sim/dev/fwcfg.h"
#include "sim/dev/hpet.h"
#include "sim/dev/pci.h"
#include "sim/dev/vga.h"
#include "sim/dev/virtio_devices.h"
#include "sim/hvsim.h"
#include "sim/machine/internal.h"

/* Devices of the PCI bus that are there on request, in this order */
static bool create_virtio(struct machine *m, const struct machine_config *c, char *err, size_t err_size) {
    static const char user[] = "user";
    if (c->virtio_consoles && !virtio_console_create(m, c->virtio_console, c->virtio_consoles, err, err_size))
        return false;
    if (c->virtio_rng && !virtio_rng_create(m, c->virtio_rng_seed)) return false;
    if (!c->net || !strcmp(c->net, "none")) return true;
    if (!strncmp(c->net, user, sizeof user - 1)) return virtio_net_create(m, c->net + sizeof user - 1, err, err_size);
    snprintf(err, err_size, "--net: expected none or user[,hostfwd=...], found '%s'", c->net);
    return false;
}

bool board_create(struct machine *m, const struct machine_config *c, char *err, size_t err_size) {
    m->pci = pci_bus_create(m);
    m->fwcfg = fwcfg_create(m);
    if (!m->pci || !m->fwcfg) return false;
    m->pic = pic_create(m);
    m->ioapic = ioapic_create(m);
    m->kbc = kbc_create(m);
    m->ferr = ferr_create(m);
    bool chipset = m->kind == MACHINE_Q35 ? q35_create(m) && ich9_create(m) : i440fx_create(m) && piix_create(m);
    bool rest = pit_create(m) && hpet_create(m) && rtc_create(m, c->rtc_start, c->drive_count && c->drives[0].cdrom) &&
                pciconf_create(m) && port80_create(m) && exitport_create(m);
    if (c->test_device && !(testdev_create(m) && pcitestdev_create(m))) return false;
    if (!m->pic || !m->ioapic || !m->kbc || !m->ferr || !chipset || !rest) return false;
    if (c->vga && !(m->vga = vga_create(m))) return false;
    return uart_create(m, UART_COM1, &c->serial, err, err_size) &&
           uart_create(m, UART_COM2, &c->serial2, err, err_size) &&
           debugcon_create(m, &c->debug_console, err, err_size) && drives_create(m, c, err, err_size) &&
           create_virtio(m, c, err, err_size);
}

void devices_flush(struct machine *m) {
    (void)m;
    fflush(NULL);
}
