#!/bin/sh
# SPDX-License-Identifier: ISC
# Each header compiles alone, twice included, and carries its own guard.
set -u

: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${CC:=cc}"
: "${LINT_CFLAGS:=-std=c17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64
	-DFUSE_USE_VERSION=314 -I$top_srcdir/src -Wall -Wextra
	$(pkg-config --cflags fuse3 libsodium sqlite3)}"

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT

n=0
faults=0
for header in "$top_srcdir"/src/*/*.h "$top_srcdir"/src/*/*/*.h; do
	name=${header#"$top_srcdir"/src/}
	guard=COFFER_$(printf '%s' "$name" | tr 'a-z/.-' 'A-Z___')
	n=$((n + 1))
	printf '#include "%s"\n#include "%s"\n' "$name" "$name" \
		>"$work/alone.c"
	# LINT_CFLAGS and CC are lists of words.
	# shellcheck disable=SC2086
	if ! $CC $LINT_CFLAGS -Werror -fsyntax-only "$work/alone.c"; then
		echo "$name: does not compile alone"
		faults=$((faults + 1))
	fi
	if ! grep -q "^#ifndef $guard\$" "$header"; then
		echo "$name: no guard $guard"
		faults=$((faults + 1))
	fi
done

echo "$n headers, $faults faults"
[ "$n" -gt 0 ] && [ "$faults" -eq 0 ]
