/* What all devices share: allocation and output. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/dev/dev.h"

void *device_alloc(struct machine *m, size_t size, const struct device_ops *ops) {
    struct device *d = calloc(1, size);
    if (!d) return NULL;
    d->ops = ops;
    d->machine = m;
    machine_add_device(m, d);
    return d;
}

bool sink_open(struct sink *s, const struct sink_config *c, const char *what, char *err, size_t err_size) {
    *s = (struct sink){0};
    if (c->kind == SINK_STDIO) s->f = stdout;
    if (c->kind != SINK_FILE) return true;
    s->f = fopen(c->path, "wb");
    s->owned = s->f != NULL;
    if (!s->f) snprintf(err, err_size, "%s: cannot write %s: %s", what, c->path, strerror(errno));
    return s->f != NULL;
}

void sink_write(struct sink *s, const void *buf, size_t size) {
    if (!s->f) return;
    fwrite(buf, 1, size, s->f);
    if (memchr(buf, '\n', size)) fflush(s->f);
}

void sink_close(struct sink *s) {
    if (s->f && s->owned)
        fclose(s->f);
    else if (s->f)
        fflush(s->f);
    s->f = NULL;
}
