#!/bin/sh
# SPDX-License-Identifier: ISC
# coffer under valgrind, which writes what it finds where tests look for it
# (findings.py).  COFFER_UNDER_VALGRIND says which program.
exec valgrind --quiet --error-exitcode=99 --leak-check=full \
	--errors-for-leak-kinds=definite --child-silent-after-fork=no \
	--log-file="$COFFER_TEST_FINDINGS/report.%p" \
	"$COFFER_UNDER_VALGRIND" "$@"
