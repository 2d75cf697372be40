"""Runs schemathesis against a hub that listens, within bounds and with a fixed seed.

    python test_api.py DESCRIPTION ADDRESS ORIGIN ACTOR SEED

DESCRIPTION is a file in OpenAPI 3.1, ADDRESS a hub's, ORIGIN its log's name, ACTOR a member and SEED that member's key for
access in base64url. Ends with 0 if every answer is as described, and with what schemathesis found else.
"""

import base64
import hashlib
import json
import sys
import time

import schemathesis
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from schemathesis.cli import schemathesis as command

DESCRIPTION, ADDRESS, ORIGIN, ACTOR, SEED = sys.argv[1:]

# What each of these says is meant. `positive_data_acceptance` is left out: no random text is a signed event, and no random
# id names anything. `unsupported_method` and `allow_header_conformance` look at methods that the description has not.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
]


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


KEY = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(SEED + "="))
X = KEY.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
KID = b64(hashlib.sha256(canonical({"crv": "Ed25519", "kty": "OKP", "x": b64(X)})).digest())


# Any bytes will do: the hub looks at their digest, not into them.
schemathesis.serializer.alias("application/zip", "application/octet-stream")


@schemathesis.auth(refresh_interval=None)
class AccessToken:
    """A token fits one method and one path, and so is made for each request."""

    def get(self, case, context):
        now = int(time.time())
        header = {"alg": "Ed25519", "kid": KID, "typ": "daybook-access+jwt"}
        claims = {
            "aud": ORIGIN,
            "exp": now + 120,
            "htm": case.method,
            "htu": case.formatted_path,
            "iat": now,
            "iss": ACTOR,
        }
        signed = b64(canonical(header)) + "." + b64(canonical(claims))
        return signed + "." + b64(KEY.sign(signed.encode()))

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


command(
    [
        "run",
        DESCRIPTION,
        f"--url={ADDRESS}",
        "--seed=20261122",
        "--generation-deterministic",
        "--max-examples=15",
        "--phases=examples,coverage,fuzzing",
        f"--checks={','.join(CHECKS)}",
        "--request-timeout=30",
        "--suppress-health-check=all",
        "--continue-on-failure",
        "--no-shrink",
        "--warnings=off",
        "--no-color",
    ]
)
