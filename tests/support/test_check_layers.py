#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Breaks each rule of scripts/check-layers once, in a small tree. usage: test_check_layers.py PATH-OF-CHECK-LAYERS
import os, subprocess, sys, tempfile, unittest

CHECK = sys.argv.pop(1)
SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"
LAST = '#include "base/base.h"\n'

GOOD = {
    "CMakeLists.txt": "# SPDX-License-Identifier: Apache-2.0\n",
    "README.md": "",
    "core/LAYERS": "0 base\n1 os seccomp.h\n1 expr pcre2.h\n2 bus nats/nats.h\n2 pg libpq-fe.h\n3 store\n"
                   "3 runner dlfcn.h patchbay/connector.h\n",
    "core/base/base.h": SPDX,
    "core/os/os.h": SPDX,
    "core/os/os_priv.h": SPDX,
    "core/os/os.c": SPDX + '#include "os/os.h"\n#include <seccomp.h>\n#include <linux/fs.h>\n' + LAST,
    "core/expr/expr.h": SPDX,
    "core/bus/bus.c": SPDX + '#include <nats/nats.h>\n#include <nats/status.h>\n#include <uthash.h>\n' + LAST,
    "core/pg/pg.c": SPDX + '#include <libpq-fe.h>\n' + LAST + 'void f(void) { PQexec(c, "SELECT 1"); }\n',
    "core/store/store.h": SPDX,
    "core/store/store.c": SPDX + '#include "store/store.h"\n#include "os/os.h"\n' + LAST +
                          '/* no goto here */ static const char SQL[] = "SELECT 1";\n',
    "core/runner/runner.c": SPDX + '#include <dlfcn.h>\n#include <patchbay/connector.h>\n' + LAST,
    "plugins/shop/shop.c": SPDX + '#include <patchbay/connector.h>\n#include <string.h>\n#include "own.h"\n'
                           '#include "manifest_embed.h"\n',
    "plugins/shop/own.h": SPDX,
    "plugins/soap/soap.c": SPDX + '#include <libxml/parser.h>\n',
    "plugins/odd/odd.c": SPDX + '#include <sys/socket.h>\n',
    "sdk/include/patchbay/connector.h": SPDX + '#include <stdint.h>\n',
    "migrations/0001_a.sql": "-- SPDX-License-Identifier: Apache-2.0\n",
    "tests/test.py": "#!/usr/bin/python3\n# SPDX-License-Identifier: Apache-2.0\n",
    "packaging/LICENSE": "",
    "scripts/run": "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n",
    ".hidden": "",
    "build-asan/x.c": "",
}

# what is changed, and a part of the line that must be printed
BROKEN = {
    "upward include": ({"core/os/os.c": SPDX + '#include "os/os.h"\n#include "store/store.h"\n' + LAST},
                       "core/os/os.c:3: os (floor 1) includes store (floor 3)"),
    "include on the same floor": ({"core/os/os.c": SPDX + '#include "os/os.h"\n#include "expr/expr.h"\n' + LAST},
                                  "core/os/os.c:3: os (floor 1) includes expr (floor 1)"),
    "private header": ({"core/store/store.c": SPDX + '#include "store/store.h"\n#include "os/os_priv.h"\n' + LAST},
                       "core/store/store.c:3: os/os_priv.h is private to os"),
    "header that is not there": ({"core/store/store.c": SPDX + '#include "store/store.h"\n#include "os/no.h"\n' + LAST},
                                 "core/os/no.h does not exist"),
    "vendor header of another": ({"core/store/store.h": SPDX + "#include <libpq-fe.h>\n"},
                                 "core/store/store.h:2: libpq-fe.h belongs to pg"),
    "vendor family of another": ({"core/store/store.h": SPDX + "#include <nats/status.h>\n"}, "belongs to bus"),
    "vendor variant of another": ({"core/store/store.h": SPDX + "#include <pcre2posix.h>\n"}, "belongs to expr"),
    "vendor header of nobody": ({"core/store/store.h": SPDX + "#include <jansson.h>\n"},
                                "jansson.h is neither a system header nor owned"),
    "SDK in core": ({"core/store/store.h": SPDX + "#include <patchbay/connector.h>\n"}, "belongs to runner"),
    "dlopen elsewhere": ({"core/store/store.h": SPDX + "#include <dlfcn.h>\n"}, "dlfcn.h belongs to runner"),
    "own header not first": ({"core/os/os.c": SPDX + '#include <stdio.h>\n#include "os/os.h"\n' + LAST},
                             "core/os/os.c:2: its own header os/os.h comes first"),
    "base.h not last": ({"core/os/os.c": SPDX + '#include "os/os.h"\n' + LAST + "#include <stdio.h>\n"},
                        "core/os/os.c:4: the last include is base/base.h"),
    "no include": ({"core/os/more.c": SPDX}, "core/os/more.c:1: the last include is base/base.h"),
    "module that is not listed": ({"core/extra/extra.h": SPDX}, "core/extra/extra.h:1: not in a module"),
    "folder inside a module": ({"core/os/deep/x.h": SPDX}, "not in a module"),
    "module listed twice": ({"core/LAYERS": GOOD["core/LAYERS"] + "5 os\n"}, "core/LAYERS:8: not 'floor module"),
    "PQexec outside pg": ({"core/store/x.c": SPDX + LAST + "PQexec(c, q);\n"}, "core/store/x.c:3: PQexec("),
    "SQL outside store": ({"core/os/x.c": SPDX + LAST + 'char s[] = "INSERT INTO t VALUES (1)";\n'}, "SQL lives in store"),
    "goto": ({"core/os/x.c": SPDX + LAST + "goto out;\n"}, "core/os/x.c:3: goto: no goto"),
    "bare mutex": ({"core/os/x.c": SPDX + LAST + "pthread_mutex_lock(&m);\n"}, "locks are pb_mutex"),
    "environment outside config": ({"core/os/x.c": SPDX + "#define PB_ALLOW_GETENV\n" + LAST}, "read by config"),
    "fork outside os": ({"core/store/x.c": SPDX + "#define PB_ALLOW_FORK\n" + LAST}, "started by os"),
    "exit outside main": ({"core/store/x.c": SPDX + "#define PB_ALLOW_EXIT\n" + LAST}, "only main ends"),
    "strtol outside base": ({"core/store/x.c": SPDX + "#define PB_ALLOW_STRTO\n" + LAST}, "base/parse.h"),
    "signal outside os": ({"core/store/x.c": SPDX + "#define PB_ALLOW_SIGNAL\n" + LAST}, "signals belong to os"),
    "connector that opens sockets": ({"plugins/shop/shop.c": SPDX + "#include <sys/socket.h>\n"},
                                     "plugins/shop/shop.c:2: a connector may include"),
    "connector that includes core": ({"plugins/shop/shop.c": SPDX + '#include "base/base.h"\n'},
                                     "not base/base.h"),
    "libxml2 outside soap": ({"plugins/shop/shop.c": SPDX + "#include <libxml/parser.h>\n"}, "not libxml/parser.h"),
    "SDK with POSIX": ({"sdk/include/patchbay/connector.h": SPDX + "#include <unistd.h>\n"},
                       "the SDK stands on C's own headers"),
    "no licence in C": ({"tests/x.c": "int x;\n"}, "tests/x.c:1: the first line is"),
    "no licence in SQL": ({"migrations/0001_a.sql": "SELECT 1;\n"}, "migrations/0001_a.sql:1: no SPDX"),
    "no licence in a script": ({"scripts/run": "#!/bin/sh\necho\n"}, "scripts/run:1: no SPDX"),
    "file too long": ({"sdk/src/x.c": SPDX + "\n" * 800}, "sdk/src/x.c:801: longer than 800"),
    "something else at the top": ({"Makefile": ""}, "Makefile:1: the top level holds only"),
    "something missing at the top": ({"README.md": None}, "README.md:1: is missing"),
}


def run(changes):
    with tempfile.TemporaryDirectory() as root:
        for path, text in {**GOOD, **changes}.items():
            if text is None:
                continue
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w") as f:
                f.write(text)
        return subprocess.run([sys.executable, CHECK, root], capture_output=True, text=True)


class TestCheckLayers(unittest.TestCase):
    def test_a_good_tree_passes_silently(self):
        done = run({})
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_each_rule_is_noticed(self):
        for name, (changes, expected) in BROKEN.items():
            with self.subTest(name):
                done = run(changes)
                self.assertEqual(done.returncode, 1)
                self.assertIn(expected, done.stderr)

    def test_it_says_nothing_but_the_fault(self):
        done = run(BROKEN["goto"][0])
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


if __name__ == "__main__":
    unittest.main()
