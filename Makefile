# hvsim: one non-recursive build. Each folder adds its part in <folder>/build.mk.
#   make          build the library and the command      make run    the demonstration on both vendors
#   make test     every test                             make lint   format, static analysis, include rules
#   make bench    measure against qemu and bochs         make asan   build and test with ASan and UBSan
#   make install PREFIX=/usr/local
CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
BUILD   ?= build
PREFIX  ?= /usr/local
VERSION := 0.1.0

CSTD     := -std=c11 -D_GNU_SOURCE
WARN     := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Werror
OPT      ?= -O2 -g -fno-plt
CFLAGS   ?=
ALL_CFLAGS = $(CSTD) $(WARN) $(OPT) -fPIC -fno-strict-aliasing -fwrapv -foptimize-sibling-calls -fvisibility=hidden -I. $(CFLAGS)
# make FP=portable BUILD=build-portable: floating point without the host's units, as on hosts that are not x86-64
ifeq ($(FP),portable)
ALL_CFLAGS += -DFP_PORTABLE
endif
ALL_LDFLAGS = $(LDFLAGS)
LIBS     := -lZydis -lcapstone -lslirp -lnbd

.DEFAULT_GOAL := all
LIB_SRC :=
CLI_SRC :=
TEST_TARGETS :=
TEST_PROGRAMS :=
TEST_IMAGES :=
CLEAN_DIRS = $(BUILD)

include $(wildcard decoder/build.mk mmu/build.mk sim/build.mk vmx/build.mk svm/build.mk frontends/*/build.mk \
          examples/*/build.mk testsuites/guest/lib/build.mk testsuites/guest/build.mk testsuites/unit/build.mk testsuites/isa/build.mk \
          testsuites/fuzz/build.mk testsuites/hypervisors/build.mk testsuites/bench/build.mk tools/build.mk)

LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/%.o)
CLI_OBJ := $(CLI_SRC:%.c=$(BUILD)/%.o)

# make V=1 shows the commands
ifeq ($(V),)
SAY = @echo "  $(1)	$(patsubst $(BUILD)/%,%,$@)";
endif

.PHONY: all clean
all: $(BUILD)/hvsim $(BUILD)/libhvsim.a $(BUILD)/libhvsim.so

# Missing Debian packages are installed before the first file is compiled.
$(BUILD)/.deps: tools/deps.sh
	@mkdir -p $(@D)
	@tools/deps.sh build $(if $(findstring clang,$(CC)),clang)
	@touch $@

$(BUILD)/%.o: %.c | $(BUILD)/.deps
	@mkdir -p $(@D)
	$(call SAY,CC) $(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/libhvsim.a: $(LIB_OBJ)
	@rm -f $@
	$(call SAY,AR) $(AR) rcs $@ $^

$(BUILD)/libhvsim.so: $(LIB_OBJ)
	$(call SAY,LD) $(CC) $(ALL_CFLAGS) -shared -Wl,-soname,libhvsim.so.0 $^ -o $@ $(ALL_LDFLAGS) $(LIBS)

$(BUILD)/hvsim: $(CLI_OBJ) $(BUILD)/libhvsim.a
	$(call SAY,LD) $(CC) $(ALL_CFLAGS) $^ -o $@ $(ALL_LDFLAGS) $(LIBS) $(CLI_LIBS)

clean:
	rm -rf $(CLEAN_DIRS)

-include $(LIB_OBJ:.o=.d) $(CLI_OBJ:.o=.d)
