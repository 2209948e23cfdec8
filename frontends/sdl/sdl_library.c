/* Loads SDL 2. */
#include "frontends/sdl/sdl_library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define LIBRARY "libSDL2-2.0.so.0"

static bool find(struct sdl_library *sdl, const char *name, void *to, size_t size) {
    void *at = dlsym(sdl->handle, name);
    memcpy(to, &at, size); /* from an object pointer to a function pointer, as POSIX has it */
    return at != NULL;
}

bool sdl_library_load(struct sdl_library *sdl, char *err, size_t err_size) {
    sdl->handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!sdl->handle) {
        snprintf(err, err_size, "%s cannot be loaded (Debian: apt-get install libsdl2-2.0-0): %s", LIBRARY, dlerror());
        return false;
    }
    const char *missing = NULL;
#define FIND(name)                                                                                                     \
    if (!find(sdl, "SDL_" #name, &sdl->name, sizeof sdl->name)) missing = "SDL_" #name;
    SDL_FUNCTIONS(FIND)
#undef FIND
    if (!missing) return true;
    snprintf(err, err_size, "%s is too old: it has no %s", LIBRARY, missing);
    sdl_library_unload(sdl);
    return false;
}

void sdl_library_unload(struct sdl_library *sdl) {
    if (sdl->handle) dlclose(sdl->handle);
    sdl->handle = NULL;
}
