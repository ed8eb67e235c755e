# Disks that run full or fail, calls that fail one by one.
FAULT_TESTS = %D%/test_full_disk.py
dist_check_SCRIPTS += $(FAULT_TESTS)
TESTS += $(FAULT_TESTS)

if HAVE_CHECK
check_PROGRAMS += tests/fault/nth_failure
tests_fault_nth_failure_SOURCES = %D%/nth_failure.c %D%/fault_case.c \
	%D%/fault_case.h \
	tests/unit/commit_fixture.c tests/unit/commit_fixture.h \
	tests/unit/fault_env.c tests/unit/fault_env.h \
	tests/unit/scale.h \
	tests/unit/tempdir.c tests/unit/tempdir.h
tests_fault_nth_failure_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_fault_nth_failure_LDADD = $(VAULT_UNIT_LIBS)
endif
