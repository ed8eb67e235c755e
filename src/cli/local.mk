# The programs.
bin_PROGRAMS += src/cli/coffer
src_cli_coffer_SOURCES = %D%/main.c $(CLI_FILES)
# All but main: what tests link too.
CLI_FILES = \
	%D%/bench.h \
	%D%/bench_primitives.c \
	%D%/bench_vault.c \
	%D%/cli.h \
	%D%/cmd_bench.c \
	%D%/cmd_cat.c \
	%D%/cmd_check.c \
	%D%/cmd_device.c \
	%D%/cmd_gc.c \
	%D%/cmd_get.c \
	%D%/cmd_info.c \
	%D%/cmd_init.c \
	%D%/cmd_key.c \
	%D%/cmd_ls.c \
	%D%/cmd_mount.c \
	%D%/cmd_put.c \
	%D%/cmd_rebuild.c \
	%D%/cmd_snapshot.c \
	%D%/cmd_stat.c \
	%D%/cmd_stats.c \
	%D%/cmd_status.c \
	%D%/cmd_sync.c \
	%D%/cmd_umount.c \
	%D%/control.c \
	%D%/control.h \
	%D%/control_text.c \
	%D%/control_text.h \
	%D%/copy.c \
	%D%/copy.h \
	%D%/daemon.c \
	%D%/daemon.h \
	%D%/device_text.c \
	%D%/device_text.h \
	%D%/exit.c \
	%D%/exit.h \
	%D%/files.c \
	%D%/files.h \
	%D%/files_local.c \
	%D%/files_vault.c \
	%D%/gather.c \
	%D%/gather.h \
	%D%/hardlinks.c \
	%D%/hardlinks.h \
	%D%/elsewhere.c \
	%D%/elsewhere.h \
	%D%/inside.c \
	%D%/inside.h \
	%D%/json.c \
	%D%/json.h \
	%D%/mount_options.c \
	%D%/mount_options.h \
	%D%/mounted.c \
	%D%/mounted.h \
	%D%/open.c \
	%D%/open.h \
	%D%/options.c \
	%D%/passphrase.c \
	%D%/passphrase.h \
	%D%/progress.c \
	%D%/progress.h \
	%D%/recovery_text.c \
	%D%/recovery_text.h \
	%D%/sandbox.c \
	%D%/sandbox.h \
	%D%/signals.c \
	%D%/signals.h \
	%D%/slot_text.c \
	%D%/slot_text.h \
	%D%/stats_prometheus.c \
	%D%/stats_text.c \
	%D%/stats_text.h \
	%D%/transfer.c \
	%D%/transfer.h \
	%D%/units.c \
	%D%/units.h
src_cli_coffer_LDADD = $(LAYER_LIBS) $(PROGRAM_LIBS)

# mount(8) looks for helpers with a PATH of its own.
sbin_SCRIPTS += src/cli/mount.coffer
EXTRA_DIST += %D%/mount.coffer.in
CLEANFILES += src/cli/mount.coffer
src/cli/mount.coffer: %D%/mount.coffer.in Makefile
	$(AM_V_GEN)$(MKDIR_P) src/cli && \
	sed 's|@bindir@|$(bindir)|g' '$(srcdir)/src/cli/mount.coffer.in' \
		>$@.tmp && chmod +x $@.tmp && mv $@.tmp $@
