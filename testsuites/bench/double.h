/* Arithmetic on doubles. Compiled twice, for SSE2 and for the x87 unit: each file that includes this defines
 * NBODY and DAXPY, the names of the functions to make. No double is an argument: without SSE there is no register for
 * it. */
#include "testsuites/bench/bench.h"

struct body {
    double x, y, z, vx, vy, vz, mass;
};
#define BODIES 5

static u64 bits_of(const double *d) {
    u64 v;
    __builtin_memcpy(&v, d, sizeof v);
    return v;
}

#ifdef __SSE2__
#define SQUARE_ROOT(d) __builtin_sqrt(d)
#else
#define SQUARE_ROOT(d)                                                                                                 \
    ({                                                                                                                 \
        double r_ = (d);                                                                                               \
        __asm__("fsqrt" : "+t"(r_));                                                                                   \
        r_;                                                                                                            \
    })
#endif

static void advance(struct body *b) {
    const double dt = 1.0 / 1024;
    for (u32 i = 0; i < BODIES; i++)
        for (u32 j = i + 1; j < BODIES; j++) {
            const double dx = b[i].x - b[j].x, dy = b[i].y - b[j].y, dz = b[i].z - b[j].z;
            const double d2 = dx * dx + dy * dy + dz * dz;
            const double mag = dt / (d2 * SQUARE_ROOT(d2));
            b[i].vx -= dx * b[j].mass * mag;
            b[i].vy -= dy * b[j].mass * mag;
            b[i].vz -= dz * b[j].mass * mag;
            b[j].vx += dx * b[i].mass * mag;
            b[j].vy += dy * b[i].mass * mag;
            b[j].vz += dz * b[i].mass * mag;
        }
    for (u32 i = 0; i < BODIES; i++) {
        b[i].x += dt * b[i].vx;
        b[i].y += dt * b[i].vy;
        b[i].z += dt * b[i].vz;
    }
}

/* NBODY_STEPS steps of a little planetary system; where the first body is then */
u64 NBODY(void) {
    struct body b[BODIES];
    for (u32 i = 0; i < BODIES; i++)
        b[i] = (struct body){i * 3.5 + 0.25, i * 1.25 - 2, i * 0.125,    0.5 - i * 0.0625,
                             i * 0.25,       0.03125 * i,  9.0 / (i + 1)};
    for (u32 n = 0; n < NBODY_STEPS; n++) advance(b);
    return bits_of(&b[0].x) ^ bits_of(&b[4].vy);
}

/* y += a * x, DAXPY_TIMES times over DAXPY_ELEMENTS elements */
u64 DAXPY(void) {
    static double x[DAXPY_ELEMENTS], y[DAXPY_ELEMENTS];
    double sum = 0;
    for (u32 i = 0; i < DAXPY_ELEMENTS; i++) {
        x[i] = i * 0.75 - 100;
        y[i] = 1.0 / (i + 1);
    }
    for (u32 n = 0; n < DAXPY_TIMES; n++) {
        const double a = 1.0 / (n + 3);
        for (u32 i = 0; i < DAXPY_ELEMENTS; i++) y[i] += a * x[i];
    }
    for (u32 i = 0; i < DAXPY_ELEMENTS; i += 7) sum += y[i];
    return bits_of(&sum);
}
