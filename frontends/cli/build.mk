CLI_SRC += $(wildcard frontends/cli/*.c)
CLI_LIBS := -lpng

# make install [PREFIX=/usr/local] [DESTDIR=...]
INSTALL   ?= install
LIBDIR     = $(PREFIX)/lib
SONAME    := libhvsim.so.0
SOVERSION := $(SONAME).$(VERSION:0.%=%)

.PHONY: install uninstall
install: all $(BUILD)/hvsim.pc
	$(INSTALL) -d $(addprefix $(DESTDIR)$(PREFIX)/,bin include lib/pkgconfig share/man/man1)
	$(INSTALL) -m 755 $(BUILD)/hvsim $(DESTDIR)$(PREFIX)/bin/hvsim
	$(INSTALL) -m 644 sim/hvsim.h $(DESTDIR)$(PREFIX)/include/hvsim.h
	$(INSTALL) -m 644 $(BUILD)/libhvsim.a $(DESTDIR)$(LIBDIR)/libhvsim.a
	$(INSTALL) -m 755 $(BUILD)/libhvsim.so $(DESTDIR)$(LIBDIR)/$(SOVERSION)
	ln -sf $(SOVERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libhvsim.so
	$(INSTALL) -m 644 $(BUILD)/hvsim.pc $(DESTDIR)$(LIBDIR)/pkgconfig/hvsim.pc
	$(INSTALL) -m 644 docs/hvsim.1 $(DESTDIR)$(PREFIX)/share/man/man1/hvsim.1

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/hvsim $(DESTDIR)$(PREFIX)/include/hvsim.h $(DESTDIR)$(LIBDIR)/libhvsim.a \
	    $(DESTDIR)$(LIBDIR)/$(SOVERSION) $(DESTDIR)$(LIBDIR)/$(SONAME) $(DESTDIR)$(LIBDIR)/libhvsim.so \
	    $(DESTDIR)$(LIBDIR)/pkgconfig/hvsim.pc $(DESTDIR)$(PREFIX)/share/man/man1/hvsim.1

# PREFIX is written into it: made anew each time
.PHONY: $(BUILD)/hvsim.pc
$(BUILD)/hvsim.pc: frontends/cli/hvsim.pc.in
	@mkdir -p $(@D)
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@LIBS@|$(LIBS)|' $< >$@

# the tests of the command run it
$(BUILD)/unit/test_cli: $(BUILD)/hvsim
