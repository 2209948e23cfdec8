/* Boot modules and the command line, as both multiboot formats pass them. */
#include <stdlib.h>
#include <string.h>

#include "sim/machine/load.h"

static bool module_load(struct loader *l, const char *spec, struct module *mod) {
    struct file f;
    const char *comma = strchr(spec, ',');
    size_t name_len = comma ? (size_t)(comma - spec) : strlen(spec);
    if (!file_read(l, spec, name_len, &f)) return false;
    bool ok = load_find(l, f.path, "the module", f.size, PAGE_SIZE, 0x100000, l->m->low_size, &mod->start) &&
              load_place(l, f.path, "the module", mod->start, f.size, f.data, f.size);
    mod->end = mod->start + f.size;
    mod->text = strdup(spec);
    if (mod->text && comma) mod->text[name_len] = ' ';
    file_free(&f);
    return ok && (mod->text || load_fail(l, spec, "out of memory"));
}

bool modules_load(struct loader *l, struct modules *ms) {
    *ms = (struct modules){.count = 0};
    if (l->req->module_count > MAX_MODULES)
        return load_fail(l, l->req->path, "%u modules given, at most %d are possible", l->req->module_count,
                         MAX_MODULES);
    for (unsigned i = 0; i < l->req->module_count; i++) {
        ms->count++;
        if (!module_load(l, l->req->modules[i], &ms->m[i])) return false;
    }
    return true;
}

void modules_free(struct modules *ms) {
    for (unsigned i = 0; i < ms->count; i++) free(ms->m[i].text);
    ms->count = 0;
}

char *boot_command_line(const struct loader *l) {
    const char *append = l->req->append ? l->req->append : "";
    size_t size = strlen(l->req->path) + strlen(append) + 2;
    char *line = malloc(size);
    if (line) snprintf(line, size, "%s%s%s", l->req->path, *append ? " " : "", append);
    return line;
}
