# Damaged and hostile vaults.
CORRUPT_TESTS = %D%/test_corrupt.py %D%/test_history.py %D%/test_live.py \
	%D%/test_repair.py %D%/test_resume.py %D%/test_table.py
dist_check_SCRIPTS += $(CORRUPT_TESTS)
EXTRA_DIST += %D%/corrupt_case.py
TESTS += $(CORRUPT_TESTS)
