# SPDX-License-Identifier: Apache-2.0
# cmake -DIN=manifest.json -DOUT=manifest_embed.h [-DNAME=patchbay_manifest] [-DHEADER=own/header.h] -P embed.cmake
# Writes the file's bytes as the C array <name>_bytes and its size as <NAME>_BYTES, so that a module carries exactly
# what its package carries. With HEADER it writes a source file instead, for the array and <name>_n declared there.
if(NOT NAME)
  set(NAME patchbay_manifest)
endif()
string(TOUPPER ${NAME} upper)
file(READ ${IN} hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR bytes "${digits} / 2")
string(REGEX REPLACE "(..)" "0x\\1," body "${hex}")
string(REGEX REPLACE "(................................................................................)" "\\1\n" body "${body}")
if(HEADER)
  file(WRITE ${OUT} "#include \"${HEADER}\"\n\nconst unsigned char ${NAME}_bytes[] = {\n${body}\n};\nconst size_t ${NAME}_n = ${bytes};\n")
else()
  file(WRITE ${OUT} "static const unsigned char ${NAME}_bytes[] = {\n${body}\n};\n#define ${upper}_BYTES ${bytes}\n")
endif()
