# SPDX-License-Identifier: ISC
"""Imported first: goes on only where PyNaCl is.  Debian's python3-nacl
belongs to /usr/bin/python3, which need not be the Python found first."""
import os
import sys

SYSTEM = "/usr/bin/python3"
sys.dont_write_bytecode = True

try:
    import nacl.bindings  # noqa: F401
except ModuleNotFoundError:
    if os.environ.get("NEED_NACL") != "tried" and os.access(SYSTEM, os.X_OK):
        os.environ["NEED_NACL"] = "tried"
        os.execv(SYSTEM, [SYSTEM, "-B"] + sys.argv)
    print("SKIPPED: PyNaCl (python3-nacl) is missing", file=sys.stderr)
    sys.exit(77)
