# SPDX-License-Identifier: LGPL-3.0-or-later
#
# make            build the program, the read-only program and the library (in build/)
# make demo       install what is missing, build, make a sample repository, open the console on it
# make check      install what is missing, build, run all tests (also with sanitizers); non-zero on failure
# make deps       only install what is missing          make install     DESTDIR= PREFIX=/usr/local
# make unit       only unit tests                       make cli         only tests of the built program
# make audit      layers, symbols, shared library       make bench       figures against qemu-img
# make tidy       clang-tidy                            make format      clang-format on all sources
# make fuzz MINUTES=10 TARGET=name...    make check-nightly MINUTES=60    make clean
#
# V=1 shows commands.  SAN=address,undefined builds with sanitizers in build/san.  W=1 makes warnings errors.
# T=glob picks tests (T=test_vhd*).  BUILD=dir builds elsewhere.  DIRS="..." limits the library to some folders.
# CC CFLAGS CPPFLAGS LDFLAGS are respected.

VERSION  := 0.1.0
SONAME   := 0
PREFIX   ?= /usr/local
BINDIR   ?= $(PREFIX)/bin
LIBDIR   ?= $(PREFIX)/lib
INCDIR   ?= $(PREFIX)/include
MANDIR   ?= $(PREFIX)/share/man
SBINDIR  ?= $(PREFIX)/sbin
LIBEXECDIR ?= $(PREFIX)/libexec
UNITDIR  ?= $(PREFIX)/lib/systemd/system
PLUGINDIR ?= $(LIBDIR)/nagios/plugins
SCHEMADIR ?= $(PREFIX)/share/chainview/schema
EXAMPLEDIR ?= $(PREFIX)/share/doc/chainview/examples
COMPDIR  ?= $(PREFIX)/share/bash-completion/completions
MINUTES  ?= 10
T        ?= test_*
BUILD    ?= build$(if $(SAN),/san)

PKGS     := json-c libseccomp libcap-ng uuid ncursesw
CFLAGS   ?= -O2 -g
WARN     := -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wundef \
            -Wformat=2 -Werror=implicit-function-declaration $(if $(W),-Werror)
ALL_CPPFLAGS := -D_GNU_SOURCE -DHAVE_LIBBFIO=1 -DCV_VERSION='"$(VERSION)"' -I. -Iinclude -I$(BUILD)/gen $(CPPFLAGS)
ALL_CFLAGS   := -std=gnu11 -fPIC -fvisibility=hidden -fstack-protector-strong $(WARN) $(CFLAGS) \
                $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
ALL_LDFLAGS  := -Wl,-z,relro,-z,now $(LDFLAGS) $(if $(SAN),-fsanitize=$(SAN))
# The order of the three matters: one copy of libbfio then serves all of them.
YAL_LIBS := -lvhdi -lqcow -lbfio
LIBS      = $(YAL_LIBS) -ljson-c -lseccomp -lcap-ng -luuid -linih -lz -lzstd -lpng -lcrypto -lblkid
TUI_LIBS := -lncursesw -ltinfo

Q := $(if $(V),,@)
say = $(if $(V),,@echo '  $(1) $(2)')

INSPECT_DIRS := inspect $(wildcard inspect/*/)
REPAIR_DIRS  := $(wildcard repair/*/)
DIRS ?= $(INSPECT_DIRS) $(REPAIR_DIRS)
TUI_DIRS := tui $(wildcard tui/*/)

srcs = $(sort $(foreach d,$(1:/=),$(wildcard $(d)/*.c)))
obj  = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
INSPECT_SRC := $(call srcs,$(filter inspect%,$(DIRS)))
REPAIR_SRC  := $(call srcs,$(filter repair%,$(DIRS)))
TUI_SRC     := $(call srcs,$(TUI_DIRS))
RECIPES     := $(sort $(wildcard samples/*.recipe))
rows         = $(patsubst %,$(dir $(1))%$(2).c,$(shell sed -n 's/^W(\([a-z_]*\)[,)].*/\1/p' $(1) 2>/dev/null))
WRITERS     := tui/command/write.c tui/command/coalesce_all.c tui/command/convert_tree.c $(wildcard tui/write/*.c) $(call rows,tui/command/commands.def) \
               $(call rows,tui/view/views.def) $(call rows,tui/view/views.def,_job) $(wildcard tui/view/form_*.c) $(wildcard tui/view/plan_*.c)
RO_TABLES   := tui/command/table.c tui/view/actions.c
ifneq ($(REPAIR_SRC),)
GEN_OBJ     := $(BUILD)/gen/recipes.o
endif

INSPECT_OBJ := $(call obj,$(INSPECT_SRC))
REPAIR_OBJ  := $(call obj,$(REPAIR_SRC)) $(GEN_OBJ)
TUI_OBJ     := $(call obj,$(TUI_SRC))
RO_OBJ      := $(call obj,$(filter-out $(WRITERS) $(RO_TABLES),$(TUI_SRC))) $(RO_TABLES:%.c=$(BUILD)/obj/ro/%.o)

UNIT_SRC := $(wildcard tests/unit/$(T).c)
UNIT     := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(UNIT_SRC))
CLI      := $(wildcard tests/cli/$(T).sh)

PROGRAMS := $(BUILD)/chainview $(BUILD)/chainview-ro
MAN      := $(patsubst man/%.in,$(BUILD)/man/%,$(wildcard man/*.in))
UNITS    := $(patsubst packaging/%.in,$(BUILD)/packaging/%,$(wildcard packaging/systemd/*.in packaging/notify.in packaging/chainview.cron.in))
LIBRARY  := $(BUILD)/libchainview.a $(BUILD)/libchainview.so.$(SONAME) $(BUILD)/chainview.pc

.PHONY: all demo check check-run deps unit cli readonly-cli audit bench fuzz check-nightly install clean format tidy san FORCE
.DELETE_ON_ERROR:
.PRECIOUS: $(BUILD)/obj/%.o

all: tools $(PROGRAMS) $(LIBRARY) $(MAN) $(UNITS)

# Says which package is missing before the compiler does.
.PHONY: tools
tools:
	@packaging/deps.sh --check build

deps:
	@packaging/deps.sh --install build test

demo:
	@packaging/deps.sh --install build
	@$(MAKE) --no-print-directory all
	@packaging/demo.sh $(BUILD)

$(BUILD)/obj/%.o: %.c Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Each call of the I/O table keeps its frame, so that a trace shows where it came from.
$(BUILD)/obj/repair/io/real.o: ALL_CFLAGS += -fno-optimize-sibling-calls

$(RO_TABLES:%.c=$(BUILD)/obj/ro/%.o): $(BUILD)/obj/ro/%.o: %.c Makefile
	$(call say,CC,$< (read-only))
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) -DCV_READ_ONLY $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/gen/recipes.c: $(RECIPES) $(wildcard samples/embed.*)
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)sh samples/embed.sh $(RECIPES) > $@

$(BUILD)/gen/recipes.o: $(BUILD)/gen/recipes.c
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Archives are made anew, also when a source was added or removed, so that none leaves anything behind.
$(BUILD)/objects.list: FORCE
	@mkdir -p $(@D)
	@echo '$(INSPECT_OBJ) $(REPAIR_OBJ) $(TUI_OBJ)' | cmp -s - $@ || echo '$(INSPECT_OBJ) $(REPAIR_OBJ) $(TUI_OBJ)' > $@
$(BUILD)/libinspect.a $(BUILD)/librepair.a $(BUILD)/libchainview.a $(BUILD)/libtui.a: $(BUILD)/objects.list
$(BUILD)/libinspect.a: $(INSPECT_OBJ)
$(BUILD)/librepair.a: $(REPAIR_OBJ)
$(BUILD)/libchainview.a: $(INSPECT_OBJ) $(REPAIR_OBJ)
$(BUILD)/libinspect.a $(BUILD)/librepair.a $(BUILD)/libchainview.a:
	$(call say,AR,$@)
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)$(AR) rcs $@ $(filter %.o,$^)

$(BUILD)/libchainview.so.$(SONAME): $(INSPECT_OBJ) $(REPAIR_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,$(@F) $(ALL_LDFLAGS) $(if $(SAN),,-Wl,-z,defs) -o $@ $(filter %.o,$^) $(LIBS)
	@ln -sf $(@F) $(BUILD)/libchainview.so

$(BUILD)/chainview: $(TUI_OBJ) $(BUILD)/libchainview.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) $(TUI_LIBS)

$(BUILD)/chainview-ro: $(RO_OBJ) $(BUILD)/libinspect.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) $(TUI_LIBS)

# The program against the shared library: proves that it needs nothing but the public headers' functions.
$(BUILD)/chainview-shared: $(TUI_OBJ) $(BUILD)/libchainview.so.$(SONAME)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(TUI_OBJ) -L$(BUILD) -lchainview $(LIBS) $(TUI_LIBS) -Wl,-rpath,'$$ORIGIN'

$(BUILD)/chainview.pc: packaging/chainview.pc.in FORCE
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(PREFIX)|;s|@LIBDIR@|$(LIBDIR)|;s|@INCDIR@|$(INCDIR)|;s|@VERSION@|$(VERSION)|' $< > $@

# Manual pages and the program say the same, because it writes what it knows into them.
$(BUILD)/man/%: man/%.in $(BUILD)/chainview
	$(call say,MAN,$@)
	@mkdir -p $(@D)
	$(Q)$(BUILD)/chainview __man < $< > $@

# Always, because the folders are those of this call.
$(BUILD)/packaging/%: packaging/%.in FORCE
	@mkdir -p $(@D)
	@sed -e 's|@BINDIR@|$(BINDIR)|g;s|@LIBEXECDIR@|$(LIBEXECDIR)|g' $< > $@

# A test links the support files whose headers it includes, and those whose headers these include.
headers = $(shell sed -n 's/^\#include "\(tests\/support\/[a-z0-9_]*\.h\)"/\1/p' $(1) /dev/null)
support = $(patsubst %.h,$(BUILD)/obj/%.o,$(sort $(call headers,$(1)) $(call headers,$(call headers,$(1)))))
TUI_LIB_OBJ = $(filter-out $(BUILD)/obj/tui/main.o,$(TUI_OBJ))
$(BUILD)/libtui.a: $(TUI_LIB_OBJ)
	@rm -f $@
	$(Q)$(AR) rcs $@ $(filter %.o,$^)
.SECONDEXPANSION:
# The kept inputs go through all fuzz targets, which are linked in.
$(BUILD)/tests/test_fuzz_corpus: $$(FUZZ_OBJ) $(BUILD)/libtui.a
$(BUILD)/tests/%: tests/unit/%.c $$(call support,tests/unit/%.c) $$(if $$(shell grep -l '"tui/' tests/unit/%.c),$(BUILD)/libtui.a) $(BUILD)/libchainview.a
	$(call say,TEST,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -Wno-missing-prototypes -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $(filter %.c %.o,$^) $(filter %/libtui.a,$^) $(BUILD)/libchainview.a $(LIBS) $(TUI_LIBS) -lcmocka

unit: $(UNIT)
	@tests/run.sh $(sort $(UNIT))

cli: $(PROGRAMS)
	@BUILD=$(abspath $(BUILD)) CHAINVIEW=$(abspath $(BUILD)/chainview) tests/run.sh $(sort $(CLI))

# The program without repair/ must do all that reads.
readonly-cli: $(PROGRAMS)
	@BUILD=$(abspath $(BUILD)) CHAINVIEW=$(abspath $(BUILD)/chainview-ro) tests/run.sh $(sort $(CLI))

audit: all $(BUILD)/libinspect.a $(BUILD)/librepair.a $(BUILD)/chainview-ro $(BUILD)/chainview-shared
	@BUILD=$(abspath $(BUILD)) tests/run.sh $(sort $(wildcard tests/audit/*.sh))

check:
	@packaging/deps.sh --install build test
	@$(MAKE) --no-print-directory check-run

check-run:
	@+tests/check.sh "$(MAKE)" $(BUILD)

bench: all
	@BUILD=$(abspath $(BUILD)) tests/bench/bench.sh

# Always with clang's libFuzzer and sanitizers, in a folder of its own. What a target tells apart shows in the edges that
# it takes; watching comparisons too would cost two thirds of the speed.
FUZZ_TARGETS := $(shell sed -n 's/^T.\([a-z0-9_]*\),.*/\1/p' tests/fuzz/targets.def)
FUZZ_SRC     := $(filter-out %/libfuzzer.c %/replay.c %/seeds.c,$(wildcard tests/fuzz/*.c))
FUZZ_OBJ     := $(call obj,$(FUZZ_SRC) tests/support/fake_scan.c tests/support/run.c)
FUZZ_SAN     := address,undefined
FUZZ_BUILD    = WARN= BUILD=build/fuzz SAN=$(FUZZ_SAN) CC="$(FUZZ_CC)" CFLAGS="-O2 -g -fsanitize-coverage=inline-8bit-counters,pc-table"
FUZZ_CC      ?= clang-14
fuzz:
	@packaging/deps.sh --install build test fuzz
	@+$(MAKE) --no-print-directory -s $(FUZZ_BUILD) fuzz-programs
	@tests/fuzz/fuzz.sh build/fuzz $(MINUTES) $(TARGET)

.PHONY: fuzz-programs
fuzz-programs: $(FUZZ_TARGETS:%=$(BUILD)/fuzz_%) $(BUILD)/fuzz_seeds
$(BUILD)/libfuzz.a: $(FUZZ_OBJ)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^
$(FUZZ_TARGETS:%=$(BUILD)/obj/fuzz/%.o): $(BUILD)/obj/fuzz/%.o: tests/fuzz/libfuzzer.c tests/fuzz/targets.def Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) -DFUZZ_NAME=$* $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
FUZZ_LINK = $(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(BUILD)/libfuzz.a $(BUILD)/libtui.a $(BUILD)/libchainview.a $(LIBS) $(TUI_LIBS)
$(BUILD)/fuzz_seeds: $(BUILD)/obj/tests/fuzz/seeds.o $(BUILD)/libfuzz.a $(BUILD)/libtui.a $(BUILD)/libchainview.a
	$(call say,LD,$@)
	$(Q)$(FUZZ_LINK)
$(FUZZ_TARGETS:%=$(BUILD)/fuzz_%): $(BUILD)/fuzz_%: $(BUILD)/obj/fuzz/%.o $(BUILD)/libfuzz.a $(BUILD)/libtui.a $(BUILD)/libchainview.a
	$(call say,LD,$@)
	$(Q)$(FUZZ_LINK) -fsanitize=fuzzer

# Random trees and chains get about as long as fuzzing: SEEDS fresh trees of each family, CHAINVIEW_CHAINS chains.
LONGER = SEEDS=$$(($(MINUTES) * 4)) CHAINVIEW_CHAINS=$$((20 + $(MINUTES) * 4)) TEST_SECONDS=$$((900 + $(MINUTES) * 120))
check-nightly: check
	@$(LONGER) $(MAKE) --no-print-directory T=test_trees unit
	@$(LONGER) $(MAKE) --no-print-directory T='test_reader2_*' unit
	@$(LONGER) SEQUENCES=$$((20000 + $(MINUTES) * 10000)) $(MAKE) --no-print-directory T=test_sequences unit
	@$(LONGER) DAMAGES=$$((2000 + $(MINUTES) * 2000)) $(MAKE) --no-print-directory T=test_damage unit
	@BUILD=$(abspath $(BUILD)) CHAINVIEW=$(abspath $(BUILD)/chainview) CHAINVIEW_TRIES=$$((15 + $(MINUTES))) TEST_SECONDS=$$((900 + $(MINUTES) * 120)) tests/run.sh $(sort $(wildcard tests/nightly/*.sh))
	@$(MAKE) --no-print-directory fuzz MINUTES=$(MINUTES)

install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCDIR)/chainview $(DESTDIR)$(COMPDIR)
	install -m 755 $(PROGRAMS) $(DESTDIR)$(BINDIR)
	install -m 644 $(BUILD)/libchainview.a $(DESTDIR)$(LIBDIR)
	install -m 755 $(BUILD)/libchainview.so.$(SONAME) $(DESTDIR)$(LIBDIR)
	ln -sf libchainview.so.$(SONAME) $(DESTDIR)$(LIBDIR)/libchainview.so
	install -m 644 $(BUILD)/chainview.pc $(DESTDIR)$(LIBDIR)/pkgconfig
	install -m 644 include/chainview/*.h include/chainview/*.def $(DESTDIR)$(INCDIR)/chainview
	$(BUILD)/chainview __complete bash > $(DESTDIR)$(COMPDIR)/chainview
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(PLUGINDIR) $(DESTDIR)$(UNITDIR) $(DESTDIR)$(LIBEXECDIR)/chainview $(DESTDIR)$(SCHEMADIR) $(DESTDIR)$(EXAMPLEDIR)
	ln -sfr $(DESTDIR)$(BINDIR)/chainview $(DESTDIR)$(SBINDIR)/fsck.chain
	ln -sfr $(DESTDIR)$(BINDIR)/chainview $(DESTDIR)$(PLUGINDIR)/check_chainview
	for page in $(MAN); do install -D -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/} || exit 1; done
	ln -sf chainview-check.8 $(DESTDIR)$(MANDIR)/man8/fsck.chain.8
	ln -sf chainview-check.8 $(DESTDIR)$(MANDIR)/man8/check_chainview.8
	install -m 644 $(filter %.service %.timer,$(UNITS)) $(DESTDIR)$(UNITDIR)
	install -m 755 $(BUILD)/packaging/notify $(DESTDIR)$(LIBEXECDIR)/chainview/notify
	install -m 644 $(BUILD)/packaging/chainview.cron $(DESTDIR)$(EXAMPLEDIR)
	install -m 644 packaging/schema/*.json $(DESTDIR)$(SCHEMADIR)

clean:
	rm -rf $(BUILD)

format:
	clang-format -i $(shell git ls-files '*.c' '*.h')

tidy:
	clang-tidy --quiet $(INSPECT_SRC) $(REPAIR_SRC) $(TUI_SRC) -- $(ALL_CPPFLAGS) -std=gnu11

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
