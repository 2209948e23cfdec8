/* A picture of the screen as a PNG file, by libpng. */
#include "frontends/cli/png.h"

#include <png.h>
#include <stdlib.h>

#include "frontends/cli/cli.h"

/* A screen is opaque: the fourth byte of each pixel goes. */
static uint8_t *without_alpha(const struct hvsim_picture *p) {
    size_t n = (size_t)p->width * p->height;
    uint8_t *rgb = malloc(3 * n);
    for (size_t i = 0; rgb && i < n; i++)
        for (unsigned c = 0; c < 3; c++) rgb[3 * i + c] = p->rgba[4 * i + c];
    return rgb;
}

bool png_save(hvsim *h, const char *path) {
    struct hvsim_picture p;
    uint8_t *rgb = hvsim_picture(h, &p) ? without_alpha(&p) : NULL;
    if (!rgb) {
        cli_error("%s: there is no picture: the machine has no display adapter, or memory is short", path);
        return false;
    }
    png_image image = {.version = PNG_IMAGE_VERSION, .width = p.width, .height = p.height, .format = PNG_FORMAT_RGB};
    bool good = png_image_write_to_file(&image, path, 0, rgb, 0, NULL);
    if (!good) cli_error("cannot write %s: %s", path, image.message);
    free(rgb);
    return good;
}
