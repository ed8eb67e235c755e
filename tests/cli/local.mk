# The command line, as it is typed.
CLI_TESTS = \
	%D%/test_bench.py \
	%D%/test_as_root.py \
	%D%/test_as_user.py \
	%D%/test_completion.py \
	%D%/test_failures.py \
	%D%/test_mount.py \
	%D%/test_passphrase.py \
	%D%/test_stats.py \
	%D%/test_systemd.py \
	%D%/test_transfer.py \
	%D%/test_usage.py \
	%D%/test_vault.py
dist_check_SCRIPTS += $(CLI_TESTS)
TESTS += $(CLI_TESTS)
EXTRA_DIST += %D%/cli_case.py

if HAVE_CHECK
check_PROGRAMS += tests/cli/check_text
tests_cli_check_text_SOURCES = %D%/check_text.c \
	src/cli/control_text.c \
	src/cli/exit.c \
	src/cli/hardlinks.c \
	src/cli/json.c \
	src/cli/mount_options.c \
	src/cli/stats_prometheus.c \
	src/cli/stats_text.c \
	src/fuse/request_stats.c \
	src/cli/units.c
tests_cli_check_text_LDADD = src/base/libbase.a $(UNIT_LIBS)

check_PROGRAMS += tests/cli/check_sandbox
tests_cli_check_sandbox_SOURCES = %D%/check_sandbox.c src/cli/sandbox.c
tests_cli_check_sandbox_LDADD = src/base/libbase.a $(UNIT_LIBS)
endif
