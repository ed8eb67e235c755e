# SPDX-License-Identifier: ISC
"""What the sanitizers or valgrind find in coffer.

A daemon has no terminal, a command's exit code may be one that the test expects:
so each finding is written to a file, and a test that leaves one has failed.
COFFER_TEST_SANITIZER says that coffer is built with sanitizers, or is a script
that runs it under valgrind and writes below COFFER_TEST_FINDINGS.
"""
import atexit
import os
import shutil
import tempfile

SANITIZER = os.environ.get("COFFER_TEST_SANITIZER", "")
SHOWN_BYTES = 20000


class Findings:
    """One folder for all that this process starts."""

    def __init__(self):
        self.folder = None
        if not SANITIZER:
            return
        self.folder = tempfile.mkdtemp(prefix="coffer-findings.")
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        os.environ["COFFER_TEST_FINDINGS"] = self.folder
        for name in ("ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS",
                     "UBSAN_OPTIONS"):
            # The last word counts; the code is none of coffer's own.
            words = [os.environ.get(name, ""), "exitcode=99",
                     "log_path=%s/report" % self.folder]
            os.environ[name] = ":".join(w for w in words if w)

    def take(self):
        """The texts found since the last time."""
        texts = []
        for name in sorted(os.listdir(self.folder) if self.folder else []):
            path = os.path.join(self.folder, name)
            with open(path, encoding="utf-8", errors="replace") as f:
                texts.append(f.read(SHOWN_BYTES))
            os.unlink(path)
        # What begins with two hyphens valgrind says of itself.
        return [t for t in texts if any(
            line and not line.startswith("--") for line in t.splitlines())]
