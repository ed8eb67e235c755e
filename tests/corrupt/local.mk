# Damaged and hostile vaults.
CORRUPT_TESTS = %D%/test_corrupt.py
dist_check_SCRIPTS += $(CORRUPT_TESTS)
TESTS += $(CORRUPT_TESTS)
