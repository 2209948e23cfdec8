/* Both chipsets: where accesses below 1 MiB and to SMRAM go, extended configuration space, interrupt routing, ACPI
 * registers and SMIs. */
#include "testsuites/unit/fixture.h"

#include <string.h>

#include "sim/dev/chipset.h"

#define HOST  PCI_DEVFN(0, 0)
#define PIIX  PCI_DEVFN(1, 0)
#define PM    PCI_DEVFN(1, 3)
#define LPC   PCI_DEVFN(31, 0)
#define SEG_C 0xC8000ull
#define VIDEO 0xA0000ull

static void put(struct machine *m, uint8_t devfn, unsigned off, unsigned size, uint32_t val) {
    pci_config_write(m->pci, 0, devfn, off, size, val);
}
static uint32_t get(struct machine *m, uint8_t devfn, unsigned off, unsigned size) {
    return pci_config_read(m->pci, 0, devfn, off, size);
}

static bool in_dram(struct machine *m, uint64_t pa, bool write) { return ram_ptr(m, pa, write) == m->ram + pa; }

/* ---- host bridges ---- */

static void test_chipset_functions_identify_themselves(void **state) {
    struct machine *m = *state;
    assert_int_equal(get(m, HOST, 0, 4), 0x12378086);
    assert_int_equal(get(m, HOST, 8, 4), 0x06000002);
    assert_int_equal(get(m, PIIX, 0, 4), 0x70008086);
    assert_int_equal(get(m, PIIX, PCI_HEADER_TYPE, 1), 0x80);
    assert_int_equal(get(m, PM, 0, 4), 0x71138086);
    assert_int_equal(get(m, HOST, PCI_SUBSYSTEM_VENDOR_ID, 4), 0x11001AF4);
}

static void test_chipset_q35_functions_identify_themselves(void **state) {
    struct machine *m = *state;
    assert_int_equal(get(m, HOST, 0, 4), 0x29C08086);
    assert_int_equal(get(m, LPC, 0, 4), 0x29188086);
    assert_int_equal(get(m, PIIX, 0, 4), 0xFFFFFFFF);
    assert_int_equal(get(m, HOST, 0xB0, 2), TEST_MEMORY >> 20 << 4); /* TOLUD */
}

static void test_chipset_q35_setup_decodes_the_serial_ports(void **state) {
    struct machine *m = *state;
    assert_int_equal(get(m, LPC, 0x80, 4), 0);
    platform_setup(m);
    assert_int_equal(get(m, LPC, 0x80, 2), 0x10); /* LPC_I/O_DEC: COM A 3F8H, COM B 2F8H */
    assert_int_equal(get(m, LPC, 0x82, 2) & 3, 3);
}

static void test_pam_segment_reads_and_writes_follow_its_attributes(void **state) {
    struct machine *m = *state;
    m->ram[SEG_C] = 0x5A;
    assert_null(ram_ptr(m, SEG_C, false));
    assert_int_equal(mmio_read(m, SEG_C, 1), 0xFF);
    put(m, HOST, 0x5B, 1, 2); /* PAM2, C8000H: writes only */
    assert_null(ram_ptr(m, SEG_C, false));
    mmio_write(m, SEG_C, 1, 0x77);
    assert_int_equal(m->ram[SEG_C], 0x77);
    put(m, HOST, 0x5B, 1, 1); /* reads only */
    assert_true(in_dram(m, SEG_C, false));
    assert_null(ram_ptr(m, SEG_C, true));
    mmio_write(m, SEG_C, 1, 0x11);
    assert_int_equal(m->ram[SEG_C], 0x77);
    put(m, HOST, 0x5B, 1, 0x30); /* CC000H: all */
    assert_false(in_dram(m, SEG_C, false));
    assert_true(in_dram(m, 0xCC000, true));
    assert_true(in_dram(m, 0xCFFFF, true));
    assert_false(in_dram(m, 0xD0000, true));
    put(m, HOST, 0x59, 1, 0x33); /* F0000H; the lower half is reserved */
    assert_int_equal(get(m, HOST, 0x59, 1), 0x30);
    assert_true(in_dram(m, 0xFFFFF, true));
    m->pci->function[HOST]->dev.ops->reset(&m->pci->function[HOST]->dev);
    assert_false(in_dram(m, 0xFFFFF, false));
}

static void test_pam_of_q35_has_registers_90_to_96(void **state) {
    struct machine *m = *state;
    put(m, HOST, 0x96, 1, 0x33);
    assert_true(in_dram(m, 0xE8000, true) && in_dram(m, 0xEFFFF, true));
    put(m, HOST, 0x90, 1, 0x10);
    assert_true(in_dram(m, 0xF0000, false));
    assert_null(ram_ptr(m, 0xF0000, true));
}

static void test_smram_is_seen_in_smm_or_when_open_until_locked(void **state) {
    struct machine *m = *state;
    unsigned at = m->kind == MACHINE_Q35 ? 0x9D : 0x72;
    m->running = m->cpu[0];
    assert_int_equal(get(m, HOST, at, 1), 0x02);
    m->cpu[0]->intr.smm = true;
    assert_false(in_dram(m, VIDEO, true)); /* G_SMRAME = 0 */
    put(m, HOST, at, 1, 0x08);
    assert_true(in_dram(m, VIDEO, true) && in_dram(m, 0xBFFFF, true));
    m->cpu[0]->intr.smm = false;
    assert_false(in_dram(m, VIDEO, true));
    put(m, HOST, at, 1, 0x48);
    assert_true(in_dram(m, VIDEO, true));
    put(m, HOST, at, 1, 0x58); /* D_LCK: D_OPEN goes to 0 */
    assert_int_equal(get(m, HOST, at, 1), 0x1A);
    put(m, HOST, at, 1, 0x48);
    assert_int_equal(get(m, HOST, at, 1), 0x1A);
    assert_false(in_dram(m, VIDEO, true));
    m->pci->function[HOST]->dev.ops->reset(&m->pci->function[HOST]->dev);
    put(m, HOST, at, 1, 0x48);
    assert_true(in_dram(m, VIDEO, true));
    m->running = NULL;
}

static void test_tseg_is_hidden_outside_smm(void **state) {
    struct machine *m = *state;
    uint64_t tseg = TEST_MEMORY - (8 << 20);
    m->running = m->cpu[0];
    put(m, HOST, 0x9D, 1, 0x08);
    put(m, HOST, 0x9E, 1, 0x05); /* 8 MiB, T_EN */
    assert_int_equal(get(m, HOST, 0x9E, 1), 0x3D);
    assert_true(in_dram(m, tseg - 1, true));
    assert_false(in_dram(m, tseg, false));
    assert_int_equal(mmio_read(m, tseg, 4), 0xFFFFFFFF);
    m->cpu[0]->intr.smm = true;
    assert_true(in_dram(m, tseg, true));
    m->cpu[0]->intr.smm = false;
    put(m, HOST, 0x9D, 1, 0x18);
    put(m, HOST, 0x9E, 1, 0x00); /* locked */
    assert_false(in_dram(m, tseg, false));
    m->running = NULL;
}

static void test_ecam_reaches_extended_configuration_space(void **state) {
    struct machine *m = *state;
    uint64_t at = 0xB0000000;
    assert_int_equal(mmio_read(m, at, 4), 0xFFFFFFFF);
    put(m, HOST, 0x60, 4, (uint32_t)at | 1);
    assert_int_equal(mmio_read(m, at, 4), 0x29C08086);
    assert_int_equal(mmio_read(m, at, 8), (uint64_t)get(m, HOST, 4, 4) << 32 | 0x29C08086);
    assert_int_equal(mmio_read(m, at + (LPC << 12), 4), 0x29188086);
    assert_int_equal(mmio_read(m, at + (LPC << 12) + 1, 2), 0x1880);
    assert_int_equal(mmio_read(m, at + (LPC << 12) + 0x100, 4), 0);
    assert_int_equal(mmio_read(m, at + (1 << 20), 4), 0xFFFFFFFF); /* bus 1 */
    mmio_write(m, at + (LPC << 12) + 0x60, 1, 0x0A);
    assert_int_equal(get(m, LPC, 0x60, 1), 0x0A);
    mmio_read(m, at + 0xFFFFFFD, 8);           /* over the end */
    mmio_write(m, at + 0xFFD, 8, ~0ull);       /* over a function's end */
    put(m, HOST, 0x60, 4, 0xB8000000 | 2 | 1); /* 128 MiB */
    assert_int_equal(mmio_read(m, 0xB8000000, 4), 0x29C08086);
    assert_int_equal(mmio_read(m, at, 4), 0xFFFFFFFF);
    put(m, HOST, 0x60, 4, 0);
    assert_int_equal(mmio_read(m, 0xB8000000, 4), 0xFFFFFFFF);
}

/* ---- interrupts ---- */

static bool irq_asserted(struct machine *m, unsigned irq) { /* as the 8259's request register sees it, by level */
    outb(m, 0x4D0, 0xF8), outb(m, 0x4D1, 0xDE);
    outb(m, irq < 8 ? 0x20 : 0xA0, 0x0A);
    return inb(m, irq < 8 ? 0x20 : 0xA0) >> (irq & 7) & 1;
}

static void set_pin(struct machine *m, unsigned device, unsigned pin, bool level) {
    struct pci_bus *bus = m->pci;
    bus->host_ops->set_input(bus->host, bus->host_ops->input(device, pin), level);
}

static void test_pirq_routes_pins_to_isa_interrupts(void **state) {
    struct machine *m = *state;
    set_pin(m, 3, 0, true); /* slot 3, INTA#: PIRQC# */
    for (unsigned irq = 3; irq < 16; irq++) assert_false(irq != 13 && irq != 8 && irq_asserted(m, irq));
    put(m, PIIX, 0x62, 1, 0x0B);
    assert_true(irq_asserted(m, 11));
    set_pin(m, 4, 3, true); /* PIRQC# again is the bus's to share; slot 4, INTD# is the same wire */
    put(m, PIIX, 0x61, 1, 0x0B);
    set_pin(m, 2, 0, true); /* PIRQB#, on the same interrupt */
    set_pin(m, 3, 0, false);
    assert_true(irq_asserted(m, 11));
    set_pin(m, 2, 0, false);
    assert_false(irq_asserted(m, 11));
    put(m, PIIX, 0x60, 1, 0x08); /* IRQ 8 is reserved */
    set_pin(m, 1, 0, true);
    assert_false(irq_asserted(m, 8));
    set_pin(m, 1, 0, false);
}

static void test_pirq_reaches_the_ioapic_without_a_route(void **state) {
    struct machine *m = *state;
    unsigned pin = m->kind == MACHINE_Q35 ? 16 + 4 + 3 : 16 + 2;
    mmio_write(m, 0xFEC00000, 4, 0x10 + 2 * pin);
    mmio_write(m, 0xFEC00010, 4, 0x8000 | 0x55); /* level */
    m->running = m->cpu[0];
    mmio_write(m, 0xFEE000F0, 4, 0x1FF);
    m->running = NULL;
    bool pic;
    assert_int_equal(lapic_pending(m->cpu[0], &pic), -1);
    set_pin(m, 3, 0, true);
    assert_int_equal(lapic_pending(m->cpu[0], &pic), 0x55);
    set_pin(m, 3, 0, false);
}

static void test_pirq_of_q35_routes_eight_inputs(void **state) {
    struct machine *m = *state;
    put(m, LPC, 0x6B, 1, 0x0A); /* PIRQH# */
    set_pin(m, 3, 0, true);
    assert_true(irq_asserted(m, 10));
    set_pin(m, 3, 0, false);
    put(m, LPC, 0x61, 1, 0x05); /* PIRQB#: pin B of a device from 25 on */
    set_pin(m, 31, 1, true);
    assert_true(irq_asserted(m, 5));
    set_pin(m, 31, 1, false);
}

/* ---- power management ---- */

static void test_pm_registers_lie_where_the_base_says(void **state) {
    struct machine *m = *state;
    assert_int_equal(port_read(m, 0xB004, 2), 0xFFFF);
    put(m, PM, 0x40, 4, 0xB001);
    assert_int_equal(port_read(m, 0xB004, 2), 0xFFFF); /* PMIOSE = 0 */
    put(m, PM, 0x80, 1, 1);
    assert_int_equal(port_read(m, 0xB004, 2), 1); /* SCI_EN */
    put(m, PM, 0x40, 4, 0x600);
    assert_int_equal(port_read(m, 0xB004, 2), 0xFFFF);
    assert_int_equal(port_read(m, 0x604, 2), 1);
    assert_int_equal(get(m, PM, 0x40, 4), 0x601);
}

static void test_pm_soft_off_powers_off(void **state) {
    struct machine *m = *state;
    platform_setup(m);
    port_write(m, 0x604, 2, 1 << 10 | 1 << 13); /* not a sleep state that there is */
    assert_int_equal(m->stop, STOP_NONE);
    port_write(m, 0x604, 2, (uint32_t)m->chipset->s5_type << 10 | 1 << 13);
    assert_int_equal(m->stop, STOP_POWEROFF);
    assert_int_equal(port_read(m, 0x604, 2) >> 13, 0);
}

static void test_pm_power_button_raises_sci_when_enabled(void **state) {
    struct machine *m = *state;
    platform_setup(m);
    acpipm_power_button(m->pm);
    assert_int_equal(port_read(m, 0x600, 2) & 0x100, 0x100);
    assert_false(irq_asserted(m, 9));
    port_write(m, 0x602, 2, 0x100);
    assert_true(irq_asserted(m, 9));
    port_write(m, 0x600, 2, 0x100);
    assert_false(irq_asserted(m, 9));
}

static void test_pm_timer_raises_sci_when_its_top_bit_toggles(void **state) {
    struct machine *m = *state;
    platform_setup(m);
    port_write(m, 0x602, 2, 1);
    fixture_advance(m, 8388608ull * CYCLES_PER_SEC / 3579545 - 10);
    assert_false(irq_asserted(m, 9));
    fixture_advance(m, 20);
    assert_true(irq_asserted(m, 9));
    port_write(m, 0x600, 2, 1);
    assert_false(irq_asserted(m, 9));
    fixture_advance(m, 3 * CYCLES_PER_SEC);
    assert_true(irq_asserted(m, 9));
}

static void test_pm_general_event_of_software_raises_sci(void **state) {
    struct machine *m = *state;
    platform_setup(m);
    port_write(m, 0x628, 4, 1 << 2);
    assert_false(irq_asserted(m, 9));
    outb(m, 0x642, 2);
    assert_true(irq_asserted(m, 9));
    assert_int_equal(port_read(m, 0x620, 4), 1 << 2);
    outb(m, 0x642, 0);
    port_write(m, 0x620, 4, 1 << 2);
    assert_false(irq_asserted(m, 9));
}

static bool smi(const struct machine *m) { return m->cpu[0]->intr.attn & ATTN_SMI; }

static void test_apm_write_raises_smi_when_enabled(void **state) {
    struct machine *m = *state;
    platform_setup(m);
    outb(m, 0xB3, 0x42);
    outb(m, 0xB2, 0x01);
    assert_int_equal(inb(m, 0xB2), 0x01);
    assert_int_equal(inb(m, 0xB3), 0x42);
    assert_int_equal(port_read(m, 0xB2, 2), 0x4201);
    assert_false(smi(m));
    put(m, PM, 0x58, 4, 1 << 25); /* APMC_EN */
    outb(m, 0xB2, 0x01);
    assert_false(smi(m));
    port_write(m, 0x628, 4, 1); /* SMI_EN */
    outb(m, 0xB2, 0x01);
    assert_true(smi(m));
    assert_int_equal(port_read(m, 0x618, 2), 1 << 5);
}

static void test_apm_write_of_q35_raises_smi_and_lock_holds(void **state) {
    struct machine *m = *state;
    platform_setup(m);
    port_write(m, 0x630, 4, 1 << 5 | 1);
    outb(m, 0xB2, 0x01);
    assert_true(smi(m));
    assert_int_equal(port_read(m, 0x634, 4), 1 << 5);
    port_write(m, 0x634, 4, 1 << 5);
    assert_int_equal(port_read(m, 0x634, 4), 0);
    put(m, LPC, 0xA0, 2, 0x10); /* SMI_LOCK */
    port_write(m, 0x630, 4, 0);
    assert_int_equal(port_read(m, 0x630, 4) & 0x21, 1);
    put(m, LPC, 0xA0, 2, 0);
    assert_int_equal(get(m, LPC, 0xA0, 2), 0x10);
}

static void test_smbus_transaction_ends_with_device_error(void **state) {
    struct machine *m = *state;
    platform_setup(m);
    outb(m, 0xB104, 0xA1);
    outb(m, 0xB102, 0x48);
    assert_int_equal(inb(m, 0xB100), 0x04);
    outb(m, 0xB100, 0x04);
    assert_int_equal(inb(m, 0xB100), 0x00);
}

/* ---- set-up ---- */

static void test_setup_leaves_the_board_as_firmware_does(void **state) {
    struct machine *m = *state;
    platform_setup(m);
    assert_true(in_dram(m, 0xC0000, true) && in_dram(m, 0xFFFFF, true));
    assert_false(in_dram(m, VIDEO, false));
    assert_int_equal(acpipm_base(m->pm), 0x600);
    assert_int_equal(port_read(m, 0x604, 2), 1);
    if (m->chipset->ecam) assert_int_equal(mmio_read(m, m->chipset->ecam, 4), 0x29C08086);
}

/* ---- reset ---- */

/* MOV AL, 6; MOV DX, 0CF9H; OUT DX, AL; HLT, at the reset vector of a ROM */
static void map_resetting_rom(struct machine *m) {
    static const uint8_t code[] = {0xB0, 0x06, 0xBA, 0xF9, 0x0C, 0xEE, 0xF4};
    uint8_t *rom = machine_alloc_memory(m, 0x10000);
    memcpy(rom + 0xFFF0, code, sizeof code);
    machine_map(m, &(struct mem_window){.base = 0xFFFF0000,
                                        .size = 0x10000,
                                        .takes = MEM_TAKES_ALL,
                                        .guarded = true,
                                        .host = rom,
                                        .dev = m->kbc,
                                        .range = 99});
}

static void test_reset_goes_on_when_firmware_started_the_machine(void **state) {
    struct machine *m = *state;
    map_resetting_rom(m);
    m->by_firmware = true;
    m->max_insns = 300;
    assert_int_equal(machine_run(m), STOP_MAX_INSNS);
    assert_int_equal(machine_insns(m), 300);
    m->max_insns = 0;
    m->no_reboot = true;
    assert_int_equal(machine_run(m), STOP_RESET);
    assert_string_equal(m->reset_by, "port CF9H");
}

static void test_reset_ends_the_run_of_a_loaded_image(void **state) {
    struct machine *m = *state;
    map_resetting_rom(m);
    assert_int_equal(machine_run(m), STOP_RESET);
    assert_int_equal(machine_insns(m), 3);
}

static void test_reset_brings_chipset_and_processors_back_and_keeps_memory(void **state) {
    struct machine *m = *state;
    platform_setup(m);
    uint64_t before = m->now;
    m->ram[0x5000] = 0xA5;
    m->ram[0xF0000] = 0x5A;
    m->cpu[0]->gpr[RBX] = 7;
    m->cpu[0]->intr.smm = true;
    port_write(m, 0x602, 2, 0x100);
    acpipm_power_button(m->pm);
    outb(m, 0x70, 0x0F), outb(m, 0x71, 0x33);
    outb(m, 0x64, 0x60), outb(m, 0x60, 0x01); /* keyboard interrupt on, and a byte waits */
    outb(m, 0x64, 0xD2), outb(m, 0x60, 0x5A);
    outb(m, 0x3FC, 0x08), outb(m, 0x3F9, 0x02); /* COM1: transmitter empty */
    assert_int_equal(m->irq_lines[IRQ_DEVICE] & 0x12, 0x12);
    machine_reset(m);
    assert_int_equal(m->irq_lines[IRQ_DEVICE] & 0x12, 0);
    assert_int_equal(m->cpu[0]->gpr[RBX], 0);
    assert_int_equal(m->cpu[0]->rip, 0xFFF0);
    assert_false(m->cpu[0]->intr.smm);
    assert_int_equal(m->ram[0x5000], 0xA5);
    assert_int_equal(m->ram[0xF0000], 0x5A);
    assert_false(in_dram(m, 0xF0000, false));
    assert_int_equal(acpipm_base(m->pm), 0);
    assert_int_equal(m->irq_lines[IRQ_PIRQ], 0);
    outb(m, 0x70, 0x0F);
    assert_int_equal(inb(m, 0x71), 0x33);
    assert_int_equal(m->now, before);
}

/* ---- COM2 ---- */

static void test_com2_interrupts_by_irq_3(void **state) {
    struct machine *m = *state;
    outb(m, 0x2FF, 0x42);
    assert_int_equal(inb(m, 0x2FF), 0x42);
    outb(m, 0x2FC, 8); /* OUT2 */
    outb(m, 0x2F9, 2); /* transmitter empty */
    assert_true(irq_asserted(m, 3));
    assert_false(irq_asserted(m, 4));
    assert_int_equal(inb(m, 0x2FA) & 7, 2);
    assert_false(irq_asserted(m, 3));
}

/* ---- the PCI test device, as kvm-unit-tests goes through it ---- */

static unsigned tests_passed(struct machine *m, bool ports, uint64_t base) {
    for (unsigned n = 0;; n++) {
        uint64_t at[4];
        if (ports)
            port_write(m, (uint16_t)base, 1, n);
        else
            mmio_write(m, base, 1, n);
        for (unsigned i = 0; i < 4; i++)
            at[i] = ports ? port_read(m, (uint16_t)(base + 4 * i), 4) : mmio_read(m, base + 4 * i, 4);
        if (at[3] || (at[0] >> 8 & 0xFF) != 1) return n;
        for (unsigned i = 0; i < 16; i++) {
            if (ports)
                port_write(m, (uint16_t)(base + at[1]), 1, (uint32_t)at[2]);
            else
                mmio_write(m, base + at[1], 1, at[2]);
        }
        if ((ports ? port_read(m, (uint16_t)(base + 12), 4) : mmio_read(m, base + 12, 4)) != 16) return n;
    }
}

static void test_pci_test_device_counts_writes(void **state) {
    struct machine *m = *state;
    uint8_t devfn = PCI_DEVFN(3, 0);
    assert_true(pcitestdev_create(m));
    platform_setup(m);
    assert_int_equal(get(m, devfn, 0, 4), 0x00051B36);
    uint64_t memory = get(m, devfn, PCI_BAR0, 4) & ~15u, ports = get(m, devfn, PCI_BAR0 + 4, 4) & ~3u;
    assert_int_equal(memory, m->chipset->window);
    assert_int_equal(ports, PORTS_FROM);
    assert_int_equal(tests_passed(m, false, memory), 3);
    assert_int_equal(tests_passed(m, true, ports), 3);
    mmio_write(m, memory, 1, 2); /* only one value counts */
    mmio_write(m, memory + 0x802, 1, 0xFB);
    assert_int_equal(mmio_read(m, memory + 12, 4), 0);
    assert_int_equal(mmio_read(m, memory + 16, 4), 'm' | 'm' << 8 | 'i' << 16 | 'o' << 24);
}

#define TEST_BOTH(name) TEST(name), TEST_Q35(name)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_chipset_functions_identify_themselves),
        TEST_Q35(test_chipset_q35_functions_identify_themselves),
        TEST_Q35(test_chipset_q35_setup_decodes_the_serial_ports),
        TEST(test_pam_segment_reads_and_writes_follow_its_attributes),
        TEST_Q35(test_pam_of_q35_has_registers_90_to_96),
        TEST_BOTH(test_smram_is_seen_in_smm_or_when_open_until_locked),
        TEST_Q35(test_tseg_is_hidden_outside_smm),
        TEST_Q35(test_ecam_reaches_extended_configuration_space),
        TEST(test_pirq_routes_pins_to_isa_interrupts),
        TEST_BOTH(test_pirq_reaches_the_ioapic_without_a_route),
        TEST_Q35(test_pirq_of_q35_routes_eight_inputs),
        TEST(test_pm_registers_lie_where_the_base_says),
        TEST_BOTH(test_pm_soft_off_powers_off),
        TEST_BOTH(test_pm_power_button_raises_sci_when_enabled),
        TEST_BOTH(test_pm_timer_raises_sci_when_its_top_bit_toggles),
        TEST_Q35(test_pm_general_event_of_software_raises_sci),
        TEST(test_apm_write_raises_smi_when_enabled),
        TEST_Q35(test_apm_write_of_q35_raises_smi_and_lock_holds),
        TEST(test_smbus_transaction_ends_with_device_error),
        TEST(test_reset_goes_on_when_firmware_started_the_machine),
        TEST(test_reset_ends_the_run_of_a_loaded_image),
        TEST_BOTH(test_reset_brings_chipset_and_processors_back_and_keeps_memory),
        TEST_BOTH(test_pci_test_device_counts_writes),
        TEST(test_com2_interrupts_by_irq_3),
        TEST_BOTH(test_setup_leaves_the_board_as_firmware_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
