#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The lint tests find what they are for."""

import unittest

import banned
import layers
import lengths
import sources


class Bare(unittest.TestCase):
    def test_comments_and_strings_are_blanked(self):
        text = 'f("free(p) /* \\" */"); /* free(p)\n */ g(); // h()\n'
        bare = sources.bare(text)
        self.assertEqual(len(bare), len(text))
        self.assertNotIn("free", bare)
        self.assertNotIn("h()", bare)
        self.assertIn("g();", bare)
        self.assertEqual(bare.count("\n"), text.count("\n"))

    def test_quotes_as_characters_open_no_string(self):
        self.assertIn("free(p)", sources.bare("if (c == '\"') free(p); '\"'"))


class Layers(unittest.TestCase):
    def faults(self, layer, text):
        return [fault for _, fault in layers.check_text(layer, text)]

    def test_lower_and_own_headers_pass(self):
        text = '#include <stdio.h>\n#include "base/err.h"\n'
        self.assertEqual(self.faults("store", text), [])
        self.assertEqual(self.faults("base", text), [])

    def test_upper_headers_are_found(self):
        self.assertTrue(self.faults("base", '#include "crypto/hash.h"\n'))
        self.assertTrue(self.faults("vault", '# include "fuse/ops.h"\n'))

    def test_siblings_are_found(self):
        self.assertTrue(self.faults("store", '#include "index/index.h"\n'))
        self.assertTrue(self.faults("cli", '#include "fuse/ops.h"\n'))
        self.assertTrue(self.faults("fuse", '#include "cli/cli.h"\n'))

    def test_the_command_line_may_mount(self):
        line = '#include "fuse/session.h"\n'
        self.assertEqual(self.faults("cli", line), [])

    def test_relative_headers_are_found(self):
        self.assertTrue(self.faults("base", '#include "err.h"\n'))
        self.assertTrue(self.faults("base", '#include "../base/err.h"\n'))

    def test_libraries_have_one_layer(self):
        for header, owner in (
            ("sodium.h", "crypto"),
            ("openssl/evp.h", "crypto"),
            ("sqlite3.h", "index"),
            ("fuse_lowlevel.h", "fuse"),
        ):
            line = f"#include <{header}>\n"
            self.assertEqual(self.faults(owner, line), [])
            self.assertTrue(self.faults("vault", line), header)


class Lengths(unittest.TestCase):
    def faults(self, text, suffix=".c", private=False):
        return list(lengths.check_text(suffix, private, text))

    def test_function_of_the_limit_passes(self):
        body = "\ta();\n" * (lengths.FUNCTION_LINES - 2)
        self.assertEqual(self.faults("int f(void)\n{\n" + body + "}\n"), [])

    def test_longer_function_is_found(self):
        body = "\ta();\n" * (lengths.FUNCTION_LINES - 1)
        self.assertEqual(
            self.faults("int f(void)\n{\n" + body + "}\n"),
            [(2, f"a function of {lengths.FUNCTION_LINES + 1} lines")],
        )

    def test_table_is_no_function(self):
        rows = "\t{ 1 },\n" * 300
        self.assertEqual(self.faults("int t[] = {\n" + rows + "};\n"), [])

    def test_long_files_are_found(self):
        self.assertEqual(self.faults("\n" * 900), [])
        self.assertTrue(self.faults("\n" * 901))
        self.assertEqual(self.faults("\n" * 150, ".h"), [])
        self.assertTrue(self.faults("\n" * 151, ".h"))
        self.assertEqual(self.faults("\n" * 151, ".h", True), [])


class Banned(unittest.TestCase):
    def calls(self, path, text):
        return [call for _, call, _ in banned.check_text(path, text)]

    def test_unsafe_calls_are_found_everywhere(self):
        text = "\tsprintf(a, b);\n\tstrcpy (a, b);\n"
        for path in ("src/base/mem.c", "src/cli/main.c"):
            self.assertEqual(self.calls(path, text), ["sprintf", "strcpy"])

    def test_allocation_is_left_to_mem(self):
        text = "p = malloc(1);\nfree(p);\n"
        self.assertEqual(self.calls("src/base/mem.c", text), [])
        self.assertEqual(self.calls("src/base/buf.c", text), ["malloc", "free"])

    def test_the_disk_is_left_to_base(self):
        text = "fd = open(p, 0);\nfsync(fd);\n"
        self.assertEqual(self.calls("src/base/env_posix.c", text), [])
        self.assertEqual(self.calls("src/vault/open.c", text), ["open", "fsync"])

    def test_members_and_other_names_pass(self):
        text = "env->ops->open(e);\nops.close(1);\nmem_free(p);\nvault_open(p);"
        self.assertEqual(self.calls("src/vault/open.c", text), [])

    def test_exceptions_are_for_one_path_and_call(self):
        allowed = {("src/vault/tty.c", "open")}
        text = "open(p, 0);\nclose(1);\n"
        found = banned.check_text("src/vault/tty.c", text, allowed)
        self.assertEqual([call for _, call, _ in found], ["close"])

    def test_exceptions_for_a_group_are_counted_as_used(self):
        group = ("src/vault/tty.c", "disk")
        other = ("src/vault/tty.c", "unsafe")
        used = set()
        text = "open(p, 0);\nclose(1);\nfree(p);\n"
        found = banned.check_text("src/vault/tty.c", text, {group, other}, used)
        self.assertEqual([call for _, call, _ in found], ["free"])
        self.assertEqual(used, {group})


if __name__ == "__main__":
    unittest.main()
