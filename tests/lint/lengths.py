#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Sources end at 900 lines, public headers at 150, functions at 120."""

import sys

import sources

SOURCE_LINES = 900
PUBLIC_HEADER_LINES = 150
FUNCTION_LINES = 120


def functions(text):
    """Yields (first line, lines) of each function body: the house's braces
    stand in the first column only around one, and a table's opening brace
    ends a line."""
    begin = None
    for number, line in enumerate(sources.bare(text).split("\n"), 1):
        if line.startswith("{"):
            begin = number
        elif line.startswith("}") and begin is not None:
            yield begin, number - begin + 1
            begin = None


def check_text(suffix, private, text):
    """Yields (line, fault)."""
    lines = text.count("\n")
    limit = SOURCE_LINES
    if suffix == ".h" and not private:
        limit = PUBLIC_HEADER_LINES
    if lines > limit:
        yield lines, f"{lines} lines, {limit} are allowed"
    for begin, length in functions(text):
        if length > FUNCTION_LINES:
            yield begin, f"a function of {length} lines"


def main():
    faults = []
    paths = sources.files("src", ".c", ".h") + sources.files("tests", ".c")
    for path in paths:
        private = path.stem.endswith("_priv")
        for line, fault in check_text(path.suffix, private, path.read_text()):
            faults.append(f"{sources.name(path)}:{line}: {fault}")
    sources.report(faults, len(paths))


if __name__ == "__main__":
    sys.exit(main())
