# kill -9 at random moments.
CRASH_TESTS = %D%/test_kill.py
dist_check_SCRIPTS += $(CRASH_TESTS)
TESTS += $(CRASH_TESTS)
