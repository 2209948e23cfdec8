/* The network in user mode. Its timers follow the virtual clock, as the guest's do. */
#include "sim/dev/net_user.h"

#include <arpa/inet.h>
#include <signal.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>

#define NANOSECONDS_PER_MS 1000000

/* ---- libslirp's timers: looked at when the host is ---- */

struct net_timer {
    SlirpTimerCb fn;
    void *arg;
    int64_t due; /* ms */
    bool armed;
    struct net_timer *next;
};
struct net_user {
    Slirp *slirp;
    struct machine *machine;
    net_receive_fn *receive;
    void *arg;
    struct net_timer *timers;
};

static int64_t clock_get_ns(void *opaque) {
    const struct net_user *n = opaque;
    return (int64_t)machine_now(n->machine);
}

static void *timer_new(SlirpTimerCb fn, void *arg, void *opaque) {
    struct net_user *n = opaque;
    struct net_timer *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->fn = fn;
    t->arg = arg;
    t->next = n->timers;
    n->timers = t;
    return t;
}

static void timer_free(void *timer, void *opaque) {
    struct net_user *n = opaque;
    for (struct net_timer **p = &n->timers; *p; p = &(*p)->next)
        if (*p == timer) {
            *p = (*p)->next;
            break;
        }
    free(timer);
}

static void timer_mod(void *timer, int64_t due, void *opaque) {
    struct net_timer *t = timer;
    (void)opaque;
    if (!t) return;
    t->due = due;
    t->armed = true;
}

static void fire_timers(struct net_user *n) {
    for (struct net_timer *t = n->timers, *next; t; t = next) {
        next = t->next;
        if (!t->armed || t->due > clock_get_ns(n) / NANOSECONDS_PER_MS) continue;
        t->armed = false;
        t->fn(t->arg);
    }
}

/* ---- packets and sockets ---- */

static ssize_t send_packet(const void *frame, size_t size, void *opaque) {
    struct net_user *n = opaque;
    if (size <= NET_FRAME_MAX) n->receive(n->arg, frame, size);
    return (ssize_t)size;
}

static void guest_error(const char *msg, void *opaque) { (void)msg, (void)opaque; }
static void poll_fd_changed(int fd, void *opaque) { (void)fd, (void)opaque; } /* they are asked for each time */
static void notify(void *opaque) { (void)opaque; }

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = guest_error,
    .clock_get_ns = clock_get_ns,
    .timer_new = timer_new,
    .timer_free = timer_free,
    .timer_mod = timer_mod,
    .register_poll_fd = poll_fd_changed,
    .unregister_poll_fd = poll_fd_changed,
    .notify = notify,
};

static const struct {
    int slirp;
    short host;
} poll_events[] = {
    {SLIRP_POLL_IN,  POLLIN },
    {SLIRP_POLL_OUT, POLLOUT},
    {SLIRP_POLL_PRI, POLLPRI},
    {SLIRP_POLL_ERR, POLLERR},
    {SLIRP_POLL_HUP, POLLHUP},
};
#define POLL_EVENTS (sizeof poll_events / sizeof poll_events[0])

static int add_poll(int fd, int events, void *opaque) {
    short host = 0;
    for (unsigned i = 0; i < POLL_EVENTS; i++)
        if (events & poll_events[i].slirp) host |= poll_events[i].host;
    return host_wait_add(opaque, fd, host & (POLLIN | POLLOUT | POLLPRI));
}

static int get_revents(int place, void *opaque) {
    const struct host_wait *w = opaque;
    int events = 0;
    for (unsigned i = 0; i < POLL_EVENTS; i++)
        if (w->fd[place].revents & poll_events[i].host) events |= poll_events[i].slirp;
    return events;
}

/* libslirp writes to connections that the other side has closed. The SIGPIPE that it gets is nobody's business. */
static void hold_sigpipe(sigset_t *before) {
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, before);
}

static void release_sigpipe(const sigset_t *before) {
    const struct timespec now = {0, 0};
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    while (!sigismember(before, SIGPIPE) && sigtimedwait(&pipe, NULL, &now) == SIGPIPE) {
    }
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

void net_user_send(struct net_user *n, const uint8_t *frame, size_t size) {
    sigset_t before;
    hold_sigpipe(&before);
    slirp_input(n->slirp, frame, (int)size);
    release_sigpipe(&before);
}

void net_user_wait(struct net_user *n, struct host_wait *w) {
    uint32_t ms = (uint32_t)(w->most / NANOSECONDS_PER_MS);
    slirp_pollfds_fill(n->slirp, &ms, add_poll, w);
    if (ms < w->most / NANOSECONDS_PER_MS) w->most = (uint64_t)ms * NANOSECONDS_PER_MS;
    w->live = true;
}

void net_user_poll(struct net_user *n) {
    struct host_wait w = {.most = CYCLES_PER_SEC};
    sigset_t before;
    hold_sigpipe(&before);
    net_user_wait(n, &w);
    int ready = poll(w.fd, w.count, 0);
    slirp_pollfds_poll(n->slirp, ready < 0, get_revents, &w);
    fire_timers(n);
    release_sigpipe(&before);
}

/* ---- options ---- */

/* "[ADDRESS:]PORT", which is taken apart */
static bool parse_end(char *text, struct in_addr *address, int *port) {
    char *colon = strrchr(text, ':'), *digits = colon ? colon + 1 : text, *end;
    unsigned long n = strtoul(digits, &end, 10);
    if (*digits < '0' || *digits > '9' || *end || !n || n > 65535) return false;
    *port = (int)n;
    if (colon) *colon = '\0';
    return !colon || !*text || inet_aton(text, address);
}

/* "tcp:[ADDRESS:]PORT-[ADDRESS]:PORT". Without addresses: this host alone can connect, and the guest's first address.
 */
static bool forward(struct net_user *n, const char *text, char *err, size_t err_size) {
    char copy[128], *host = copy + 4, *dash;
    struct in_addr from = {.s_addr = htonl(INADDR_LOOPBACK)}, to = {.s_addr = 0};
    int from_port, to_port;
    snprintf(copy, sizeof copy, "%s", text);
    bool udp = !strncmp(copy, "udp:", 4);
    dash = strchr(copy, '-');
    if (dash) *dash = '\0';
    if (strlen(text) >= sizeof copy || !dash || (!udp && strncmp(copy, "tcp:", 4) != 0) ||
        !parse_end(host, &from, &from_port) || !parse_end(dash + 1, &to, &to_port))
        snprintf(err, err_size, "--net user: expected hostfwd=tcp:[ADDRESS:]PORT-[ADDRESS]:PORT (or udp), found '%s'",
                 text);
    else if (slirp_add_hostfwd(n->slirp, udp, from, from_port, to, to_port))
        snprintf(err, err_size, "--net user: the host's port %d cannot be had for hostfwd=%s: is it in use?", from_port,
                 text);
    else
        return true;
    return false;
}

static bool parse_options(struct net_user *n, const char *options, char *err, size_t err_size) {
    static const char key[] = "hostfwd=";
    char text[512], *save = NULL;
    snprintf(text, sizeof text, "%s", options);
    bool ok = strlen(options) < sizeof text && (!*options || *options == ',');
    if (!ok) snprintf(err, err_size, "--net: expected none or user[,hostfwd=...]..., found 'user%s'", options);
    for (char *word = strtok_r(text, ",", &save); ok && word; word = strtok_r(NULL, ",", &save)) {
        ok = !strncmp(word, key, sizeof key - 1);
        if (!ok)
            snprintf(err, err_size, "--net user: expected hostfwd=..., found '%s'", word);
        else
            ok = forward(n, word + sizeof key - 1, err, err_size);
    }
    return ok;
}

static struct in_addr address(const char *text) {
    struct in_addr a = {0};
    inet_aton(text, &a);
    return a;
}

struct net_user *net_user_create(struct machine *m, const char *options, net_receive_fn *receive, void *arg, char *err,
                                 size_t err_size) {
    const SlirpConfig config = {
        .version = 4,
        .in_enabled = true,
        .vnetwork = address("10.0.2.0"),
        .vnetmask = address("255.255.255.0"),
        .vhost = address("10.0.2.2"),
        .vdhcp_start = address("10.0.2.15"),
        .vnameserver = address("10.0.2.3"),
        .vhostname = "hvsim",
    };
    struct net_user *n = calloc(1, sizeof *n);
    if (!n) return NULL;
    n->machine = m;
    n->receive = receive;
    n->arg = arg;
    n->slirp = slirp_new(&config, &callbacks, n);
    if (n->slirp && parse_options(n, options, err, err_size)) return n;
    if (!n->slirp) snprintf(err, err_size, "--net user: libslirp %s does not start", slirp_version_string());
    net_user_destroy(n);
    return NULL;
}

void net_user_destroy(struct net_user *n) {
    if (!n) return;
    if (n->slirp) slirp_cleanup(n->slirp);
    while (n->timers) timer_free(n->timers, n);
    free(n);
}
