"""How far two evaluations of one model may lie apart."""

import numpy as np


def assert_close(found, f32, f64):
    """`found` may err from the float64 truth by 8 times what float32 torch errs
    at its worst, and by a floor of 64 units in the last place of the largest
    logit where torch happens to err little. Rounding is all that may differ: a
    wrong weight, position or mask is thousands of times that."""
    unit = np.abs(f32 - f64).max()
    floor = 64 * np.finfo(np.float32).eps * np.abs(f64).max()
    worst = np.abs(found - f64).max()
    assert worst <= 8 * unit + floor, (worst, unit, floor)


def assert_close64(found, f64):
    """For float32 code on small models, without a float32 reference: the error
    of a logit grows like a few hundred roundings of values as large as the
    largest logit (a handful of sums of under 200 terms, one after another)."""
    worst = np.abs(found - f64).max()
    limit = 256 * np.finfo(np.float32).eps * np.abs(f64).max()
    assert worst <= limit, (worst, limit)


def assert_same_bits(a, b, what=""):
    assert a.shape == b.shape, what
    different = (a.view(np.uint32) != b.view(np.uint32))
    assert not different.any(), (
        f"{what}: {different.sum()} of {a.size} logits differ, first at "
        f"{np.argwhere(different)[0].tolist()}, by at most {np.abs(a - b).max()}")


def table_of(rows):
    """Sequences of (first column, tokens) as a table, -1 where there is none."""
    table = np.full((len(rows), max(first + len(tokens) for first, tokens in rows)), -1)
    for row, (first, tokens) in zip(table, rows, strict=True):
        row[first:first + len(tokens)] = tokens
    return table


def assert_neighbours(score, program, rows, expected, *flags):
    """Sequences have, side by side, the bits of `expected`, which are of each alone."""
    found = score(program, table_of(rows), *flags)
    for logits, (first, tokens), alone in zip(found, rows, expected, strict=True):
        end = first + len(tokens)
        assert_same_bits(np.ascontiguousarray(logits[first:end]), alone, f"beside others, {flags}")
        assert not logits[:first].any() and not logits[end:].any()


def assert_bitwise(score, program, tokens):
    """The same bits for any threads and chunks, whatever tokens follow, and beside other sequences."""
    expected = score(program, tokens, "-t", 1)
    # Decode with each number of threads, few tokens and many with some.
    for threads, chunk in ((1, 1), (2, 1), (3, 1), (3, 2), (1, 5), (2, 16), (3, 17)):
        found = score(program, tokens, "-t", threads, f"--chunk={chunk}")
        assert_same_bits(found, expected, f"threads {threads}, chunk {chunk}")
    for length in (1, 16, 20):
        assert_same_bits(score(program, tokens[:length]), expected[:length], f"first {length}")
    other, part = tokens[::-1], len(tokens) // 2
    alone = [expected, score(program, other), expected[:part]]
    for flags in (("--chunk=1", "-t", 1), ("--chunk=3", "-t", 2), ("-t", 2)):
        assert_neighbours(score, program, [(0, tokens), (6, other), (3, tokens[:part])], alone, *flags)
    return expected
