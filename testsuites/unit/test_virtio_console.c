/* The virtio console: data, control messages, input. */
#include "testsuites/unit/virtio_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MULTIPORT (1ull << 1)
enum { RX0, TX0, CONTROL_RX, CONTROL_TX, RX1, TX1 };
enum { DEVICE_READY, DEVICE_ADD, DEVICE_REMOVE, PORT_READY, CONSOLE_PORT, RESIZE, PORT_OPEN };

struct world {
    struct machine *m;
    struct driver d;
    char path[2][40];
};

static int setup(void **state) {
    struct world *w = calloc(1, sizeof *w);
    struct sink_config out[2];
    char err[200];
    for (unsigned i = 0; i < 2; i++) {
        strcpy(w->path[i], "/tmp/test_virtio_console.XXXXXX");
        close(mkstemp(w->path[i]));
        out[i] = (struct sink_config){SINK_FILE, w->path[i]};
    }
    w->m = fixture_machine(1);
    driver_attach(&w->d, w->m, virtio_console_create(w->m, out, 2, err, sizeof err));
    driver_start(&w->d, MULTIPORT);
    *state = w;
    return 0;
}
static int teardown(void **state) {
    struct world *w = *state;
    machine_destroy(w->m);
    for (unsigned i = 0; i < 2; i++) unlink(w->path[i]);
    free(w);
    return 0;
}

static void expect_file(const char *path, const char *text) {
    char buf[10000] = {0};
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(buf, 1, sizeof buf, f), strlen(text));
    fclose(f);
    assert_string_equal(buf, text);
}

static void say(struct world *w, unsigned queue, const char *text) {
    const struct part half[] = {
        {BUFFER,                    (uint32_t)strlen(text) / 2,                  GET},
        {BUFFER + strlen(text) / 2, (uint32_t)(strlen(text) - strlen(text) / 2), GET}
    };
    machine_write(w->m, BUFFER, text, strlen(text));
    assert_int_equal(request(&w->d, queue, half, 2), 0);
}

static void test_console_ports_write_to_their_sinks(void **state) {
    struct world *w = *state;
    char big[9000] = {0};
    memset(big, 'x', 8998);
    big[8998] = '\n';
    say(w, TX0, "hello\n");
    say(w, TX1, big);
    say(w, TX0, "again\n");
    expect_file(w->path[0], "hello\nagain\n");
    expect_file(w->path[1], big);
}

static void test_console_output_is_taken_at_once(void **state) {
    struct world *w = *state;
    uint32_t len;
    const struct part part = {BUFFER, 4, GET};
    offer(&w->d, TX0, &part, 1);
    notify(&w->d, TX0);
    fixture_advance(w->m, 0);
    assert_true(completed(&w->d, TX0, 1, &len));
}

static void control(struct world *w, unsigned port, unsigned event, unsigned value) {
    mem_put(w->m, BUFFER, port | (uint64_t)event << 32 | (uint64_t)value << 48, 8);
    const struct part msg = {BUFFER, 8, GET};
    assert_int_equal(request(&w->d, CONTROL_TX, &msg, 1), 0);
}

static void offer_control(struct world *w, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        const struct part msg = {BUFFER + 0x1000 + 8 * i, 8, PUT};
        offer(&w->d, CONTROL_RX, &msg, 1);
    }
    notify(&w->d, CONTROL_RX);
}

static void expect_control(struct world *w, unsigned n, unsigned port, unsigned event) {
    uint32_t len;
    assert_true(completed(&w->d, CONTROL_RX, 1, &len));
    assert_int_equal(len, 8);
    assert_int_equal(mem_get(w->m, BUFFER + 0x1000 + 8 * n, 8), port | (uint64_t)event << 32 | 1ull << 48);
}

static void test_console_control_messages_announce_ports(void **state) {
    struct world *w = *state;
    assert_int_equal(mmio_read(w->m, CONFIG + 4, 4), 2);
    assert_int_equal(common_get(&w->d, 18, 2), 6);
    offer_control(w, 3);
    control(w, 0, DEVICE_READY, 1);
    expect_control(w, 0, 0, DEVICE_ADD);
    expect_control(w, 1, 1, DEVICE_ADD);
    control(w, 1, PORT_READY, 1);
    expect_control(w, 2, 1, CONSOLE_PORT);
    offer_control(w, 1); /* the second message has waited for it */
    expect_control(w, 0, 1, PORT_OPEN);
    control(w, 7, PORT_READY, 1); /* there is no such port */
    control(w, 0, 99, 1);
    for (unsigned i = 0; i < 1000; i++) control(w, 0, DEVICE_READY, 1); /* and no room for so many answers */
    assert_false(is_broken(&w->d));
}

static void test_console_emergency_write_needs_no_queue(void **state) {
    struct world *w = *state;
    common_put(&w->d, 20, 1, 0);
    for (const char *p = "Help!\n"; *p; p++) mmio_write(w->m, CONFIG + 8, 4, (uint8_t)*p);
    expect_file(w->path[0], "Help!\n");
}

/* Standard input is replaced for the time of a test. */
static void test_console_input_waits_for_the_port_and_for_buffers(void **state) {
    struct machine *m = *state;
    struct driver d;
    char err[200], buf[20] = {0};
    int in[2], saved = dup(STDIN_FILENO);
    uint32_t len;
    assert_int_equal(pipe(in), 0);
    dup2(in[0], STDIN_FILENO);
    const struct sink_config out = {SINK_STDIO, NULL};
    driver_attach(&d, m, virtio_console_create(m, &out, 1, err, sizeof err));
    driver_start(&d, MULTIPORT);
    assert_int_equal(write(in[1], "typed text", 10), 10);
    const struct part six = {BUFFER, 6, PUT};
    offer(&d, RX0, &six, 1);
    notify(&d, RX0);
    assert_false(completed(&d, RX0, 1, &len)); /* nobody has opened the port */
    mem_put(m, BUFFER + 0x100, (uint64_t)PORT_OPEN << 32 | 1ull << 48, 8);
    const struct part open = {BUFFER + 0x100, 8, GET};
    assert_int_equal(request(&d, CONTROL_TX, &open, 1), 0);
    d.v->pci.dev.ops->host_poll(&d.v->pci.dev);
    assert_true(completed(&d, RX0, 1, &len));
    assert_int_equal(len, 6);
    offer(&d, RX0, &six, 1);
    notify(&d, RX0);
    assert_true(completed(&d, RX0, 1, &len));
    assert_int_equal(len, 4);
    machine_read(m, BUFFER, buf, 6);
    assert_string_equal(buf, "textd " /* the end of what came before is still there */);
    dup2(saved, STDIN_FILENO);
    close(saved), close(in[0]), close(in[1]);
}

#define CONSOLE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CONSOLE_TEST(test_console_ports_write_to_their_sinks),
        CONSOLE_TEST(test_console_output_is_taken_at_once),
        CONSOLE_TEST(test_console_control_messages_announce_ports),
        CONSOLE_TEST(test_console_emergency_write_needs_no_queue),
        TEST(test_console_input_waits_for_the_port_and_for_buffers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
