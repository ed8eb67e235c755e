# Much at once, on a mount (tests/unit/cache.mk has the cache's).
STRESS_TESTS = %D%/test_mount_stress.py
dist_check_SCRIPTS += $(STRESS_TESTS)
TESTS += $(STRESS_TESTS)
