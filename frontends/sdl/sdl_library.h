/* The functions of SDL 2 that are used, reached through a table: the library is loaded at run time. */
#ifndef HVSIM_SDL_LIBRARY_H
#define HVSIM_SDL_LIBRARY_H

#include <SDL2/SDL.h>
#include <stdbool.h>

#define SDL_FUNCTIONS(F)                                                                                               \
    F(Init)                                                                                                            \
    F(Quit)                                                                                                            \
    F(GetError)                                                                                                        \
    F(GetCurrentVideoDriver)                                                                                           \
    F(SetHint)                                                                                                         \
    F(CreateWindow)                                                                                                    \
    F(DestroyWindow)                                                                                                   \
    F(SetWindowTitle)                                                                                                  \
    F(SetWindowSize)                                                                                                   \
    F(SetWindowFullscreen)                                                                                             \
    F(SetWindowMouseGrab)                                                                                              \
    F(SetWindowKeyboardGrab)                                                                                           \
    F(SetRelativeMouseMode)                                                                                            \
    F(CreateRenderer)                                                                                                  \
    F(DestroyRenderer)                                                                                                 \
    F(RenderSetLogicalSize)                                                                                            \
    F(SetRenderDrawColor)                                                                                              \
    F(RenderClear)                                                                                                     \
    F(RenderCopy)                                                                                                      \
    F(RenderPresent)                                                                                                   \
    F(CreateTexture)                                                                                                   \
    F(DestroyTexture)                                                                                                  \
    F(UpdateTexture)                                                                                                   \
    F(PollEvent)                                                                                                       \
    F(WaitEventTimeout)                                                                                                \
    F(GetPerformanceCounter)                                                                                           \
    F(GetPerformanceFrequency)

#define SDL_MEMBER(name) __typeof__(&SDL_##name) name;
struct sdl_library {
    void *handle;
    SDL_FUNCTIONS(SDL_MEMBER)
};
#undef SDL_MEMBER

/* false: the library, or a function of it, is not there; err says which. */
bool sdl_library_load(struct sdl_library *sdl, char *err, size_t err_size);
void sdl_library_unload(struct sdl_library *sdl);

#endif
