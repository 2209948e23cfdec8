/* The window: picture, title, keys, mouse, and the pace of an idle machine. */
#include "frontends/sdl/window.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontends/sdl/sdl_library.h"

#define MILLISECOND 1000000ull
#define SECOND      1000000000ull
#define POLL_EVERY  (5 * MILLISECOND) /* of the host's time */
#define DRAW_EVERY  (25 * MILLISECOND)
#define TITLE_EVERY (SECOND / 2)
#define BEHIND_MAX  (100 * MILLISECOND) /* virtual time that is further behind is not caught up with */
#define SCALE_MAX   4
#define SCREENSHOTS 1000
#define LETTERBOX   16

enum machine_state { STATE_RUNNING, STATE_HALTED, STATE_STOPPED };

struct window {
    hvsim *h;
    struct window_config config;
    struct sdl_library sdl;
    SDL_Window *window;
    SDL_Renderer *renderer;
    SDL_Texture *texture;
    unsigned width, height, scale; /* of the picture; the window has `scale` times as many pixels until it is resized */
    uint64_t generation;           /* of the picture shown */
    bool closed, full_screen, grabbed, exposed, resized;
    unsigned buttons;
    bool down[SDL_NUM_SCANCODES]; /* keys that the guest knows to be down */
    uint64_t polled, drawn, titled;
    uint64_t titled_instructions;
    enum machine_state state;
    bool anchored; /* virtual time `anchor_virtual` was shown at `anchor_host` */
    uint64_t anchor_host, anchor_virtual;
};

static uint64_t host_time(const struct window *w) {
    return (uint64_t)((double)w->sdl.GetPerformanceCounter() * (double)SECOND /
                      (double)w->sdl.GetPerformanceFrequency());
}

/* ---- title ---- */

static void set_title(struct window *w, uint64_t now) {
    static const char *const names[] = {"running", "halted", "stopped"};
    uint64_t instructions = hvsim_instructions(w->h), done = instructions - w->titled_instructions;
    double seconds = (double)(now - w->titled) / (double)SECOND;
    char title[256];
    if (w->state != STATE_STOPPED) w->state = done ? STATE_RUNNING : STATE_HALTED;
    int n = snprintf(title, sizeof title, "%.100s - hvsim - %s", w->config.name, names[w->state]);
    if (w->state == STATE_RUNNING && w->titled)
        n += snprintf(title + n, sizeof title - (size_t)n, " - %.1f M instr/s", (double)done / seconds / 1e6);
    if (w->grabbed) snprintf(title + n, sizeof title - (size_t)n, " - Ctrl+Alt+G frees the mouse");
    w->sdl.SetWindowTitle(w->window, title);
    w->titled = now;
    w->titled_instructions = instructions;
}

/* ---- picture ---- */

static bool fit_picture(struct window *w, const struct hvsim_picture *p) {
    if (w->texture && p->width == w->width && p->height == w->height) return true;
    if (w->texture) w->sdl.DestroyTexture(w->texture);
    w->texture = w->sdl.CreateTexture(w->renderer, SDL_PIXELFORMAT_RGBA32, SDL_TEXTUREACCESS_STREAMING, (int)p->width,
                                      (int)p->height);
    w->width = p->width, w->height = p->height;
    w->generation = 0;
    w->sdl.RenderSetLogicalSize(w->renderer, (int)p->width, (int)p->height);
    if (!w->full_screen && !w->resized)
        w->sdl.SetWindowSize(w->window, (int)(p->width * w->scale), (int)(p->height * w->scale));
    return w->texture != NULL;
}

static void draw(struct window *w, uint64_t now) {
    struct hvsim_picture p;
    w->drawn = now;
    if (!hvsim_picture(w->h, &p) || !fit_picture(w, &p)) return;
    if (p.generation == w->generation && !w->exposed) return;
    if (p.generation != w->generation) w->sdl.UpdateTexture(w->texture, NULL, p.rgba, (int)p.width * 4);
    w->generation = p.generation;
    w->exposed = false;
    w->sdl.SetRenderDrawColor(w->renderer, LETTERBOX, LETTERBOX, LETTERBOX, 255);
    w->sdl.RenderClear(w->renderer);
    w->sdl.RenderCopy(w->renderer, w->texture, NULL, NULL);
    w->sdl.RenderPresent(w->renderer);
}

static void set_scale(struct window *w, unsigned scale) {
    if (scale < 1 || scale > SCALE_MAX || w->full_screen) return;
    w->scale = scale;
    w->resized = false;
    w->sdl.SetWindowSize(w->window, (int)(w->width * scale), (int)(w->height * scale));
}

static void set_full_screen(struct window *w, bool on) {
    w->full_screen = on;
    w->sdl.SetWindowFullscreen(w->window, on ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);
    w->exposed = true;
}

static void screenshot(struct window *w) {
    char path[64];
    for (unsigned i = 0; i < SCREENSHOTS; i++) {
        snprintf(path, sizeof path, "hvsim-%03u.png", i);
        if (access(path, F_OK) == 0) continue;
        if (w->config.screenshot(w->h, path)) fprintf(stderr, "hvsim: the picture is in %s\n", path);
        return;
    }
}

/* ---- input ---- */

static void set_grab(struct window *w, bool on) {
    w->grabbed = on;
    w->sdl.SetWindowMouseGrab(w->window, on);
    w->sdl.SetWindowKeyboardGrab(w->window, on);
    w->sdl.SetRelativeMouseMode(on);
    set_title(w, host_time(w));
}

static void send_key(struct window *w, unsigned code, bool down) {
    /* SDL's scan codes are USB usages */
    if (code < SDL_NUM_SCANCODES && hvsim_key(w->h, code, down)) w->down[code] = down;
}

static void release_all(struct window *w) {
    for (unsigned i = 0; i < SDL_NUM_SCANCODES; i++)
        if (w->down[i]) send_key(w, i, false);
    if (w->buttons) hvsim_mouse(w->h, 0, 0, 0, w->buttons = 0);
}

/* Ctrl+Alt and a key; true: it was one of the window's own. */
static bool shortcut(struct window *w, const SDL_KeyboardEvent *e) {
    if (!(e->keysym.mod & KMOD_CTRL) || !(e->keysym.mod & KMOD_ALT)) return false;
    switch (e->keysym.scancode) {
    case SDL_SCANCODE_G:
        set_grab(w, !w->grabbed);
        return true;
    case SDL_SCANCODE_F:
        set_full_screen(w, !w->full_screen);
        return true;
    case SDL_SCANCODE_S:
        screenshot(w);
        return true;
    case SDL_SCANCODE_EQUALS:
    case SDL_SCANCODE_KP_PLUS:
        set_scale(w, w->scale + 1);
        return true;
    case SDL_SCANCODE_MINUS:
    case SDL_SCANCODE_KP_MINUS:
        set_scale(w, w->scale - 1);
        return true;
    case SDL_SCANCODE_0:
        set_scale(w, 1);
        return true;
    default:
        return false;
    }
}

static void on_key(struct window *w, const SDL_KeyboardEvent *e) {
    bool down = e->type == SDL_KEYDOWN;
    if (down && !e->repeat && shortcut(w, e)) return;
    if (!down && e->keysym.scancode < SDL_NUM_SCANCODES && !w->down[e->keysym.scancode]) return;
    send_key(w, e->keysym.scancode, down);
}

static void on_button(struct window *w, const SDL_MouseButtonEvent *e) {
    static const uint8_t bit[6] = {
        [SDL_BUTTON_LEFT] = 1, [SDL_BUTTON_RIGHT] = 2, [SDL_BUTTON_MIDDLE] = 4, [SDL_BUTTON_X1] = 8, [5] = 16};
    unsigned mask = e->button < 6 ? bit[e->button] : 0;
    if (!w->grabbed) {
        if (e->type == SDL_MOUSEBUTTONDOWN) set_grab(w, true); /* the click that grabs is not the guest's */
        return;
    }
    if (e->type == SDL_MOUSEBUTTONUP && !(w->buttons & mask)) return; /* of that click, too */
    w->buttons = e->type == SDL_MOUSEBUTTONDOWN ? w->buttons | mask : w->buttons & ~mask;
    hvsim_mouse(w->h, 0, 0, 0, w->buttons);
}

static void on_window(struct window *w, const SDL_WindowEvent *e) {
    switch (e->event) {
    case SDL_WINDOWEVENT_CLOSE:
        w->closed = true;
        break;
    case SDL_WINDOWEVENT_FOCUS_LOST:
        release_all(w);
        if (w->grabbed) set_grab(w, false);
        break;
    case SDL_WINDOWEVENT_RESIZED: /* by a person */
        w->resized |=
            !w->full_screen && (e->data1 != (int)(w->width * w->scale) || e->data2 != (int)(w->height * w->scale));
        w->exposed = true;
        break;
    default:
        w->exposed = true;
        break;
    }
}

/* true: it was input, or the window's end */
static bool on_event(struct window *w, const SDL_Event *e) {
    switch (e->type) {
    case SDL_KEYDOWN:
    case SDL_KEYUP:
        on_key(w, &e->key);
        return true;
    case SDL_MOUSEMOTION:
        if (w->grabbed) hvsim_mouse(w->h, e->motion.xrel, e->motion.yrel, 0, w->buttons);
        return w->grabbed;
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP:
        on_button(w, &e->button);
        return true;
    case SDL_MOUSEWHEEL:
        if (w->grabbed) hvsim_mouse(w->h, 0, 0, -e->wheel.y, w->buttons);
        return w->grabbed;
    case SDL_WINDOWEVENT:
        on_window(w, &e->window);
        return w->closed;
    case SDL_QUIT:
        w->closed = true;
        return true;
    default:
        return false;
    }
}

/* ---- beside the machine ---- */

static bool poll_events(struct window *w, uint64_t now) {
    bool input = false;
    SDL_Event e;
    w->polled = now;
    while (w->sdl.PollEvent(&e)) input |= on_event(w, &e);
    if (w->closed) hvsim_interrupt(w->h);
    return input;
}

static bool attend(struct window *w, uint64_t now) {
    bool input = poll_events(w, now);
    if (now - w->drawn >= DRAW_EVERY) draw(w, now);
    if (now - w->titled >= TITLE_EVERY) set_title(w, now);
    return input;
}

/* Virtual time that the host's clock has reached: while the machine is idle the two go side by side. */
static uint64_t paced(struct window *w, uint64_t host, uint64_t now) {
    uint64_t at = w->anchor_virtual + (host - w->anchor_host);
    if (w->anchored && at < now + BEHIND_MAX) return at;
    w->anchored = true;
    w->anchor_host = host;
    w->anchor_virtual = now;
    return now;
}

static uint64_t wait_idle(struct window *w, uint64_t idle) {
    uint64_t begin = hvsim_nanoseconds(w->h), at = paced(w, host_time(w), begin);
    uint64_t length = idle < DRAW_EVERY ? idle : DRAW_EVERY, end = begin + length;
    SDL_Event e;
    /* less than a millisecond is made up for by the next wait */
    if (at + MILLISECOND > end) return length;
    if (w->sdl.WaitEventTimeout(&e, (int)((end - at) / MILLISECOND))) on_event(w, &e);
    uint64_t host = host_time(w);
    attend(w, host);
    at = w->anchor_virtual + (host - w->anchor_host);
    return at < begin ? 0 : at < end ? at - begin : length;
}

uint64_t window_serve(struct window *w, uint64_t idle) {
    uint64_t now = host_time(w);
    if (now - w->polled >= POLL_EVERY && attend(w, now)) return 0;
    return idle ? wait_idle(w, idle) : 0;
}

bool window_closed(const struct window *w) { return w->closed; }

void window_show_end(struct window *w, const volatile int *cancel) {
    SDL_Event e;
    w->state = STATE_STOPPED;
    if (w->grabbed) set_grab(w, false);
    while (!w->closed && !*cancel) {
        uint64_t now = host_time(w);
        draw(w, now);
        set_title(w, now);
        if (w->sdl.WaitEventTimeout(&e, (int)(DRAW_EVERY * 4 / MILLISECOND))) on_event(w, &e);
        while (!w->closed && w->sdl.PollEvent(&e)) on_event(w, &e);
    }
}

/* ---- opening and closing ---- */

/* Where there is no screen SDL may choose a driver whose windows nobody sees, and nobody could close. */
static bool is_seen(const struct sdl_library *sdl) {
    const char *driver = sdl->GetCurrentVideoDriver();
    return getenv("SDL_VIDEODRIVER") || (driver && strcmp(driver, "offscreen") != 0);
}

static bool open_sdl(struct window *w, char *err, size_t err_size) {
    struct sdl_library *sdl = &w->sdl;
    sdl->SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    sdl->SetHint(SDL_HINT_RENDER_SCALE_QUALITY, "linear");
    sdl->SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
    const int at = SDL_WINDOWPOS_CENTERED;
    struct hvsim_picture p = {.width = 640, .height = 480};
    hvsim_picture(w->h, &p);
    const bool ready = sdl->Init(SDL_INIT_VIDEO) == 0;
    if (ready && !is_seen(sdl)) {
        snprintf(err, err_size, "SDL finds no screen; expected DISPLAY or WAYLAND_DISPLAY to name one");
        return false;
    }
    if (ready) w->window = sdl->CreateWindow("hvsim", at, at, (int)p.width, (int)p.height, SDL_WINDOW_RESIZABLE);
    if (w->window) w->renderer = sdl->CreateRenderer(w->window, -1, 0);
    if (w->renderer) return true;
    snprintf(err, err_size, "SDL cannot open a window: %s", sdl->GetError());
    return false;
}

struct window *window_open(hvsim *h, const struct window_config *c, char *err, size_t err_size) {
    struct window *w = calloc(1, sizeof *w);
    snprintf(err, err_size, "out of memory");
    if (!w) return NULL;
    w->h = h;
    w->config = *c;
    w->scale = 1;
    w->exposed = true;
    if (!sdl_library_load(&w->sdl, err, err_size)) {
        free(w);
        return NULL;
    }
    if (!open_sdl(w, err, err_size)) {
        window_destroy(w);
        return NULL;
    }
    attend(w, host_time(w));
    return w;
}

void window_destroy(struct window *w) {
    if (!w) return;
    if (w->texture) w->sdl.DestroyTexture(w->texture);
    if (w->renderer) w->sdl.DestroyRenderer(w->renderer);
    if (w->window) w->sdl.DestroyWindow(w->window);
    w->sdl.Quit();
    sdl_library_unload(&w->sdl);
    free(w);
}
