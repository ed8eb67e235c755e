#!/bin/sh
# SPDX-License-Identifier: ISC
# clang-tidy, as .clang-tidy says, over all sources; in a configured build
# folder.  usage: tidy.sh SOURCE JOBS
set -eu

command -v clang-tidy >/dev/null || {
	echo "SKIP: clang-tidy is not installed"
	exit 77
}
flags="-include config.h -I $1/src -D_FILE_OFFSET_BITS=64
	-DFUSE_USE_VERSION=314 -std=c17
	$(pkg-config --cflags fuse3 libsodium sqlite3)"
export flags
# Expanded by the shells that are several at once; flags are words.
# shellcheck disable=SC2016
printf '%s\n' "$1"/src/*/*.c "$1"/src/*/*/*.c |
	xargs -P "$2" -n 4 sh -c 'clang-tidy --quiet "$@" -- $flags \
		2>/dev/null' sh
