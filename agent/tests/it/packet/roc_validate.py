"""Holds crates against RO-Crate 1.2 with roc-validator, whose only question to the network is answered from a file.

Usage: roc_validate.py CONTEXT.jsonld CRATE_FOLDER...; prints every issue of the level REQUIRED, exit status 1 if there is one.
"""

import sys
from pathlib import Path

import requests
from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings
from rocrate_validator.utils.http import HttpRequester

context, *crates = sys.argv[1:]


def answer(_self, url, **_options):
    response = requests.Response()
    response.url = url
    is_context = url.startswith("https://w3id.org/ro/crate/1.2/context")
    response.status_code = 200 if is_context else 504
    response._content = Path(context).read_bytes() if is_context else b""
    response.headers["Content-Type"] = "application/ld+json"
    return response


HttpRequester.get = answer
found = 0
for crate in crates:
    settings = ValidationSettings(
        rocrate_uri=crate,
        profile_identifier="ro-crate-1.2",
        requirement_severity=Severity.REQUIRED,
        offline=True,
    )
    for issue in services.validate(settings).get_issues():
        found += 1
        print(crate, issue.check.identifier, issue.message)
print("issues:", found)
sys.exit(found > 0)
