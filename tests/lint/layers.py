#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A layer includes only its own headers and those of lower layers, siblings
never include each other, and each outside library has one layer to itself."""

import re
import sys

import sources

# Equal numbers are siblings; the command line mounts, and so stands above all.
LAYERS = {
    "base": 0,
    "crypto": 1,
    "format": 2,
    "store": 3,
    "journal": 3,
    "index": 3,
    "cache": 3,
    "vault": 4,
    "fuse": 5,
    "cli": 6,
}

# What a layer shows to one above it, where that is not every header.
SHOWN = {
    ("cli", "fuse"): {"fuse/mountpoint.h", "fuse/unmounter.h", "fuse/session.h"},
}

# Headers of libraries: the layers that may include them.
LIBRARIES = {
    r"sodium(\.h|/.*)": {"crypto"},
    r"openssl/.*": {"crypto"},
    r"sqlite3(ext)?\.h": {"index"},
    r"fuse3?/fuse_lowlevel\.h|fuse_lowlevel\.h": {"fuse"},
    r"fuse3?/.*|fuse.*\.h": {"fuse", "cli"},
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def library_fault(layer, header):
    for pattern, owners in LIBRARIES.items():
        if re.fullmatch(pattern, header):
            if layer not in owners:
                return f"<{header}> belongs to {', '.join(sorted(owners))}"
            return None
    return None


def project_fault(layer, header):
    target, slash, _ = header.partition("/")
    if not slash or target not in LAYERS:
        return f'"{header}" is not named from src/, by its layer'
    if target != layer and LAYERS[target] >= LAYERS[layer]:
        return f'{layer} may not include "{header}"'
    if header not in SHOWN.get((layer, target), {header}):
        return f'"{header}" is not for {layer}'
    return None


def check_text(layer, text):
    """Yields (line, fault) for a source of a layer."""
    for match in INCLUDE.finditer(text):
        quote, header = match.groups()
        check = project_fault if quote == '"' else library_fault
        fault = check(layer, header)
        if fault:
            yield sources.line_of(text, match.start()), fault


def main():
    faults = []
    paths = sources.files("src", ".c", ".h")
    for path in paths:
        layer = path.relative_to(sources.top() / "src").parts[0]
        if layer not in LAYERS:
            faults.append(f"{sources.name(path)}: in no layer")
            continue
        for line, fault in check_text(layer, path.read_text()):
            faults.append(f"{sources.name(path)}:{line}: {fault}")
    sources.report(faults, len(paths))


if __name__ == "__main__":
    sys.exit(main())
