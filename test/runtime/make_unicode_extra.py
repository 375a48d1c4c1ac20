#!/usr/bin/env python3
"""Writes runtime/app/UnicodeExtra.h: characters newer than PCRE2's tables, each
with an older one of its category and length that stands for it in patterns.

The reference is the package `tokenizers`; PCRE2 is this system's shared
library, of the version that programs are linked with.

    make_unicode_extra.py
"""

import ctypes
import ctypes.util
import pathlib
import sys

from tokenizers import Regex, pre_tokenizers

OUT = pathlib.Path(__file__).resolve().parents[2] / "runtime/app/UnicodeExtra.h"


def code_points():
    for value in range(0x110000):
        if not 0xD800 <= value <= 0xDFFF:
            yield value


def reference(pattern):
    """Code points that the reference's regex engine matches."""
    split = pre_tokenizers.Split(Regex(pattern), "removed")
    return {c for c in code_points() if not split.pre_tokenize_str(chr(c))}


def pcre(pattern):
    """Code points that this system's PCRE2 matches, by its C interface."""
    lib = ctypes.CDLL(ctypes.util.find_library("pcre2-8"))
    lib.pcre2_compile_8.restype = ctypes.c_void_p
    lib.pcre2_compile_8.argtypes = [
        ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint32, ctypes.c_void_p,
        ctypes.c_void_p, ctypes.c_void_p]
    lib.pcre2_match_data_create_8.restype = ctypes.c_void_p
    lib.pcre2_match_8.argtypes = [
        ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_size_t,
        ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p]
    utf, ucp = 0x00080000, 0x00020000
    text = pattern.encode()
    error, at = ctypes.c_int(), ctypes.c_size_t()
    code = lib.pcre2_compile_8(text, len(text), utf | ucp,
                               ctypes.byref(error), ctypes.byref(at), None)
    data = lib.pcre2_match_data_create_8(1, None)
    found = set()
    for c in code_points():
        subject = chr(c).encode()
        if lib.pcre2_match_8(code, subject, len(subject), 0, 0,
                             ctypes.c_void_p(data), None) >= 0:
            found.add(c)
    return found


def ranges(values):
    result = []
    for value in sorted(values):
        if result and result[-1][1] == value - 1:
            result[-1][1] = value
        else:
            result.append([value, value])
    return result


CATEGORIES = (r"[\p{Lu}\p{Lt}]", r"\p{Ll}", r"[\p{Lm}\p{Lo}]", r"\p{N}",
              r"\p{M}", r"\p{P}", r"\p{S}")


def main():
    rows = []
    for pattern in CATEGORIES:
        wanted, have = reference(pattern), pcre(pattern)
        extra, lost = wanted - have, have - wanted
        print(f"{pattern}: {len(wanted)} wanted, {len(extra)} added, "
              f"{len(lost)} that only PCRE2 has: "
              f"{[hex(c) for c in sorted(lost)][:20]}", file=sys.stderr)
        for low, high in ranges(extra):
            size = len(chr(low).encode())
            assert size == len(chr(high).encode())
            old = min(c for c in wanted & have if len(chr(c).encode()) == size)
            rows.append((low, high, old))
    table = "\n".join(f"    {{0x{low:x}, 0x{high:x}, 0x{old:x}}},"
                      for low, high, old in sorted(rows))
    OUT.write_text(f"""\
//===- UnicodeExtra.h - Characters newer than PCRE2's tables ----*- C++ -*-===//
//
// Written by test/runtime/make_unicode_extra.py.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_RUNTIME_APP_UNICODEEXTRA_H
#define HEDDLE_RUNTIME_APP_UNICODEEXTRA_H

#include <cstdint>

namespace heddle::rt {{

/// Characters that PCRE2 takes for unassigned, and an older one of the same
/// category that takes as many bytes.
struct NewerCharacters {{
  uint32_t low, high, older;
}};

constexpr NewerCharacters kNewerCharacters[] = {{
{table}
}};

}} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_UNICODEEXTRA_H
""")


if __name__ == "__main__":
    main()
