/* 16550A UART: COM1, ports 3F8H-3FFH, IRQ 4, and COM2, ports 2F8H-2FFH, IRQ 3. Source: National Semiconductor PC16550D
 * data sheet. A byte written is sent at once: the transmitter is always empty. Input comes from standard input when the
 * port is on standard input and output; a terminal or pipe is polled between slices, a regular file gives a byte
 * whenever there is room. */
#include "sim/dev/dev.h"
#include "sim/machine/hostio.h"

#define FIFO_SIZE 16

enum uart_reg { RBR_THR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR };

#define IER_RX       0x01
#define IER_TX       0x02
#define IER_LINE     0x04
#define IER_MODEM    0x08
#define IIR_NONE     0x01
#define IIR_MODEM    0x00
#define IIR_TX       0x02
#define IIR_RX       0x04
#define IIR_LINE     0x06
#define IIR_TRICKLE  0x0C /* character time-out: fewer bytes than the trigger level */
#define IIR_FIFO     0xC0
#define FCR_ENABLE   0x01
#define FCR_CLEAR_RX 0x02
#define LCR_DLAB     0x80
#define MCR_LOOP     0x10
#define MCR_OUT2     0x08
#define LSR_READY    0x01
#define LSR_OVERRUN  0x02
#define LSR_TX_EMPTY 0x60 /* THRE and TEMT */

struct uart {
    struct device dev;
    uint8_t irq;
    struct sink out;
    struct input in;
    uint8_t ier, fcr, lcr, mcr, scr, dll, dlm, overrun;
    uint8_t msr_delta;
    bool tx_pending; /* the transmitter-empty interrupt has not been seen */
    uint8_t fifo[FIFO_SIZE];
    unsigned head, count;
};

static unsigned capacity(const struct uart *u) { return u->fcr & FCR_ENABLE ? FIFO_SIZE : 1; }

static unsigned trigger_level(const struct uart *u) {
    static const uint8_t level[4] = {1, 4, 8, 14};
    return u->fcr & FCR_ENABLE ? level[u->fcr >> 6] : 1;
}

/* PC16550D, "Interrupt Identification Register": the highest priority of what is pending and enabled. */
static uint8_t pending(const struct uart *u) {
    if ((u->ier & IER_LINE) && u->overrun) return IIR_LINE;
    if ((u->ier & IER_RX) && u->count >= trigger_level(u)) return IIR_RX;
    if ((u->ier & IER_RX) && u->count) return IIR_TRICKLE;
    if ((u->ier & IER_TX) && u->tx_pending) return IIR_TX;
    if ((u->ier & IER_MODEM) && u->msr_delta) return IIR_MODEM;
    return IIR_NONE;
}

static void update(struct uart *u) {
    bool open = (u->mcr & MCR_OUT2) && !(u->mcr & MCR_LOOP); /* on a PC, OUT2 connects the interrupt */
    machine_set_irq(u->dev.machine, u->irq, open && pending(u) != IIR_NONE);
}

static void receive(struct uart *u, uint8_t byte) {
    if (u->count == capacity(u)) {
        u->overrun = LSR_OVERRUN;
        return;
    }
    u->fifo[(u->head + u->count++) % FIFO_SIZE] = byte;
}

static uint8_t read_data(struct uart *u) {
    if (!u->count) return 0;
    uint8_t byte = u->fifo[u->head];
    u->head = (u->head + 1) % FIFO_SIZE;
    u->count--;
    return byte;
}

static uint8_t modem_status(const struct uart *u) {
    if (!(u->mcr & MCR_LOOP)) return 0xB0; /* carrier, data set ready, clear to send */
    return (uint8_t)((u->mcr & 2) << 3 | (u->mcr & 1) << 5 | (u->mcr & 0xC) << 4);
}

static uint64_t uart_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    struct uart *u = (struct uart *)d;
    uint8_t val = 0;
    (void)range, (void)size;
    switch ((enum uart_reg)offset) {
    case RBR_THR:
        if (u->lcr & LCR_DLAB) return u->dll;
        val = read_data(u);
        break;
    case IER:
        return u->lcr & LCR_DLAB ? u->dlm : u->ier;
    case IIR_FCR:
        val = pending(u);
        if (val == IIR_TX) u->tx_pending = false;
        val |= u->fcr & FCR_ENABLE ? IIR_FIFO : 0;
        break;
    case LCR:
        return u->lcr;
    case MCR:
        return u->mcr;
    case LSR:
        val = (uint8_t)(LSR_TX_EMPTY | u->overrun | (u->count ? LSR_READY : 0));
        u->overrun = 0;
        break;
    case MSR:
        val = modem_status(u) | u->msr_delta;
        u->msr_delta = 0;
        break;
    case SCR:
        return u->scr;
    }
    update(u);
    return val;
}

static void send(struct uart *u, uint8_t val) {
    const struct machine_service *s = &u->dev.machine->service;
    sink_put(&u->out, val);
    if (s->serial) s->serial(s->arg, val);
}

static void write_data(struct uart *u, uint8_t val) {
    if (u->mcr & MCR_LOOP)
        receive(u, val);
    else
        send(u, val);
    u->tx_pending = true;
}

static void write_fcr(struct uart *u, uint8_t val) {
    if (((val ^ u->fcr) & FCR_ENABLE) || (val & FCR_CLEAR_RX)) u->head = u->count = 0;
    u->fcr = val & FCR_ENABLE ? val & 0xC9 : 0;
}

static void uart_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val64) {
    struct uart *u = (struct uart *)d;
    uint8_t val = (uint8_t)val64;
    (void)range, (void)size;
    switch ((enum uart_reg)offset) {
    case RBR_THR:
        if (u->lcr & LCR_DLAB)
            u->dll = val;
        else
            write_data(u, val);
        break;
    case IER:
        if (u->lcr & LCR_DLAB) {
            u->dlm = val;
            break;
        }
        if ((val & IER_TX) && !(u->ier & IER_TX)) u->tx_pending = true;
        u->ier = val & 0x0F;
        break;
    case IIR_FCR:
        write_fcr(u, val);
        break;
    case LCR:
        u->lcr = val;
        break;
    case MCR: {
        uint8_t before = modem_status(u);
        u->mcr = val & 0x1F;
        u->msr_delta |= (uint8_t)((before ^ modem_status(u)) >> 4 & 0xB);
        if (before & ~modem_status(u) & 0x40) u->msr_delta |= 4; /* trailing edge of ring indicator */
        break;
    }
    case LSR:
    case MSR:
        break;
    case SCR:
        u->scr = val;
        break;
    }
    update(u);
}

static void uart_reset(struct device *d) {
    struct uart *u = (struct uart *)d;
    u->ier = u->fcr = u->lcr = u->mcr = u->overrun = u->msr_delta = 0;
    u->tx_pending = false;
    u->head = u->count = 0;
    update(u);
}

static void uart_destroy(struct device *d) { sink_close(&((struct uart *)d)->out); }

static void uart_host_poll(struct device *d) {
    struct uart *u = (struct uart *)d;
    uint8_t byte;
    if (u->out.f) fflush(u->out.f);
    while (u->count < capacity(u) && input_read(&u->in, &byte, 1)) {
        receive(u, byte);
        update(u);
    }
}

/* Only a guest that wants an interrupt for it waits for input. */
static void uart_host_wait(struct device *d, struct host_wait *w) {
    const struct uart *u = (struct uart *)d;
    if ((u->ier & IER_RX) && u->count < capacity(u)) input_wait(&u->in, w);
}

static const struct device_ops uart_ops = {.name = "16550",
                                           .reset = uart_reset,
                                           .destroy = uart_destroy,
                                           .read = uart_read,
                                           .write = uart_write,
                                           .host_poll = uart_host_poll,
                                           .host_wait = uart_host_wait};

struct device *uart_create(struct machine *m, enum uart_place place, const struct sink_config *out, char *err,
                           size_t err_size) {
    static const struct {
        uint16_t port;
        uint8_t irq;
    } places[] = {
        [UART_COM1] = {0x3F8, 4},
          [UART_COM2] = {0x2F8, 3}
    };
    struct uart *u = device_alloc(m, sizeof *u, &uart_ops);
    if (!u || !sink_open(&u->out, out, "serial port", err, err_size)) return NULL;
    input_open(&u->in, m, out);
    u->irq = places[place].irq;
    machine_map_ports(m, &u->dev, 0, places[place].port, 8);
    return &u->dev;
}
