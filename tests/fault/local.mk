# Disks that run full or fail, calls that fail one by one.
FAULT_TESTS = %D%/test_full_disk.py
dist_check_SCRIPTS += $(FAULT_TESTS)
TESTS += $(FAULT_TESTS)
