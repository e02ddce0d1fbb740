"""The JUnit report is read as others read it: by junitparser, which counts again what the report says of itself.

JUnit has no schema of its own authors, and what Jenkins publishes (junit-10.xsd) comes in no package; SCHEMA writes down
what that and GitLab allow: elements, their attributes and children, in order.
"""

import json
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree

TEXT = re.compile(r".*", re.S)
COUNT = re.compile(r"\d+")
SECONDS = re.compile(r"\d+(\.\d+)?")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")

# element: ({required attribute: form}, {optional attribute: form}, [child elements in this order])
COUNTS = {"tests": COUNT, "failures": COUNT, "errors": COUNT, "skipped": COUNT, "time": SECONDS}
SCHEMA = {
    "testsuites": ({"name": TEXT} | COUNTS, {}, ["testsuite"]),
    "testsuite": ({"name": TEXT, "timestamp": TIME} | COUNTS, {"hostname": TEXT}, ["properties", "testcase", "system-out", "system-err"]),
    "properties": ({}, {}, ["property"]),
    "property": ({"name": TEXT, "value": TEXT}, {}, []),
    "testcase": ({"name": TEXT, "classname": TEXT, "time": SECONDS}, {}, ["skipped", "error", "failure"]),
    "skipped": ({"message": TEXT}, {}, []),
    "error": ({"message": TEXT, "type": TEXT}, {}, []),
    "failure": ({"message": TEXT, "type": TEXT}, {}, []),
}


def check_element(element, path):
    required, optional, children = SCHEMA[element.tag]
    for name, form in required.items():
        assert name in element.attrib, f"{path}: no attribute {name}"
    for name, value in element.attrib.items():
        form = required.get(name) or optional.get(name)
        assert form, f"{path}: unknown attribute {name}"
        assert form.fullmatch(value), f"{path}: {name}={value!r}"
    assert not (element.text or "").strip(), f"{path}: unexpected text {element.text!r}"
    order = [children.index(child.tag) if child.tag in children else None for child in element]
    assert None not in order, f"{path}: unknown child in {[child.tag for child in element]}"
    assert order == sorted(order), f"{path}: children out of order: {[child.tag for child in element]}"
    if element.tag == "testcase":
        assert len(element) <= 1, f"{path}: more than one outcome"
    for child in element:
        check_element(child, f"{path}/{child.tag}")


# In the development Python, where junitparser is: {case: outcome or null}, and its own count of them.
READER = """
import json, sys
from junitparser import JUnitXml
xml = JUnitXml.fromstring(sys.stdin.buffer.read())
told = [(suite.tests, suite.failures, suite.errors, suite.skipped) for suite in xml]
cases = {case.name: [type(one).__name__.lower() for one in case.result] for suite in xml for case in suite}
for suite in xml:
    suite.update_statistics()
counted = [(suite.tests, suite.failures, suite.errors, suite.skipped) for suite in xml]
json.dump({"told": told, "counted": counted, "cases": cases}, sys.stdout)
"""


def read_by_others(text):
    done = subprocess.run([os.environ["MRUN_DEV_PYTHON"], "-B", "-c", READER], input=text.encode(), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    seen = json.loads(done.stdout)
    assert seen["told"] == seen["counted"], seen
    return {name: outcomes[0] if outcomes else None for name, outcomes in seen["cases"].items()}


def check_junit(text):
    """Asserts that `text` is valid; returns the test cases as {name: None or the outcome's tag}."""
    cases = check_structure(text)
    assert read_by_others(text) == cases, (read_by_others(text), cases)
    return cases


def check_structure(text):
    root = ElementTree.fromstring(text)
    assert root.tag == "testsuites", root.tag
    check_element(root, "testsuites")
    suite = root.find("testsuite")
    cases = suite.findall("testcase")
    for level in (root, suite):
        assert int(level.get("tests")) == len(cases)
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(level.get(attribute)) == sum(case.find(tag) is not None for case in cases), (attribute, text)
    names = [case.get("name") for case in cases]
    assert len(set(names)) == len(names), names
    return {case.get("name"): case[0].tag if len(case) else None for case in cases}
