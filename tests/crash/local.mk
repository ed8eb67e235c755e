# kill -9 at random moments.
CRASH_TESTS = %D%/test_kill.py %D%/test_power.py
dist_check_SCRIPTS += $(CRASH_TESTS)
TESTS += $(CRASH_TESTS)

# A disk that loses its power, and what plays upon it.  Not a test of its own:
# test_power.py runs it.
EXTRA_PROGRAMS += tests/crash/power
check_DATA += tests/crash/power$(EXEEXT)
CLEANFILES += tests/crash/power$(EXEEXT)
tests_crash_power_SOURCES = %D%/power.c %D%/power_env.c %D%/power_env.h \
	%D%/power_model.c %D%/power_model.h %D%/power_script.c \
	%D%/power_script.h %D%/power_tree.c %D%/power_tree.h
tests_crash_power_LDADD = src/vault/libvault.a $(LAYER_LIBS) $(PROGRAM_LIBS)
