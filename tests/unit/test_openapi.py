"""The OpenAPI document: valid, up to date, and of exactly the paths that there are."""

import json
import re

from openapi_spec_validator import validate

from page_proc import paths
from page_proc.api import Api
from tests.docs import schemas

MADE = json.loads(json.dumps(schemas.openapi_document()))


def test_it_is_valid_by_another_hands_checker():
    validate(MADE)


def test_the_one_in_the_documentation_is_up_to_date():
    assert json.loads(schemas.OPENAPI.read_text()) == MADE, "run scripts/schemas"


def test_it_has_every_path_that_there_is_and_each_says_what_it_does():
    there = {(path.method, re.sub(":path", "", path.path)) for path in paths.table(Api(None))}
    told = {(method.upper(), path) for path, found in MADE["paths"].items() for method in found}
    assert told == there
    assert all(each["summary"].endswith(".") for found in MADE["paths"].values() for each in found.values())
