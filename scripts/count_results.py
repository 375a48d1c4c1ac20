"""Prints `PASSED FAILED SKIPPED` of a result file: count_results.py lit|pytest FILE."""

import json
import sys
import xml.etree.ElementTree as ElementTree

LIT = {"PASS": 0, "FLAKYPASS": 0, "XFAIL": 0, "UNSUPPORTED": 2, "SKIPPED": 2}


def lit(path):
    counts = [0, 0, 0]
    with open(path, encoding="utf-8") as file:
        for test in json.load(file)["tests"]:
            if test["code"] != "EXCLUDED":  # by the filter
                counts[LIT.get(test["code"], 1)] += 1
    return counts


def pytest(path):
    counts = [0, 0, 0]
    for case in ElementTree.parse(path).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            counts[1] += 1
        else:
            counts[2 if "skipped" in kinds else 0] += 1
    return counts


print(*{"lit": lit, "pytest": pytest}[sys.argv[1]](sys.argv[2]))
