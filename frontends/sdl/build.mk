# The window of the command. SDL's headers are needed to build it; the library is loaded when a window is opened.
CLI_SRC += $(wildcard frontends/sdl/*.c)
