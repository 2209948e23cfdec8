/* Virtio's transport over PCI: identity, capabilities, features, status, interrupts, the legacy interface. */
#include "testsuites/unit/virtio_world.h"

#include "sim/dev/lapic.h"

#define VECTOR 0x61

static struct driver attach(void **state, bool modern) {
    struct driver d;
    ((struct machine *)*state)->virtio_modern = modern;
    driver_attach(&d, *state, virtio_rng_create(*state, 1));
    return d;
}

static const struct part one_part = {BUFFER, 64, PUT};

static unsigned capability(struct driver *d, unsigned id, unsigned type) {
    for (unsigned at = config_get(d, PCI_CAPABILITIES, 1); at; at = config_get(d, at + 1, 1))
        if (config_get(d, at, 1) == id && (id != PCI_CAP_VENDOR || config_get(d, at + 3, 1) == type)) return at;
    return 0;
}

static void test_virtio_transitional_device_has_legacy_identity(void **state) {
    struct driver d = attach(state, false);
    assert_int_equal(d.v->pci.devfn, PCI_DEVFN(3, 0));
    assert_int_equal(config_get(&d, 0, 4), 0x10051AF4);
    assert_int_equal(config_get(&d, PCI_REVISION_ID, 1), 0);
    assert_int_equal(config_get(&d, PCI_SUBSYSTEM_ID, 2), VIRTIO_ID_ENTROPY);
    assert_int_equal(config_get(&d, PCI_BAR0, 1) & 1, 1);
}

static void test_virtio_modern_device_has_no_legacy_bar(void **state) {
    struct driver d = attach(state, true);
    assert_int_equal(config_get(&d, 0, 4), 0x10441AF4);
    assert_int_equal(config_get(&d, PCI_REVISION_ID, 1), 1);
    assert_int_equal(config_get(&d, PCI_BAR0, 4), 0);
    assert_int_equal(port_read(*state, LEGACY, 4), 0xFFFFFFFF);
    driver_start(&d, 0);
    assert_int_equal(request(&d, 0, &one_part, 1), 64);
}

static void test_virtio_capabilities_name_every_structure(void **state) {
    struct driver d = attach(state, false);
    static const uint64_t at[] = {0, COMMON, NOTIFY, ISR};
    for (unsigned type = 1; type <= 3; type++) {
        unsigned cap = capability(&d, PCI_CAP_VENDOR, type);
        assert_int_not_equal(cap, 0);
        assert_int_equal(config_get(&d, cap + 4, 1), VIRTIO_BAR_MODERN);
        assert_int_equal(COMMON + config_get(&d, cap + 8, 4), at[type]);
    }
    unsigned cap = capability(&d, PCI_CAP_VENDOR, 2);
    assert_int_equal(config_get(&d, cap + 2, 1), 20);
    assert_int_equal(config_get(&d, cap + 16, 4), 4);       /* notify_off_multiplier */
    assert_int_equal(capability(&d, PCI_CAP_VENDOR, 4), 0); /* it has no configuration */
    assert_int_equal(config_get(&d, capability(&d, PCI_CAP_MSIX, 0) + 2, 2), 1);
}

static void test_virtio_configuration_window_reaches_the_structures(void **state) {
    struct driver d = attach(state, false);
    unsigned cap = capability(&d, PCI_CAP_VENDOR, 5);
    config_put(&d, cap + 4, 1, VIRTIO_BAR_MODERN);
    config_put(&d, cap + 8, 4, 18);
    config_put(&d, cap + 12, 4, 2);
    assert_int_equal(config_get(&d, cap + 16, 2), 1); /* num_queues */
    config_put(&d, cap + 8, 4, 20);
    config_put(&d, cap + 12, 4, 1);
    config_put(&d, cap + 16, 1, VIRTIO_ACKNOWLEDGE);
    assert_int_equal(common_get(&d, 20, 1), VIRTIO_ACKNOWLEDGE);
    config_put(&d, cap + 8, 4, 0x12345678); /* beyond the BAR, a strange length, another BAR: nothing happens */
    config_put(&d, cap + 16, 1, 0);
    config_put(&d, cap + 8, 4, 20);
    config_put(&d, cap + 12, 4, 77);
    config_put(&d, cap + 16, 1, 0);
    config_put(&d, cap + 12, 4, 1);
    config_put(&d, cap + 4, 1, 0);
    config_put(&d, cap + 16, 1, 0);
    assert_int_equal(common_get(&d, 20, 1), VIRTIO_ACKNOWLEDGE);
}

static void test_virtio_features_not_offered_are_refused(void **state) {
    struct driver d = attach(state, false);
    driver_features(&d, VIRTIO_F_VERSION_1 | 1ull << 50);
    common_put(&d, 20, 1, 11);
    assert_int_equal(common_get(&d, 20, 1), 3);
    driver_features(&d, 0); /* nor does it work without VERSION_1 */
    common_put(&d, 20, 1, 11);
    assert_int_equal(common_get(&d, 20, 1), 3);
    driver_features(&d, VIRTIO_F_VERSION_1);
    common_put(&d, 20, 1, 11);
    assert_int_equal(common_get(&d, 20, 1), 11);
    driver_features(&d, 0); /* too late */
    common_put(&d, 8, 4, 1);
    assert_int_equal(common_get(&d, 12, 4), 1);
    common_put(&d, 0, 4, 7);
    assert_int_equal(common_get(&d, 4, 4), 0);
}

static void test_virtio_queue_registers_read_back_until_reset(void **state) {
    struct driver d = attach(state, false);
    d.size = 64;
    driver_start(&d, 0);
    assert_int_equal(common_get(&d, 24, 2), 64);
    assert_int_equal(common_get(&d, 28, 2), 1);
    assert_int_equal(common_get(&d, 40, 8), QUEUE_AT(0) + 0x1000);
    common_put(&d, 40, 8, 0x1234000); /* it is enabled */
    assert_int_equal(common_get(&d, 44, 4), 0);
    assert_int_equal(common_get(&d, 40, 4), QUEUE_AT(0) + 0x1000);
    common_put(&d, 26, 2, 1);
    assert_int_equal(common_get(&d, 26, 2), 1);
    common_put(&d, 26, 2, 2); /* there are two vectors */
    assert_int_equal(common_get(&d, 26, 2), VIRTIO_NO_VECTOR);
    common_put(&d, 22, 2, 1); /* there is one queue */
    assert_int_equal(common_get(&d, 24, 2), 0);
    common_put(&d, 20, 1, 0);
    assert_int_equal(common_get(&d, 20, 1), 0);
    assert_int_equal(common_get(&d, 24, 2), VIRTIO_QUEUE_SIZE);
    assert_int_equal(common_get(&d, 28, 2), 0);
}

static void test_virtio_queue_reset_alone_starts_it_anew(void **state) {
    struct driver d = attach(state, false);
    driver_start(&d, VIRTIO_F_RING_RESET);
    assert_int_equal(request(&d, 0, &one_part, 1), 64);
    common_put(&d, 58, 2, 1);
    assert_int_equal(common_get(&d, 58, 2), 0);
    assert_int_equal(common_get(&d, 28, 2), 0);
    offer(&d, 0, &one_part, 1);
    notify(&d, 0);
    fixture_advance(*state, ENOUGH);
    assert_int_equal(mem_get(*state, QUEUE_AT(0) + 0x2002, 2), 1);
    driver_queue(&d, 0);
    assert_int_equal(request(&d, 0, &one_part, 1), 64);
}

static void test_virtio_buffers_wait_for_driver_ok_and_mastering(void **state) {
    struct driver d = attach(state, false);
    uint32_t len;
    driver_start(&d, 0);
    common_put(&d, 20, 1, 0);
    driver_features(&d, VIRTIO_F_VERSION_1);
    common_put(&d, 20, 1, 11);
    driver_queue(&d, 0);
    offer(&d, 0, &one_part, 1);
    notify(&d, 0);
    fixture_advance(*state, ENOUGH);
    assert_false(completed(&d, 0, 1, &len));
    config_put(&d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    common_put(&d, 20, 1, 15);
    fixture_advance(*state, ENOUGH);
    assert_false(completed(&d, 0, 1, &len));
    config_put(&d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    fixture_advance(*state, ENOUGH);
    assert_true(completed(&d, 0, 1, &len));
}

static void test_virtio_pin_is_asserted_until_isr_is_read(void **state) {
    struct driver d = attach(state, false);
    driver_start(&d, 0);
    assert_int_equal(request(&d, 0, &one_part, 1), 64);
    assert_true(d.v->pci.intx);
    assert_int_equal(mmio_read(*state, ISR, 1), 1);
    assert_false(d.v->pci.intx);
    assert_int_equal(mmio_read(*state, ISR, 1), 0);
    mem_put(*state, QUEUE_AT(0) + 0x1000, 1, 2); /* VIRTQ_AVAIL_F_NO_INTERRUPT */
    assert_int_equal(request(&d, 0, &one_part, 1), 64);
    assert_false(d.v->pci.intx);
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

static void vector_on(struct driver *d, unsigned n, unsigned vector) {
    mmio_write(d->m, MSIX + 16 * n, 8, 0xFEE00000);
    mmio_write(d->m, MSIX + 16 * n + 8, 8, vector);
}

static void test_virtio_vectors_follow_queue_and_configuration(void **state) {
    struct driver d = attach(state, false);
    d.m->running = d.m->cpu[0];
    mmio_write(d.m, 0xFEE000F0, 4, 0x1FF);
    d.m->running = NULL;
    config_put(&d, capability(&d, PCI_CAP_MSIX, 0) + 2, 2, 0x8000);
    vector_on(&d, 0, VECTOR);
    vector_on(&d, 1, VECTOR + 1);
    driver_start(&d, 0);
    assert_int_equal(request(&d, 0, &one_part, 1), 64);
    assert_false(took(d.m, VECTOR)); /* no vector is given to the queue */
    common_put(&d, 26, 2, 1);
    common_put(&d, 16, 2, 0);
    assert_int_equal(request(&d, 0, &one_part, 1), 64);
    assert_true(took(d.m, VECTOR + 1));
    assert_false(d.v->pci.intx);
    const struct part nowhere = {~0ull - 100, 64, PUT};
    assert_int_equal(request(&d, 0, &nowhere, 1), -1);
    assert_true(is_broken(&d));
    assert_true(took(d.m, VECTOR));
}

static uint32_t in(struct driver *d, unsigned off, unsigned size) {
    return port_read(d->m, (uint16_t)(LEGACY + off), size);
}
static void out(struct driver *d, unsigned off, unsigned size, uint32_t val) {
    port_write(d->m, (uint16_t)(LEGACY + off), size, val);
}

static void test_virtio_legacy_driver_works_without_version_1(void **state) {
    struct driver d = attach(state, false);
    d.size = VIRTIO_QUEUE_SIZE;
    assert_int_equal(in(&d, 0, 4), VIRTIO_F_ANY_LAYOUT | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX);
    out(&d, 18, 1, 3);
    out(&d, 4, 4, ~0u);
    assert_int_equal(in(&d, 4, 4), in(&d, 0, 4));
    out(&d, 4, 4, 0);
    assert_int_equal(in(&d, 12, 2), VIRTIO_QUEUE_SIZE);
    out(&d, 8, 4, QUEUE_AT(0) >> 12);
    assert_int_equal(in(&d, 8, 4), QUEUE_AT(0) >> 12);
    out(&d, 18, 1, 7);
    offer(&d, 0, &one_part, 1);
    out(&d, 16, 2, 0);
    fixture_advance(*state, ENOUGH);
    uint32_t len;
    assert_true(completed(&d, 0, 1, &len));
    assert_int_equal(len, 64);
    assert_int_equal(in(&d, 19, 1), 1);
    out(&d, 18, 1, 0);
    assert_int_equal(in(&d, 8, 4), 0);
}

static void test_virtio_legacy_interface_is_shut_while_modern_is_used(void **state) {
    struct driver d = attach(state, false);
    driver_start(&d, 0);
    out(&d, 8, 4, 0);
    out(&d, 18, 1, 1);
    assert_int_equal(common_get(&d, 20, 1), 15);
    assert_int_equal(request(&d, 0, &one_part, 1), 64);
    out(&d, 18, 1, 0); /* but for the reset */
    assert_int_equal(common_get(&d, 20, 1), 0);
}

static void test_virtio_seed_decides_the_bytes(void **state) {
    struct driver d = attach(state, false);
    uint8_t first[64], again[64];
    driver_start(&d, 0);
    assert_int_equal(request(&d, 0, &one_part, 1), 64);
    machine_read(*state, BUFFER, first, 64);
    assert_int_equal(request(&d, 0, &one_part, 1), 64);
    machine_read(*state, BUFFER, again, 64);
    assert_memory_not_equal(first, again, 64);
    d.v->pci.dev.ops->reset(&d.v->pci.dev);
    driver_attach(&d, *state, &d.v->pci.dev);
    driver_start(&d, 0);
    assert_int_equal(request(&d, 0, &one_part, 1), 64);
    machine_read(*state, BUFFER, again, 64);
    assert_memory_equal(first, again, 64);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_virtio_transitional_device_has_legacy_identity),
        TEST(test_virtio_modern_device_has_no_legacy_bar),
        TEST(test_virtio_capabilities_name_every_structure),
        TEST(test_virtio_configuration_window_reaches_the_structures),
        TEST(test_virtio_features_not_offered_are_refused),
        TEST(test_virtio_queue_registers_read_back_until_reset),
        TEST(test_virtio_queue_reset_alone_starts_it_anew),
        TEST(test_virtio_buffers_wait_for_driver_ok_and_mastering),
        TEST(test_virtio_pin_is_asserted_until_isr_is_read),
        TEST(test_virtio_vectors_follow_queue_and_configuration),
        TEST(test_virtio_legacy_driver_works_without_version_1),
        TEST(test_virtio_legacy_interface_is_shut_while_modern_is_used),
        TEST(test_virtio_seed_decides_the_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
