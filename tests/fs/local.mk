# What must hold on a mount, with real programs.
FS_TESTS = \
	%D%/test_attributes.py \
	%D%/test_calls.py \
	%D%/test_database.py \
	%D%/test_large.py \
	%D%/test_limits.py \
	%D%/test_locks.py \
	%D%/test_mmap.py \
	%D%/test_positions.py \
	%D%/test_programs.py \
	%D%/test_rights.py \
	%D%/test_sandbox.py \
	%D%/test_secrets.py \
	%D%/test_session.py \
	%D%/test_space.py \
	%D%/test_times.py \
	%D%/test_together.py \
	%D%/test_trees.py \
	%D%/test_users.py
dist_check_SCRIPTS += $(FS_TESTS)
TESTS += $(FS_TESTS)
EXTRA_DIST += \
	tests/lib/findings.py \
	tests/lib/harness.py \
	tests/lib/people.py \
	tests/lib/shared.py \
	tests/lib/trees.py \
	tests/lib/under_valgrind.sh \
	tests/lib/vault_keys.py
