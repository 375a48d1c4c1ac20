"""What the subset means: every line is what Jinja2, set as transformers sets it, writes."""

import pytest

from chat_tools import assert_same, render

VARIABLES = {
    "bos_token": "<s>", "n": 7, "f": 2.5, "big": 1e16, "small": 1.5e-7, "yes": True, "nothing": None,
    "text": " Hello,  wörld\t!\n", "word": "abc", "empty": "", "cjk": "日本語テキスト",
    "numbers": [3, 1, 2], "words": ["b", "A", "c"], "nested": [[1, 2], [3]],
    "person": {"name": "Ann", "age": 3, "items": [1, 2], "address": {"city": "X"}},
    "people": [{"name": "Ann", "age": 3, "on": True}, {"name": "bob", "age": 2, "on": False}, {"name": "Cy", "age": 9}],
    "odd": "quote ' and \" and \\ and \n end", "html": "<a href='x'>&</a>",
}

# One template a line, but for those with line breaks, written \n.
LINES = r"""
plain text
{{ 'a' }}{{ "b" }}
{{ 1 + 2 * 3 - 4 // 3 % 2 }} {{ 7 / 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 7.0 // 2 }}
{{ -n }} {{ +n }} {{ --n }} {{ 1 - -1 }} {{ -2 ** 2 }} {{ n - 1 }} {{ (1, 2) + (3,) }} {{ [1] * 3 }} {{ 'ab' * 2 }}
{{ f }} {{ f * 2 }} {{ big }} {{ small }} {{ 1.0 }} {{ 100000.0 * 10 }} {{ 1e3 }} {{ 0.1 + 0.2 }} {{ 1_000 }} {{ 0x1f }}
{{ true }} {{ True }} {{ none }} {{ None }} {{ false }} {{ yes }} {{ nothing }}
{{ unknown }}|{{ person.unknown }}|{{ person['unknown'] }}|{{ numbers[9] }}|{{ word.unknown }}
{{ unknown.deeper }}
{{ unknown + 'x' }}
{{ nothing.x }}
{{ nothing + 1 }}
{{ 'a' + 1 }}
{{ 1 / 0 }}
{{ 'a' ~ 1 ~ none ~ 2.5 ~ [1] }}
{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 3 > 2 > 1 == 1 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'a' < 'b' }} {{ 'a' != 'b' }}
{{ [1, 2] == [1, 2] }} {{ (1, 2) == [1, 2] }} {{ {'a': 1} == {'a': 1.0} }} {{ [1, 2] < [1, 3] }} {{ 'é' > 'z' }}
{{ 'a' < 1 }}
{{ 'b' in word }} {{ 'z' not in word }} {{ 2 in numbers }} {{ 'name' in person }} {{ 'x' in unknown }} {{ not 2 in numbers }}
{{ 1 in 'a' }}
{{ 1 in 2 }}
{{ yes and word }} {{ empty or 'else' }} {{ not empty }} {{ 0 or none or [] }} {{ 1 and 2 and 3 }} {{ false or 0 }}
{{ 'a' if yes }}{{ 'a' if not yes }}|{{ 'a' if n > 3 else 'b' }}{{ 'x' if false else 'y' if false else 'z' }}
{{ numbers[0] }} {{ numbers[-1] }} {{ numbers[1:] }} {{ numbers[:2] }} {{ numbers[::-1] }} {{ numbers[::2] }} {{ numbers[5:] }}
{{ word[0] }} {{ word[-1] }} {{ word[1:] }} {{ word[::-1] }} {{ cjk[1:3] }} {{ cjk[-2:] }} {{ cjk[::2] }} {{ word[-5:2] }}
{{ numbers[-2:] }} {{ numbers[1:-1] }} {{ numbers[2:0:-1] }} {{ numbers[:-1] }} {{ (1, 2, 3)[1:] }} {{ numbers[10::-2] }}
{{ person.name }} {{ person['name'] }} {{ person.address.city }} {{ person['address']['city'] }} {{ person.items() | list }}
{{ person['items'] }} {{ person.get('name') }} {{ person.get('zz') }} {{ person.get('zz', 5) }} {{ person.keys() | list }}
{{ person.values() | list }} {{ person | items | list }} {{ unknown | items | list }} {{ person | length }}
{{ [1, 'a', none, true, 2.5, [1], {'k': 'v'}, (1,), ()] }} {{ {} }} {{ [] }} {{ {'a': {'b': [1]}} }}
{{ [odd] }} {{ ["it's"] }} {{ ['say "x"'] }} {{ ['\x00\x1f\x7f'] }} {{ ['é日\u3000\u200b\u2028\ufeff\ue000\xa0\xad😀'] }}
{{ 'a\tb\n\'\"\\\x41\u00e9\U0001F600\101\q' }}
{{ "concat" 'enated' }}
{{ word.upper() }} {{ word.title() }} {{ 'hello wORLD x1y'.title() }} {{ 'aBC'.capitalize() }} {{ 'ABC'.lower() }}
{{ text.strip() }}|{{ text.lstrip() }}|{{ text.rstrip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'abcxcba'.strip('abc') }}|{{ 'xa'.lstrip('xy') }}
{{ ' a  b c '.split() }} {{ 'a,b,,c'.split(',') }} {{ ' a  b c '.split(none, 1) }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }}
{{ ' a  b c '.rsplit(none, 1) }} {{ ''.split() }} {{ ''.split(',') }} {{ 'a b '.split(none, 2) }} {{ 'a'.split(maxsplit=1) }} {{ ' a b'.split(none, 0) }}
{{ 'a::b::c'.split('::')[-1] }} {{ 'abcabc'.replace('b', 'X') }} {{ 'abcabc'.replace('b', 'X', 1) }} {{ 'ab'.replace('', '-') }} {{ 'é'.replace('', '-') }}
{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'bc')) }} {{ 'abcb'.find('b') }} {{ 'abcb'.rfind('b') }} {{ 'é日b'.find('b') }} {{ 'abc'.find('z') }}
{{ 'abab'.count('ab') }} {{ ''.count('') }} {{ 'ab'.index('b') }} {{ numbers.index(1) }} {{ numbers.count(2) }} {{ ','.join(words) }}
{{ 'ab'.index('z') }}
{{ '12'.isdigit() }} {{ ''.isdigit() }} {{ '1a'.isdigit() }} {{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.py'.removesuffix('.py') }}
{{ numbers.strip() }}
{{ person.strip() }}
{{ word | upper }} {{ 'ABC' | lower }} {{ 'hello world-x (y) [z' | title }} {{ 'aBC' | capitalize }} {{ text | trim }}| {{ 'xax' | trim('x') }}
{{ numbers | length }} {{ word | length }} {{ cjk | count }} {{ unknown | length }} {{ empty | length }} {{ numbers | first }} {{ numbers | last }} {{ [] | first }}
{{ word | first }} {{ cjk | last }} {{ numbers | sum }} {{ numbers | min }} {{ numbers | max }} {{ words | min }} {{ words | max }} {{ [] | max }}
{{ people | sum(attribute='age') }} {{ numbers | sum(start=10) }} {{ [1.5, 2] | sum }}
{{ 5 | length }}
{{ unknown | default('d') }} {{ none | default('d') }} {{ none | default('d', true) }} {{ empty | d('d', boolean=true) }} {{ unknown | default }}| {{ 0 | default(5) }}
{{ numbers | join(', ') }} {{ numbers | join }} {{ people | join(', ', attribute='name') }} {{ word | join('-') }} {{ person | join(',') }}
{{ numbers | sort }} {{ words | sort }} {{ words | sort(case_sensitive=true) }} {{ numbers | sort(reverse=true) }} {{ people | sort(attribute='age') | map(attribute='name') | list }}
{{ people | map(attribute='name') | join(',') }} {{ words | map('upper') | list }} {{ people | map(attribute='zz', default='-') | list }} {{ words | map('replace', 'b', 'q') | list }}
{{ people | selectattr('on') | list | length }} {{ people | rejectattr('on') | map(attribute='name') | list }} {{ people | selectattr('name', 'equalto', 'bob') | list }}
{{ people | selectattr('on', 'defined') | list | length }} {{ people | selectattr('age', '>', 2) | list | length }} {{ people | selectattr('name', 'in', ['bob', 'Cy']) | map(attribute='age') | list }}
{{ numbers | select('odd') | list }} {{ numbers | reject('odd') | list }} {{ [0, 1, '', 'a'] | select | list }} {{ numbers | select('>', 1) | list }}
{{ [1, 2, 1, 'a', 'A'] | unique | list }} {{ numbers | reverse | list }} {{ word | reverse }} {{ person | dictsort }} {{ {'b': 1, 'A': 2} | dictsort }} {{ {'b': 1, 'a': 2} | dictsort(by='value') }}
{{ '12' | int }} {{ 'x' | int }} {{ 'x' | int(5) }} {{ '3.7' | int }} {{ 3.7 | int }} {{ 'ff' | int(base=16) }} {{ true | int }} {{ ' 12 ' | int }} {{ '1.5' | float }} {{ 'x' | float }} {{ 2 | float }}
{{ -3 | abs }} {{ (-3) | abs }} {{ -2.5 | abs }} {{ 5 | string ~ 'x' }} {{ numbers | string }} {{ html | safe }} {{ word | list }} {{ person | list }} {{ html }}
{{ person | tojson }}\n{{ odd | tojson }}\n{{ cjk | tojson }}\n{{ cjk | tojson(ensure_ascii=true) }} {{ '😀\x7f' | tojson(ensure_ascii=true) }}
{{ person | tojson(indent=2) }}\n{{ [] | tojson(indent=2) }} {{ {} | tojson }} {{ [[], {}] | tojson(indent=4) }}
{{ {'b': 1, 'a': [1, 2.5, none, true]} | tojson(sort_keys=true) }} {{ [1, {'a': 2}] | tojson(separators=(',', ':')) }} {{ {1: 2, none: 3, true: 4, 2.5: 1} | tojson }} {{ 1e22 | tojson }} {{ html | tojson }}
{{ unknown | tojson }}
{{ 'a-b' | replace('-', '+') }} {{ 5 | replace(5, 6) }} {{ 'aaa' | replace('a', 'b', 2) }} {{ 'a' | replace('', '-') }}
{{ n is defined }} {{ unknown is defined }} {{ unknown is undefined }} {{ nothing is none }} {{ person.zz is defined }} {{ person.zz is not defined }} {{ n is not none }}
{{ word is string }} {{ n is string }} {{ person is mapping }} {{ numbers is mapping }} {{ numbers is sequence }} {{ word is sequence }} {{ person is sequence }} {{ n is sequence }}
{{ numbers is iterable }} {{ word is iterable }} {{ n is iterable }} {{ unknown is iterable }} {{ n is number }} {{ f is number }} {{ yes is number }} {{ word is number }}
{{ n is integer }} {{ yes is integer }} {{ f is float }} {{ n is float }} {{ yes is boolean }} {{ yes is true }} {{ 1 is true }} {{ false is false }} {{ n is odd }} {{ n is even }}
{{ n is divisibleby 7 }} {{ n is divisibleby(2) }} {{ n is eq 7 }} {{ n is equalto(7) }} {{ n is ne 7 }} {{ n is gt 5 }} {{ n is lt(5) }} {{ n is ge 7 }} {{ n is in [1, 7] }} {{ n is sameas 7 }}
{{ range is callable }} {{ n is callable }} {{ namespace is defined }} {{ strftime_now is defined }} {{ raise_exception is defined }}
{{ n is defined and n is number or false }} {{ not n is defined }} {{ n is not string and 1 }} {{ 'x' if n is defined else 'y' }} {{ word is in 'abcd' }}
{% if n == 7 %}seven{% elif n == 8 %}eight{% else %}other{% endif %}{% if false %}x{% elif true %}y{% endif %}{% if false %}x{% else %}z{% endif %}
{% for i in numbers %}{{ i }}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }};{% endfor %}
{% for i in numbers %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }}{{ loop.previtem is defined }}{{ loop.depth }}{{ loop.cycle('a', 'b') }}{{ loop.changed(i > 1) }};{% endfor %}
{% for i in [] %}x{% else %}none{% endfor %}{% for i in unknown %}x{% else %}none{% endfor %}{% for i in numbers %}x{% else %}none{% endfor %}
{% for k, v in person.items() %}{{ k }}={{ v }};{% endfor %}{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}{% for c in cjk %}{{ c }}.{% endfor %}{% for k in person %}{{ k }}{% endfor %}
{% for i in numbers if i > 1 %}{{ i }}{{ loop.index }}{{ loop.last }}{% else %}no{% endfor %}{% for i in numbers if i > 9 %}x{% else %}no{% endfor %}
{% for i in range(3) %}{{ i }}{% endfor %}{% for i in range(1, 4) %}{{ i }}{% endfor %}{% for i in range(6, 0, -2) %}{{ i }}{% endfor %}{{ range(4) | list }}{{ range(0) | list }}
{% for i in 1, 2, 3 %}{{ i }}{% endfor %}{% for i in nested %}{% for j in i %}{{ j }}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}
{% for i in numbers %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% if i == 2 %}{% break %}{% endif %}{% endfor %}{% for i in numbers %}{% break %}{% else %}e{% endfor %}
{% for i in range(5) %}{% with x = i %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 4 %}{% break %}{% endif %}{{ x }}{% endwith %}{% endfor %}{{ x }}
{% for i in 5 %}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{% endfor %}
{% set x = 1 %}{% for i in numbers %}{{ x }}{% set x = i %}{{ x }}{% endfor %}{{ x }}
{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set a, b = b, a %}{{ a }}{{ b }}{% set t = 1, 2 %}{{ t }}
{% set x %}  a {{ n }} {% endset %}[{{ x }}]{% set y | trim | upper %} b {% endset %}[{{ y }}]{{ x is string }}
{% set ns = namespace(a=1, b='x') %}{% for i in numbers %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.c }}{{ ns['a'] }}{% set ns.c = 5 %}{{ ns.c }}{{ ns.c is defined }}
{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{% set d = dict(a=1) %}{{ d }}{{ dict({'x': 1}, y=2) }}{{ dict([('a', 1)]) }}
{% set n.x = 1 %}
{% set ns = namespace() %}{% set ns._x = 1 %}
{% set person.x = 1 %}
{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}{% set a = 5 %}{% with a = 1, b = a %}{{ b }}{% endwith %}{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}
{% macro m(a, b=2, c='x') %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(1, c='y') }}{{ m(a=1, b=5) }}{{ m() }}{{ m(1) | length }}{{ m(1) ~ '!' }}
{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{% set a = 9 %}{{ m() }}
{% macro m(x) %}{% if x > 0 %}{{ x }}{{ m(x - 1) }}{% endif %}{% endmacro %}{{ m(5) }}
{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{{ outer }}{% endmacro %}{% set outer = 'o' %}{{ a() }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(zz=2) }}
{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}in{{ n }}{% endcall %}{% macro l(xs) %}{% for x in xs %}{{ caller(x) }}{% endfor %}{% endmacro %}{% call(x) l(numbers) %}({{ x }}){% endcall %}
{% set m = 5 %}{% macro f() %}{% set m = 6 %}{{ m }}{% endmacro %}{{ f() }}{{ m }}
{% for i in numbers %}{% macro g() %}{{ i }}{% endmacro %}{{ g() }}{% endfor %}
{% filter upper %}abc {{ word }}{% endfilter %}{% filter replace('a', 'b') | upper %}aaa{% endfilter %}
{% raw %}{{ not }} {% tags %} {# here #}{% endraw %}!{%- raw -%}  x  {%- endraw -%}  y
{# comment #}a{#- b -#}  c  {#- d #}  e{# {{ x }} #}
{{ '{{' }} {{ '%}' }} {{ "}}" }} {{ {'a': {'b': 1}}['a']['b'] }} {{ {'a': '}}'} }}
{{ raise_exception('my message') }}
{{ strftime_now('%Y-%m-%d') }} {{ strftime_now('%d %b %Y') }}
{% generation %}x{% set q = 1 %}{{ q }}{% endgeneration %}{{ q }}
{{ word|upper|lower|title }} {{ (word|upper)[0] }} {{ word[0]|upper }} {{ 'a' ~ 'b'|upper }} {{ 1 + 2|string|int }} {{ -1|abs }}
{{ (1, 2) }} {{ (1,) }} {{ () }} {{ 1, 2 }} {{ [1, 2,] }} {{ {'a': 1,} }} {{ ((1)) }}
{{ numbers.0 }} {{ nested.0.1 }} {{ person.name.0 }} {{ nested[0][1] }} {{ people[0].name[0] }} {{ [1, 2, 3].1 }}
{{ text }}{{ [text] }}{{ 'x' == "x" }} {{ 'it''s' }} {{ 1if true else 2 }} {{ 1 is number }}
{{ 9223372036854775807 }} {{ -9223372036854775807 }} {{ n|int // 2 }} {{ 10 % 3.5 }} {{ -10 % 3.5 }} {{ 7 // -2 }} {{ 7 % -2 }}
{{ [none, 1] | select('none') | list }} {{ [1, none] | map('default', 'x') | list }} {{ none | string }} {{ [1, [2, [3]]] | tojson }}
{{ messages | length }}{{ messages[0].role }}{{ messages[-1]['content'] }}{{ tools is none }}{{ add_generation_prompt }}{{ bos_token }}{{ eos_token }}
""".strip("\n").split("\n")

MESSAGES = [{"role": "system", "content": "S"}, {"role": "user", "content": " U \n"}]


def case(template, **variables):
    return {"template": template, "messages": MESSAGES, **VARIABLES, **variables}


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_language():
    assert_same([case(line.replace("\\n{{", "\n{{")) for line in LINES])


# White space around tags, in the middle of lines and at their ends.
PIECES = ["a", " ", "\n", "\t", "\n\n", "  \n", "\n  ", "{% if yes %}", "{%- if yes %}", "{% if yes -%}", "{%+ if yes %}",
          "{% if yes +%}", "{%- if yes -%}"]
ENDS = ["{% endif %}", "{%- endif %}", "{% endif -%}", "{%+ endif %}", "{%- endif -%}"]
INSIDE = ["{{ n }}", "{{- n }}", "{{ n -}}", "{{- n -}}", "{# c #}", "{#- c #}", "{# c -#}", "{#+ c +#}", "{% set q = 1 %}",
          "{%- set q = 1 -%}", "{% raw %} r {% endraw %}", "{%- raw -%} r {%- endraw -%}", "{% raw %}\n r\n {% endraw %}\n", "b"]


def test_white_space():
    cases = []
    for begin in PIECES[7:]:
        for i, inside in enumerate(INSIDE):
            for j, space in enumerate(PIECES[1:7]):
                other, end = PIECES[1 + (i + j) % 6], ENDS[(i + 2 * j) % 5]
                cases.append(case(f"x{other}{begin}{space}{inside}{other}{inside}{space}{end}{other}{inside}{space}y{other}"))
                cases.append(case(f"{space}{inside}{other}{begin}{other}{end}{space}"))
    for newline in ("\r\n", "\r", "\n"):
        cases.append(case(f"a{newline}{newline} {{% if yes %}}{newline}  b{newline}{{% endif %}}{newline}c{newline}"))
    assert_same(cases)


# Jinja cannot read these either.
BROKEN = ["{{", "{{ }}", "{% if %}{% endif %}", "{% if a %}", "{% endif %}", "{% for %}{% endfor %}", "{{ a b }}", "{{ a | }}",
          "{{ 'open }}", "{{ (a }}", "{{ a) }}", "{# open", "{% raw %} x", "{{ a. }}", "{{ [1, }}", "{% set 1 = 2 %}", "{% set x %}",
          "{% macro %}{% endmacro %}", "{% for x in y %}{% endif %}", "{% else %}", "{{ a is }}", "{{ a[ }}", "{{ a[] }}",
          "{% call x %}{% endcall %}", "{% nonsense %}", "{{ a if }}", "{{ $ }}", "{% if a %}{% else %}{% else %}{% endif %}",
          "{{ f(a=1, 2) }}", "{{ a is b is c }}", "{% set true = 1 %}", "{% if a }}", "{{ a %}", "{% macro m(a=1, b) %}{% endmacro %}"]


def test_broken():
    """Exit status 3 and the line."""
    for template, got in zip(BROKEN, render([case("\n\n" + t) for t in BROKEN]), strict=True):
        assert got.get("code") == 3 and ", line 3: " in got["error"], (template, got)
    assert_same([case(t) for t in BROKEN])


def test_unsupported():
    """All of it at once, with lines; nothing twice."""
    template = """{% include 'x' %}
{% import 'y' as z %}{% from 'y' import q %}
{% block a %}{{ a | nosuch }}{% endblock %}{{ a | nosuch(1) | map('groupby') | list }}
{% for x in y recursive %}{{ loop(x) }}{% endfor %}
{{ a is nosuchtest }}{{ a | select('filter') }}{{ lipsum() }}{{ 'x'.format(1) }}{{ m(*args) }}
{% extends 'base' %}{% autoescape true %}{% endautoescape %}{% do x %}{{ a | tojson(nosuch=1) }}{{ 'a'.zfill(3) }}"""
    (got,) = render([case(template)])
    assert got["code"] == 4
    for what in ("tag 'include' (line 1)", "tag 'import' (line 2)", "tag 'from' (line 2)", "tag 'block' (line 3)", "filter 'nosuch' (line 3)",
                 "filter 'groupby' (line 3)", "a recursive loop (line 4)", "test 'nosuchtest' (line 5)", "test 'filter' (line 5)",
                 "function lipsum() (line 5)", "method .format() (line 5)", "arguments by * (line 5)", "tag 'extends' (line 6)",
                 "tag 'autoescape' (line 6)", "tag 'do' (line 6)", "filter 'tojson' with the argument nosuch (line 6)", "method .zfill() (line 6)"):
        assert got["error"].count(what) == 1, (what, got["error"])


@pytest.mark.parametrize("template, what", (
    ("{{ 'É'.lower() }}", "case beyond ASCII"), ("{{ ['\\u0378'] }}", "repr of text with U+0378"),
    ("{{ '%s' % 1 }}", "formatting with %"), ("{{ namespace() }}", "the text of a Namespace")))
def test_unsupported_values(template, what):
    """What only a run can tell."""
    (got,) = render([case(template)])
    assert got["code"] == 4 and what in got["error"], got
