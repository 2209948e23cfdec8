/* The screen that an image finds: text mode 3, or the linear mode that its header asks for. */
#include "sim/dev/vga.h"
#include "sim/machine/load.h"

#define WIDTH  1024 /* for images without a preference */
#define HEIGHT 768
#define DEPTH  32

struct video load_video(const struct machine *m, const struct video_request *want) {
    static const struct video text = {
        .address = 0xB8000, .pitch = 160, .width = 80, .height = 25, .bpp = 16, .type = VIDEO_TEXT};
    struct vga_linear got;
    const unsigned bpp = want->bpp ? want->bpp : DEPTH;
    const uint64_t address = m->vga ? vga_framebuffer(m->vga) : 0;
    if (!m->vga) return (struct video){.type = VIDEO_NONE};
    if (want->text || !address || bpp < 15) return text;
    if (!vga_set_linear_mode(m->vga, want->width ? want->width : WIDTH, want->height ? want->height : HEIGHT, bpp,
                             &got))
        return text;
    struct video v = {.address = address + got.start, .pitch = got.pitch, .width = got.width, .height = got.height};
    v.bpp = (uint8_t)bpp;
    v.type = VIDEO_RGB;
    const uint8_t wide = bpp >= 24 ? 8 : 5, green = bpp == 16 ? 6 : wide;
    const uint8_t fields[6] = {(uint8_t)(wide + green), wide, wide, green, 0, wide};
    for (unsigned i = 0; i < 6; i++) v.fields[i] = fields[i];
    return v;
}
