#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Calls that stand nowhere, or only in the one place made for them."""

import re
import sys

import sources

# Never: they write without a bound, or keep state between calls.
UNSAFE = """
    strcpy stpcpy strcat sprintf vsprintf gets strtok alloca strdupa
    strndupa mktemp tmpnam tempnam setjmp longjmp system rand srand
    strncpy strncat atoi atol atoll asctime ctime gmtime localtime
    readdir_r signal vfork bzero bcopy
""".split()

# In base/mem.c only: elsewhere a test could not fail them.
ALLOCATE = """
    malloc calloc realloc reallocarray free strdup strndup asprintf
    vasprintf aligned_alloc posix_memalign memalign valloc
""".split()

# In base only: elsewhere a test could not record, fail or reorder them.  fuse
# and cli never touch a vault or a state directory but through vault; what they
# open are devices, terminals, sockets and the user's own files.
HOST = ("src/base/", "src/fuse/", "src/cli/")
DISK = """
    open openat openat2 creat fopen fdopen freopen close fclose pread pwrite
    preadv pwritev preadv2 pwritev2 fsync fdatasync sync syncfs
    sync_file_range truncate ftruncate fallocate posix_fallocate link linkat
    symlink symlinkat rename renameat renameat2 unlink unlinkat remove mkdir
    mkdirat rmdir mknod mkfifo mknodat mkfifoat stat lstat fstat fstatat
    statx opendir fdopendir readdir scandir ftw nftw statvfs fstatvfs statfs
    fstatfs flock lockf mkstemp mkostemp mkdtemp tmpfile chmod fchmod
    fchmodat chown fchown lchown fchownat utimensat futimens access faccessat
    mmap copy_file_range sendfile splice
""".split()

# A member (ops->open, ops.open) is no call of the libc.
CALL = re.compile(r"(?<![\w.>])(\w+)\s*\(")


def verdict(path, call):
    """The group of the call and why `path` may not make it; None if it may."""
    if call in UNSAFE:
        return "unsafe", "is banned everywhere"
    if call in ALLOCATE and path != "src/base/mem.c":
        return "allocate", "belongs to base/mem.c alone"
    if call in DISK and not path.startswith(HOST):
        return "disk", "goes through base/env.h"
    return None


def check_text(path, text, allowed=frozenset(), used=None):
    """Yields (line, call, fault) for the calls a source may not make, and
    adds to `used` what of `allowed` was needed."""
    code = sources.bare(text)
    for match in CALL.finditer(code):
        call = match.group(1)
        found = verdict(path, call)
        if not found:
            continue
        group, fault = found
        exceptions = {(path, call), (path, group)} & set(allowed)
        if not exceptions:
            yield sources.line_of(code, match.start()), call, fault
        elif used is not None:
            used |= exceptions


def read_allowed():
    """{(path, call or group): line} of banned.allow; each has its reason."""
    allowed = {}
    text = (sources.top() / "tests/lint/banned.allow").read_text()
    for number, line in enumerate(text.split("\n"), 1):
        if not line or line.startswith("#"):
            continue
        fields = line.split(maxsplit=2)
        if len(fields) != 3:
            sys.exit(f"banned.allow:{number}: path, call or group, reason")
        allowed[fields[0], fields[1]] = number
    return allowed


def main():
    faults = []
    used = set()
    allowed = read_allowed()
    paths = sources.files("src", ".c", ".h")
    for path in paths:
        name = sources.name(path)
        text = path.read_text()
        for line, call, fault in check_text(name, text, allowed, used):
            faults.append(f"{name}:{line}: {call}() {fault}")
    for entry in sorted(set(allowed) - used):
        faults.append(f"banned.allow:{allowed[entry]}: allows what is unused")
    sources.report(faults, len(paths))


if __name__ == "__main__":
    sys.exit(main())
