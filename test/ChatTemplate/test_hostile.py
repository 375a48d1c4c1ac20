"""Hostile templates: an exit status and one line, within 2 s, whatever they do."""

import pytest

from chat_tools import render

MESSAGES = [{"role": "user", "content": "x" * 1000}]


def answer(template, **variables):
    (got,) = render([{"template": template, "messages": MESSAGES, **variables}])
    assert "\n" not in got.get("error", "")
    return got


# At compile time.
DEEP = {
    "parentheses": "{{ " + "(" * 10**5 + "1" + ")" * 10**5 + " }}", "brackets": "{{ " + "[" * 10**5 + "]" * 10**5 + " }}",
    "unclosed": "{{ " + "(" * 10**5, "braces": "{{ " + "{1:" * 10**5, "not": "{{ " + "not " * 60000 + "1 }}",
    "minus": "{{ " + "-" * 10**5 + "1 }}", "terms": "{{ " + "1+" * 10**5 + "1 }}", "powers": "{{ " + "1**" * 80000 + "1 }}",
    "attributes": "{{ a" + ".b" * 10**5 + " }}", "calls": "{{ a" + "()" * 10**5 + " }}", "filters": "{{ a" + "|e" * 10**5 + " }}",
    "ifs": "{% if a %}" * 20000, "fors": "{% for x in y %}" * 15000, "choices": "{{ " + "a if b else " * 20000 + "c }}",
    "mixed": "{{ " + "(1+1+1+1+1+1+1+1+1+1+1+1+1+" * 8000, "elifs": "{% if a %}" + "{% elif b %}" * 20000, "macros": "{% macro m() %}" * 15000,
    "targets": "{% for " + "(" * 10**5 + "a", "sets": "{% set a %}" * 20000, "subscripts": "{{ a" + "[0]" * 80000 + " }}",
    "tests": "{{ a" + " is defined" * 20000 + " }}", "size": "x" * (2 << 20)}


@pytest.mark.parametrize("name", DEEP)
def test_deep(cpu_seconds, name):
    begin = cpu_seconds()
    got = answer(DEEP[name])
    assert got["code"] in (3, 5) and len(got["error"]) < 300, got
    assert cpu_seconds() - begin < 8  # 2 s, and four times that for the sanitizers


RUNS = {
    "doubling": "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s | length }}",
    "doubled list": "{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    "loops": "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "range": "{{ range(10**12) }}", "range down": "{{ range(0, 0 - 10**18, -1) }}", "steps": "{{ range(0 - 2**62, 2**62, 2**61 + 2**60) | length }}",
    "repetition": "{{ 'x' * 10**10 }}", "list repetition": "{{ [1] * 10**10 | int }}", "negative": "{{ 'x' * -5 }}",
    "output": "{% for i in range(100000) %}{{ messages[0].content }}{% endfor %}",
    "macro": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "two macros": "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
    "tree of macros": "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "caller": "{% macro m() %}{{ caller() }}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{% call m() %}{% endcall %}",
    "nested list": "{% set ns = namespace(l=[]) %}{% for i in range(100000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}",
    "nested equality": "{% set ns = namespace(l=[], m=[]) %}{% for i in range(9999) %}{% set ns.l = [ns.l] %}{% set ns.m = [ns.m] %}{% endfor %}{{ ns.l == ns.m }}",
    "nested order": "{% set ns = namespace(l=[], m=[]) %}{% for i in range(9999) %}{% set ns.l = [ns.l] %}{% set ns.m = [ns.m] %}{% endfor %}{{ ns.l < ns.m }}",
    "nested json": "{% set ns = namespace(l=[]) %}{% for i in range(9999) %}{% set ns.l = {'a': ns.l} %}{% endfor %}{{ ns.l | tojson }}",
    "namespace in itself": "{% set ns = namespace() %}{% for i in range(99999) %}{% set ns.a = ns %}{% endfor %}{{ ns.a.a.a is defined }}",
    "shared list": "{% set ns = namespace(l=['x']) %}{% for i in range(90) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
    "replace": "{% set ns = namespace(s='x' * 1000) %}{% for i in range(90) %}{% set ns.s = ns.s.replace('x', 'xx') %}{% endfor %}",
    "replace of nothing": "{{ ('x' * 4000000).replace('', 'yyyyyyyyyy') }}", "join": "{{ range(100000) | join('x' * 1000) }}",
    "join method": "{{ ('x' * 100000).join(('y' * 10000) | list) }}", "indent": "{{ [[[1]]] | tojson(indent=10**9) }}",
    "split": "{% for i in range(1000) %}{% set x = ('a ' * 100000).split() %}{% endfor %}", "sort": "{% for i in range(1000) %}{% set x = range(100000) | sort %}{% endfor %}",
    "unique": "{{ range(100000) | unique | list | length }}", "contains": "{% for i in range(100000) %}{% set x = 'y' in messages[0].content * 1000 %}{% endfor %}",
    "characters": "{% set t = 'é' * 1000000 %}{% for i in range(100000) %}{% set x = t[i] %}{% endfor %}", "slices": "{% set t = 'é' * 1000000 %}{% for i in range(100000) %}{% set x = t[::-1] %}{% endfor %}",
    "big numbers": "{{ 2 ** 63 }}", "bigger numbers": "{{ 9 ** 9 ** 9 }}", "overflow": "{{ 9223372036854775807 + 1 }}", "negation": "{{ -(-9223372036854775807 - 1) }}",
    "floor of the least": "{{ (-9223372036854775807 - 1) // -1 }}", "rest of the least": "{{ (-9223372036854775807 - 1) % -1 }}", "float": "{{ 1e308 * 10 - 1e308 * 10 }}",
    "slice bounds": "{{ 'abc'[-9223372036854775807:9223372036854775807:9223372036854775807] }}", "slice back": "{{ 'abc'[::-9223372036854775807] }}",
    "unsteady order": "{% set n = 1e308 * 10 - 1e308 * 10 %}{{ ([3, n, 1] * 50) | sort | length }}", "zero step": "{{ 'abc'[::0] }}",
    "captures": "{% for i in range(100000) %}{% set x %}{{ messages[0].content }}{% endset %}{% endfor %}",
    "long format": "{{ strftime_now('%c' * 1000) }}", "keys": "{% set ns = namespace(d={}) %}{% for i in range(5000) %}{% set ns.d = dict(ns.d, a=i) %}{% endfor %}{{ ns.d }}"}
FINE = {"negative": "", "namespace in itself": "True", "rest of the least": "0", "slice bounds": "a", "slice back": "c", "steps": "3", "unsteady order": "150",
        "keys": "{'a': 4999}", "float": "nan"}


@pytest.mark.parametrize("name", RUNS)
def test_run(cpu_seconds, name):
    begin = cpu_seconds()
    got = answer(RUNS[name])
    if name in FINE:
        assert got.get("text") == FINE[name], got
    else:
        assert got["code"] in (3, 5) and len(got["error"]) < 300, got
    assert cpu_seconds() - begin < 16  # 2 s, and eight times that for the sanitizers


def test_caps_are_named():
    for name, word in (("loops", "steps = more, limit 20000000"), ("macro", "depth = more, limit 100"), ("doubling", "bytes = more, limit 16777216"),
                       ("range", "elements of a range = more, limit 100000")):
        got = answer(RUNS[name])
        assert got["code"] == 5 and word in got["error"] and "line 1" in got["error"], got


def test_messages_of_the_template():
    """What a template says of itself is one line, and not a long one."""
    got = answer("{{ raise_exception('no\\n\\x1bway' ~ 'é' * 10000) }}")
    assert got["code"] == 3 and "no\\x0a\\x1bwayé" in got["error"] and len(got["error"]) < 1100, got
    got = answer("{{ a | map('b\\n', '" + "x" * 9999 + "') }}{% for '\n" + "y" * 9999 + "' %}")
    assert got["code"] in (3, 4) and len(got["error"]) < 300, got
    got = answer("".join(f"{{{{ a | f{i} }}}}" for i in range(9000)))
    assert got["code"] == 4 and got["error"].endswith("; and more") and len(got["error"]) < 3000, got["error"][-99:]
    got = answer("{{ a['b\\nc'].d }}", a={})
    assert got["code"] == 3 and "'b\\x0ac' is undefined" in got["error"], got


def test_long_conversation():
    """Half a megabyte is no attack."""
    messages = [{"role": ("user", "assistant")[i % 2], "content": "word " * 200} for i in range(500)]
    (got,) = render([{"template": "{% for m in messages %}{{ '<' + m.role + '>' + m.content | trim + '\n' }}{% endfor %}", "messages": messages}])
    assert len(got["text"]) > 490_000
