/* What kvm-unit-tests uses of QEMU's pci-testdev, for --test-device: a function that counts writes. Software selects a
 * test by its number, reads where, how wide and what to write, and then how many of its writes were seen. BAR 0 is
 * memory, BAR 1 ports, with the same registers. QEMU documentation, "pci-testdev". */
#include <string.h>

#include "sim/dev/dev.h"
#include "sim/dev/pci.h"

#define MEMORY_SIZE 0x1000u
#define PORTS_SIZE  0x100u
#define DATA_ANY    0xCE
#define DATA_MATCH  0xFA

enum bar { BAR_MEMORY, BAR_PORTS, BARS };
enum { REG_TEST = 0, REG_WIDTH = 1, REG_OFFSET = 4, REG_DATA = 8, REG_COUNT = 12, REG_NAME = 16 };

static const struct test {
    const char *name;
    bool match; /* only writes of DATA_MATCH count */
} tests[] = {
    {"no-eventfd",        false},
    {"wildcard-eventfd",  false},
    {"datamatch-eventfd", true },
};
#define TESTS (sizeof tests / sizeof tests[0])

struct pcitestdev {
    struct pci_device pci;
    uint8_t bar, test; /* the test that is selected, from 1 on; 0: none */
    uint32_t count;
};

/* The upper half of each BAR takes the writes, each test's at an address of its own. */
static uint32_t target(const struct pcitestdev *t) {
    return (t->bar == BAR_MEMORY ? MEMORY_SIZE : PORTS_SIZE) / 2 + (uint32_t)(t->bar * TESTS) + t->test - 1;
}

static uint8_t read_byte(const struct pcitestdev *t, uint64_t at) {
    static const char *const kind[BARS] = {"mmio-", "portio-"};
    if (!t->test) return 0;
    const struct test *test = &tests[t->test - 1];
    size_t prefix = strlen(kind[t->bar]);
    if (at == REG_TEST) return (uint8_t)(t->test - 1);
    if (at == REG_WIDTH) return 1;
    if (at < REG_OFFSET) return 0;
    if (at < REG_DATA) return (uint8_t)(target(t) >> 8 * (at & 3));
    if (at < REG_COUNT) return at == REG_DATA ? (test->match ? DATA_MATCH : DATA_ANY) : 0;
    if (at < REG_NAME) return (uint8_t)(t->count >> 8 * (at & 3));
    at -= REG_NAME;
    if (at < prefix) return (uint8_t)kind[t->bar][at];
    return at - prefix < strlen(test->name) ? (uint8_t)test->name[at - prefix] : 0;
}

static uint64_t pcitestdev_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    uint64_t val = 0;
    (void)range;
    for (unsigned i = 0; i < size; i++) val |= (uint64_t)read_byte((struct pcitestdev *)d, offset + i) << 8 * i;
    return val;
}

static void pcitestdev_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct pcitestdev *t = (struct pcitestdev *)d;
    if (offset == REG_TEST) {
        t->bar = (uint8_t)range;
        t->test = (uint8_t)((val & 0xFF) < TESTS ? (val & 0xFF) + 1 : 0);
        t->count = 0;
    } else if (t->test && range == t->bar && offset == target(t)) {
        if (!tests[t->test - 1].match || (size == 1 && val == DATA_MATCH)) t->count++;
    }
}

static void pcitestdev_reset(struct device *d) {
    struct pcitestdev *t = (struct pcitestdev *)d;
    pci_reset(&t->pci);
    t->bar = t->test = 0;
    t->count = 0;
}

static void pcitestdev_destroy(struct device *d) { pci_destroy((struct pci_device *)d); }

static const struct device_ops pcitestdev_ops = {.name = "PCI test device",
                                                 .reset = pcitestdev_reset,
                                                 .destroy = pcitestdev_destroy,
                                                 .read = pcitestdev_read,
                                                 .write = pcitestdev_write,
                                                 .port_width = 4};

bool pcitestdev_create(struct machine *m) {
    static const struct pci_id id = {
        .vendor = 0x1B36, .device = 0x0005, .class_code = 0x00FF00, .subsystem_vendor = 0x1AF4, .subsystem = 0x1100};
    int devfn = pci_free_slot(m->pci, 3);
    struct pcitestdev *t = devfn < 0 ? NULL : device_alloc(m, sizeof *t, &pcitestdev_ops);
    if (!t) return false;
    pci_init(&t->pci, m->pci, (uint8_t)devfn, &id, NULL);
    pci_add_bar(&t->pci, BAR_MEMORY, &(struct pci_bar){.kind = PCI_BAR_MEM32, .size = MEMORY_SIZE});
    pci_add_bar(&t->pci, BAR_PORTS, &(struct pci_bar){.kind = PCI_BAR_IO, .size = PORTS_SIZE});
    return true;
}
