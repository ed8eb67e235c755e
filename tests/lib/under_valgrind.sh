#!/bin/sh
# SPDX-License-Identifier: ISC
# coffer under valgrind, which writes what it finds where tests look for it
# (findings.py).  COFFER_UNDER_VALGRIND says which program.  It opens a file on
# its own mount, for which threads must be let on meanwhile: the hint.
exec valgrind --quiet --error-exitcode=99 --leak-check=full \
	--errors-for-leak-kinds=definite --show-leak-kinds=definite \
	--sim-hints=fuse-compatible \
	--log-file="$COFFER_TEST_FINDINGS/report.%p" \
	"$COFFER_UNDER_VALGRIND" "$@"
