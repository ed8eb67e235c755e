LINT_TESTS = \
	%D%/banned.py \
	%D%/headers.sh \
	%D%/index_layout.py \
	%D%/layers.py \
	%D%/lengths.py \
	%D%/selftest.py
dist_check_SCRIPTS += $(LINT_TESTS)
TESTS += $(LINT_TESTS)
EXTRA_DIST += %D%/banned.allow %D%/index_layout.txt %D%/sources.py %D%/tidy.sh
