# SPDX-License-Identifier: ISC
# Not tests: what is measured here depends on the machine.  README.md tells how.
EXTRA_PROGRAMS += tests/bench/bench_ops
tests_bench_bench_ops_SOURCES = %D%/bench_ops.c
CLEANFILES += tests/bench/bench_ops
EXTRA_DIST += \
	%D%/README.md \
	%D%/RESULTS.md \
	%D%/bench.py \
	%D%/calls.py \
	%D%/report.py \
	%D%/systems.py \
	%D%/workloads.py
