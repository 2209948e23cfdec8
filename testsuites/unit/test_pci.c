/* The PCI bus: configuration accesses, base addresses, pins, MSI and MSI-X, DMA. */
#include "testsuites/unit/fixture.h"

#include <string.h>

#include "sim/dev/lapic.h"
#include "sim/dev/pci.h"

#define SLOT   PCI_DEVFN(5, 0)
#define VECTOR 0x51

struct card {
    struct pci_device pci;
    uint64_t offset, value;
    unsigned range, config_writes;
    bool line;
};

static uint64_t card_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    (void)d, (void)size;
    return (uint64_t)range << 8 | offset;
}
static void card_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct card *c = (struct card *)d;
    (void)size;
    c->range = range, c->offset = offset, c->value = val;
}
static void card_reset(struct device *d) { pci_reset((struct pci_device *)d); }
static void card_destroy(struct device *d) { pci_destroy((struct pci_device *)d); }
static const struct device_ops card_ops = {.name = "card",
                                           .reset = card_reset,
                                           .destroy = card_destroy,
                                           .read = card_read,
                                           .write = card_write,
                                           .port_width = 4};
static void config_written(struct pci_device *p, unsigned off, unsigned size) {
    (void)off, (void)size;
    ((struct card *)p)->config_writes++;
}
static const struct pci_ops card_pci_ops = {.config_written = config_written};

static unsigned input(unsigned device, unsigned pin) { return (device + pin) & 3; }
static void set_input(struct device *host, unsigned n, bool level) {
    struct card *c = (struct card *)host;
    assert_int_equal(n, 1); /* device 5, INTA# */
    assert_int_not_equal(c->line, level);
    c->line = level;
}
static const struct pci_host_ops host_ops = {input, set_input};

static struct card *insert(struct machine *m) {
    static const struct pci_id id = {.vendor = 0x1234, .device = 0x5678, .class_code = 0x020000, .interrupt_pin = 1};
    struct card *c = device_alloc(m, sizeof *c, &card_ops);
    pci_init(&c->pci, m->pci, SLOT, &id, &card_pci_ops);
    return c;
}

static void config_address(struct machine *m, unsigned off) {
    port_write(m, 0xCF8, 4, 0x80000000u | SLOT << 8 | (off & 0xFC));
}
static uint32_t config_get(struct machine *m, unsigned off, unsigned size) {
    config_address(m, off);
    return port_read(m, (uint16_t)(0xCFC + (off & 3)), size);
}
static void config_put(struct machine *m, unsigned off, unsigned size, uint32_t val) {
    config_address(m, off);
    port_write(m, (uint16_t)(0xCFC + (off & 3)), size, val);
}

static void test_pci_identity_is_read_only_and_empty_slots_read_ones(void **state) {
    struct machine *m = *state;
    struct card *c = insert(m);
    assert_int_equal(config_get(m, 0, 4), 0x56781234);
    config_put(m, 0, 4, 0);
    assert_int_equal(config_get(m, 2, 2), 0x5678);
    assert_int_equal(config_get(m, 0x0B, 1), 0x02);
    assert_int_equal(c->config_writes, 1);
    port_write(m, 0xCF8, 4, 0x80000000u | PCI_DEVFN(6, 0) << 8);
    assert_int_equal(port_read(m, 0xCFC, 4), 0xFFFFFFFF);
    port_write(m, 0xCF8, 4, 0x80010000u | SLOT << 8); /* another bus */
    assert_int_equal(port_read(m, 0xCFC, 4), 0xFFFFFFFF);
    port_write(m, 0xCF8, 4, SLOT << 8); /* not enabled */
    assert_int_equal(port_read(m, 0xCFC, 4), 0xFFFFFFFF);
}

static void test_pci_bars_tell_their_size_and_decode_when_enabled(void **state) {
    struct machine *m = *state;
    struct card *c = insert(m);
    pci_add_bar(&c->pci, 0, &(struct pci_bar){.kind = PCI_BAR_IO, .size = 0x20});
    pci_add_bar(&c->pci, 1, &(struct pci_bar){.kind = PCI_BAR_MEM32, .size = 0x2000});
    pci_add_bar(&c->pci, 2, &(struct pci_bar){.kind = PCI_BAR_MEM64, .size = 1 << 20, .prefetchable = true});
    for (unsigned n = 0; n < 4; n++) config_put(m, PCI_BAR0 + 4 * n, 4, ~0u);
    assert_int_equal(config_get(m, PCI_BAR0, 4), 0xFFFFFFE1);
    assert_int_equal(config_get(m, PCI_BAR0 + 4, 4), 0xFFFFE000);
    assert_int_equal(config_get(m, PCI_BAR0 + 8, 4), 0xFFF0000C);
    assert_int_equal(config_get(m, PCI_BAR0 + 12, 4), 0xFFFFFFFF);
    config_put(m, PCI_BAR0, 4, 0xC000);
    config_put(m, PCI_BAR0 + 4, 4, 0xE0000000);
    config_put(m, PCI_BAR0 + 8, 4, 0), config_put(m, PCI_BAR0 + 12, 4, 0x80);
    assert_int_equal(port_read(m, 0xC004, 1), 0xFF);
    assert_int_equal(mmio_read(m, 0xE0000008, 4), 0xFFFFFFFF);
    config_put(m, PCI_COMMAND, 2, 3);
    assert_int_equal(port_read(m, 0xC004, 4), 0x004);
    assert_int_equal(mmio_read(m, 0xE0000008, 4), 0x108);
    assert_int_equal(mmio_read(m, 0x8000000010, 4), 0x210);
    mmio_write(m, 0xE0001FFC, 4, 7);
    assert_int_equal(c->range, 1);
    assert_int_equal(c->offset, 0x1FFC);
    config_put(m, PCI_COMMAND, 2, 0);
    assert_int_equal(mmio_read(m, 0xE0000008, 4), 0xFFFFFFFF);
    assert_int_equal(port_read(m, 0xC004, 1), 0xFF);
}

static void test_pci_bar_over_ram_is_hidden_by_it(void **state) {
    struct machine *m = *state;
    struct card *c = insert(m);
    pci_add_bar(&c->pci, 1, &(struct pci_bar){.kind = PCI_BAR_MEM32, .size = 0x2000});
    config_put(m, PCI_COMMAND, 2, 2);
    config_put(m, PCI_BAR0 + 4, 4, 0x200000);
    assert_ptr_equal(ram_ptr(m, 0x200000, true), m->ram + 0x200000);
    config_put(m, PCI_BAR0 + 4, 4, 0xFEC00000);
    assert_int_equal(mmio_read(m, 0xFEC00000, 4), 0); /* the I/O APIC's register select */
    c->pci.dev.ops->reset(&c->pci.dev);
    assert_int_equal(config_get(m, PCI_COMMAND, 2), 0);
    assert_false(c->pci.bar[1].mapped);
}

static void test_pci_pin_follows_disable_bit_and_sharing(void **state) {
    struct machine *m = *state;
    struct card *c = insert(m);
    m->pci->host = &c->pci.dev;
    m->pci->host_ops = &host_ops;
    pci_set_intx(&c->pci, true);
    assert_true(c->line);
    assert_int_equal(config_get(m, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, PCI_STATUS_INTERRUPT);
    config_put(m, PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
    assert_false(c->line);
    config_put(m, PCI_COMMAND, 2, 0);
    assert_true(c->line);
    pci_set_intx(&c->pci, false);
    assert_false(c->line);
}

static bool took(struct machine *m, unsigned vector) {
    bool pic;
    if (lapic_pending(m->cpu[0], &pic) != (int)vector) return false;
    lapic_acknowledge(m->cpu[0]);
    m->running = m->cpu[0];
    mmio_write(m, 0xFEE000B0, 4, 0); /* EOI */
    m->running = NULL;
    return true;
}

static void apic_on(struct machine *m) {
    m->running = m->cpu[0];
    mmio_write(m, 0xFEE000F0, 4, 0x1FF);
    m->running = NULL;
}

static void test_pci_msi_sends_masks_and_grants_fewer_vectors(void **state) {
    struct machine *m = *state;
    struct card *c = insert(m);
    apic_on(m);
    pci_add_msi(&c->pci, 4);
    unsigned at = config_get(m, PCI_CAPABILITIES, 1);
    assert_int_equal(config_get(m, at, 1), PCI_CAP_MSI);
    config_put(m, at + 4, 4, 0xFEE00000);
    config_put(m, at + 12, 2, VECTOR & ~3);
    pci_notify(&c->pci, 1);
    assert_false(took(m, (VECTOR & ~3) + 1)); /* off */
    config_put(m, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
    config_put(m, at + 2, 2, 1 | 1 << 4); /* two vectors */
    pci_notify(&c->pci, 3);
    assert_true(took(m, (VECTOR & ~3) + 1));
    config_put(m, at + 16, 4, 1);
    pci_notify(&c->pci, 0);
    assert_false(took(m, VECTOR & ~3));
    assert_int_equal(config_get(m, at + 20, 4), 1);
    config_put(m, at + 16, 4, 0);
    assert_true(took(m, VECTOR & ~3));
    assert_int_equal(config_get(m, at + 20, 4), 0);
}

static void test_pci_msix_entry_masked_stays_pending(void **state) {
    struct machine *m = *state;
    struct card *c = insert(m);
    apic_on(m);
    assert_true(pci_add_msix(&c->pci, 1, 3));
    unsigned at = config_get(m, PCI_CAPABILITIES, 1);
    assert_int_equal(config_get(m, at + 2, 2), 2);
    config_put(m, PCI_BAR0 + 4, 4, 0xE0000000);
    config_put(m, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    config_put(m, at + 2, 2, 0x8000);
    uint64_t entry = 0xE0000000 + 2 * 16, pba = 0xE0000000 + (config_get(m, at + 8, 4) & ~7u);
    assert_int_equal(mmio_read(m, entry + 12, 4), 1); /* masked at reset */
    mmio_write(m, entry, 8, 0xFEE00000);
    mmio_write(m, entry + 8, 4, VECTOR);
    pci_notify(&c->pci, 2);
    assert_false(took(m, VECTOR));
    assert_int_equal(mmio_read(m, pba, 8), 1 << 2);
    mmio_write(m, entry + 12, 4, 0);
    assert_true(took(m, VECTOR));
    assert_int_equal(mmio_read(m, pba, 8), 0);
    config_put(m, at + 2, 2, 0xC000); /* function mask */
    pci_notify(&c->pci, 2);
    assert_false(took(m, VECTOR));
    config_put(m, at + 2, 2, 0x8000);
    assert_true(took(m, VECTOR));
    mmio_write(m, entry + 12, 4, 1);
    pci_notify(&c->pci, 2);
    config_put(m, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    mmio_write(m, entry + 12, 4, 0);
    assert_false(took(m, VECTOR)); /* a message is a memory write: it waits for bus mastering */
    config_put(m, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    assert_true(took(m, VECTOR));
    pci_notify(&c->pci, 3); /* there is none */
    mmio_write(m, pba, 8, ~0ull);
    assert_int_equal(mmio_read(m, pba, 8), 0);
}

static void test_pci_dma_needs_mastering_and_ram(void **state) {
    struct machine *m = *state;
    struct card *c = insert(m);
    char buf[4] = "abc";
    assert_false(pci_dma_write(&c->pci, 0x1000, buf, 4));
    config_put(m, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
    assert_true(pci_dma_write(&c->pci, 0x1000, buf, 4));
    assert_memory_equal(m->ram + 0x1000, "abc", 4);
    assert_false(pci_dma_read(&c->pci, TEST_MEMORY - 2, buf, 4));
    assert_false(pci_dma_read(&c->pci, ~0ull, buf, 4));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_pci_identity_is_read_only_and_empty_slots_read_ones),
        TEST(test_pci_bars_tell_their_size_and_decode_when_enabled),
        TEST(test_pci_bar_over_ram_is_hidden_by_it),
        TEST(test_pci_pin_follows_disable_bit_and_sharing),
        TEST(test_pci_msi_sends_masks_and_grants_fewer_vectors),
        TEST(test_pci_msix_entry_masked_stays_pending),
        TEST(test_pci_dma_needs_mastering_and_ram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
