# A folder of tests lists itself here once it has a fragment.
include tests/lint/local.mk
include tests/vectors/local.mk
include tests/fuzz/local.mk
include tests/merge/local.mk
include tests/corrupt/local.mk
include tests/crash/local.mk
include tests/fault/local.mk
include tests/fs/local.mk
include tests/stress/local.mk
include tests/cli/local.mk
include tests/bench/local.mk
