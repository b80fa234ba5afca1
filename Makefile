# Evergate: everything a person needs, one word each.
#
#   make run       build and start the lab: two balancers, two backends, one client
#   make test      everything that CI checks
#   make install   program, man pages, systemd units (DESTDIR, PREFIX; LINKS=1 adds nginx and keepalived)
#   make bench     side by side with nginx and HAProxy

PREFIX     ?= /usr/local
SBINDIR    ?= $(PREFIX)/sbin
MANDIR     ?= $(PREFIX)/share/man
UNITDIR    ?= $(PREFIX)/lib/systemd/system
SYSCONFDIR ?= /etc
CARGO      ?= cargo
TARGET     := $(or $(CARGO_TARGET_DIR),target)
EVERGATE   := $(TARGET)/release/evergate

.PHONY: run build test bench install uninstall deps deps-test clean

run: deps build
	$(EVERGATE) lab

build:
	$(CARGO) build --release --locked --bin evergate

test: deps-test
	$(CARGO) xtask check

bench: deps-test
	bench/run http
	bench/run idle
	bench/run failover

deps:
	packaging/install-packages build lab

deps-test:
	packaging/install-packages build lab test

install: build
	install -Dm755 $(EVERGATE) $(DESTDIR)$(SBINDIR)/evergate
	for page in packaging/man/*.8; do \
	    install -Dm644 $$page $(DESTDIR)$(MANDIR)/man8/$$(basename $$page); done
	for unit in packaging/systemd/*.service; do \
	    install -d $(DESTDIR)$(UNITDIR); \
	    sed 's,@SBINDIR@,$(SBINDIR),g' $$unit > $(DESTDIR)$(UNITDIR)/$$(basename $$unit); done
	for example in $$(cd examples && find . -type f); do \
	    install -Dm644 examples/$$example $(DESTDIR)$(PREFIX)/share/doc/evergate/examples/$$example; done
	$(if $(LINKS),for name in nginx keepalived; do ln -sf evergate $(DESTDIR)$(SBINDIR)/$$name; done)

uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/evergate $(DESTDIR)$(MANDIR)/man8/evergate*.8 \
	    $(DESTDIR)$(UNITDIR)/evergate*.service
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/evergate
	for name in nginx keepalived; do \
	    [ "$$(readlink $(DESTDIR)$(SBINDIR)/$$name)" != evergate ] || rm -f $(DESTDIR)$(SBINDIR)/$$name; done

clean:
	$(CARGO) clean
