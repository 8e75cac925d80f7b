# SPDX-License-Identifier: Apache-2.0
# cmake -DIN=manifest.json -DOUT=manifest_embed.h -P embed.cmake
# Writes the file's bytes as a C array, so that the module carries exactly what the package carries.
file(READ ${IN} hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR bytes "${digits} / 2")
string(REGEX REPLACE "(..)" "0x\\1," body "${hex}")
string(REGEX REPLACE "(................................................................................)" "\\1\n" body "${body}")
file(WRITE ${OUT} "static const unsigned char patchbay_manifest_bytes[] = {\n${body}\n};\n#define PATCHBAY_MANIFEST_BYTES ${bytes}\n")
