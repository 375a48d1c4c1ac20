#!/usr/bin/env python3
"""Writes runtime/app/NfcTables.h and NfkcTables.h: what Unicode's forms C and KC need.

Python's Unicode data, without what the package `tokenizers` (the reference) does
not know.

    make_nfc_tables.py
"""

import pathlib
import unicodedata

from tokenizers import normalizers

OUT = pathlib.Path(__file__).resolve().parents[2] / "runtime/app/NfcTables.h"
COMPATIBLE = OUT.with_name("NfkcTables.h")
NFC, NFD, NFKD = normalizers.NFC(), normalizers.NFD(), normalizers.NFKD()


def code_points():
    for value in range(0x110000):
        # Hangul syllables follow from a formula.
        if not 0xD800 <= value <= 0xDFFF and not 0xAC00 <= value <= 0xD7A3:
            yield value


def decompositions():
    """(character, first, second or 0, whether the pair composes)"""
    for value in code_points():
        text = unicodedata.decomposition(chr(value))
        if text and text[0] != "<" and NFD.normalize_str(chr(value)) != chr(value):
            first, second = ([int(x, 16) for x in text.split()] + [0])[:2]
            composes = NFC.normalize_str(chr(value)) == chr(value)
            yield value, first, second, composes


def compatible():
    """(character, where its whole decomposition begins in the pool), the pool: each
    decomposition once, and a 0 after it."""
    rows, pool, places = [], [], {}
    for value in code_points():
        text = NFKD.normalize_str(chr(value))
        if text != NFD.normalize_str(chr(value)):
            if text not in places:
                places[text] = len(pool)
                pool += [*map(ord, text), 0]
            rows.append((value, places[text]))
    return rows, pool


def combining_class(value):
    """0 if the reference takes the character for a starter: it then stays after a
    mark of class 240, and before one of class 1."""
    mark = unicodedata.combining(chr(value))
    pair = "\u0345" + chr(value) if mark < 240 else chr(value) + "\u0334"
    return mark if NFD.normalize_str("a" + pair) != "a" + pair else 0


def class_ranges():
    result = []
    for value in code_points():
        mark = combining_class(value)
        if result and mark and result[-1][1:] == [value - 1, mark]:
            result[-1][1] = value
        elif mark:
            result.append([value, value, mark])
    return result


def table(kind, name, rows, width=120):
    lines, line = [], " "
    for row in rows:
        text = " {" + ", ".join(row) + "},"
        if len(line) + len(text) > width:
            lines.append(line)
            line = " "
        line += text
    return f"constexpr {kind} {name}[] = {{\n" + "\n".join(lines + [line]) + "\n};\n"


def main():
    pairs = table("NfcPair", "kNfcPairs",
                  ([hex(c), hex(a), hex(b), str(int(composes))]
                   for c, a, b, composes in decompositions()))
    classes = table("NfcClass", "kNfcClasses",
                    ([hex(low), hex(high), str(mark)]
                     for low, high, mark in class_ranges()))
    OUT.write_text(f"""\
//===- NfcTables.h - Decompositions and combining classes -------*- C++ -*-===//
//
// Written by test/runtime/make_nfc_tables.py. In the order of the characters.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_RUNTIME_APP_NFCTABLES_H
#define HEDDLE_RUNTIME_APP_NFCTABLES_H

#include <cstdint>

namespace heddle::rt {{

/// A canonical decomposition, one step; `second` is 0 if there is none.
struct NfcPair {{
  uint32_t character, first, second;
  bool composes; // not excluded from composition
}};

/// Characters of one combining class other than 0.
struct NfcClass {{
  uint32_t low, high, value;
}};

// clang-format off
{pairs}
{classes}// clang-format on

}} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_NFCTABLES_H
""")

    rows, pool = compatible()
    rows = table("NfkcEntry", "kNfkcEntries", ([hex(c), str(at)] for c, at in rows), 190)
    lines = "\n".join("   " + "".join(f" {c:#x}," for c in pool[i:i + 23]) for i in range(0, len(pool), 23))
    COMPATIBLE.write_text(f"""\
//===- NfkcTables.h - Compatibility decompositions --------------*- C++ -*-===//
//
// Written by test/runtime/make_nfc_tables.py. In the order of the characters.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_RUNTIME_APP_NFKCTABLES_H
#define HEDDLE_RUNTIME_APP_NFKCTABLES_H

#include <cstdint>

namespace heddle::rt {{

/// A character whose compatibility decomposition is no canonical one: it begins
/// at `at` of kNfkcPool, whole, and ends before a 0.
struct NfkcEntry {{
  uint32_t character, at;
}};

// clang-format off
{rows}
constexpr uint32_t kNfkcPool[] = {{
{lines}
}};
// clang-format on

}} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_NFKCTABLES_H
""")


if __name__ == "__main__":
    main()
