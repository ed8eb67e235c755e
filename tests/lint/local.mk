LINT_TESTS = \
	%D%/banned.py \
	%D%/headers.sh \
	%D%/layers.py \
	%D%/lengths.py \
	%D%/selftest.py
dist_check_SCRIPTS += $(LINT_TESTS)
TESTS += $(LINT_TESTS)
EXTRA_DIST += %D%/banned.allow %D%/sources.py
