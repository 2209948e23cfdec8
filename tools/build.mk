# Lint, sanitizers, tests as a whole, installation.

.PHONY: deps test lint asan install run bench-quick
deps:
	@tools/deps.sh build $(if $(findstring clang,$(CC)),clang)

LINT_C = $(shell git ls-files 'decoder/*.[ch]' 'mmu/*.[ch]' 'sim/*.[ch]' 'vmx/*.[ch]' 'svm/*.[ch]' 'frontends/*.[ch]' \
           'testsuites/*.[ch]' 'examples/*.[ch]')
LINT_LIB = $(shell git ls-files 'decoder/*.c' 'mmu/*.c' 'sim/*.c' 'vmx/*.c' 'svm/*.c' 'frontends/*.c')

lint: deps
	@tools/deps.sh lint
	@echo "== clang-format";       clang-format --dry-run -Werror $(LINT_C)
	@echo "== include directions"; tools/lint-includes.sh
	@echo "== headers stand alone"; tools/lint-headers.sh $(CC) $(CSTD) $(WARN) -I.
	@echo "== cppcheck";           cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=1 \
	    --suppressions-list=tools/cppcheck.suppress -j 2 -I. -D_GNU_SOURCE $(LINT_LIB)
	@echo "lint: nothing to complain about"

# The whole of it again under the address and undefined-behaviour sanitizers, in a build folder of its own.
ASAN_ENV := ASAN_OPTIONS=use_sigaltstack=0
ASAN_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
ASAN_MAKE = $(ASAN_ENV) $(MAKE) --no-print-directory BUILD=$(BUILD)-asan OPT="-O1 -g $(ASAN_FLAGS)" LDFLAGS="$(ASAN_FLAGS)"
asan:
	@tools/deps.sh build asan test
	$(ASAN_MAKE) -j$(CPUS) all test-programs
	$(ASAN_MAKE) test-asan

test: deps
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(CPUS) all test-programs test-images
	@$(MAKE) --no-print-directory test-all

# What is worth repeating under the sanitizers: everything that eats bytes from outside.
.PHONY: test-asan
test-asan: test-unit test-fuzz test-demo

# Built side by side, before the tests run one after the other.
CPUS := $(shell nproc)
.PHONY: test-programs test-images
test-programs: $(TEST_PROGRAMS)
test-images: $(TEST_IMAGES)

.PHONY: test-all
test-all: all $(TEST_TARGETS)
	@echo "all tests passed"
