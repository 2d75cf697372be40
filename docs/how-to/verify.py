#!/usr/bin/env python3
"""Checks one entry of a Daybook log without any of Daybook's code.

    verify.py VKEY PROOF ENTRY [PROOF ENTRY]

VKEY is the log's verifier key, PROOF a .tlog-proof file, ENTRY the event as the log holds it. The second pair is the
entry that registered the author's key; an entry that registers its own author's key needs none.
Exit status: 0 holds, 1 does not hold, 2 misuse. Needs Python 3.10 and the package `cryptography` (for Ed25519).
"""

import base64
import hashlib
import json
import pathlib
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def sha256(data):
    return hashlib.sha256(data).digest()


def must(holds, what):
    if not holds:
        raise ValueError(what)


def b64(text, last_two=b"+/"):
    data = base64.b64decode(text, last_two, validate=True)
    must(base64.b64encode(data, last_two).decode() == text, "base64 with spare bits")
    return data


def b64url(text):
    return b64(text + "=" * (-len(text) % 4), b"-_")


def root_from(leaf, index, size, path):
    """The root that an inclusion proof gives: RFC 9162, section 2.1.3.2."""
    must(index < size, "the index lies beyond the tree")
    at, last, node = index, size - 1, leaf
    for sibling in path:
        must(last > 0, "the proof is too long")
        if at & 1 or at == last:
            node = sha256(b"\x01" + sibling + node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = sha256(b"\x01" + node + sibling)
        at, last = at >> 1, last >> 1
    must(last == 0, "the proof is too short")
    return node


def check_proof(text, leaf, vkey):
    """Checks that the leaf is in the log of that key (C2SP tlog-proof, signed-note); answers index and tree size."""
    origin, key_id, key = vkey.split("+", 2)
    key = b64(key)
    must(key[0] == 1 and sha256(origin.encode() + b"\n" + key)[:4].hex() == key_id, "this is no verifier key")
    head, note, signatures = text.split("\n\n", 2)
    first, *lines = [line for line in head.split("\n") if not line.startswith("extra ")]
    must(first == "c2sp.org/tlog-proof@v1" and lines[0].startswith("index "), "this is no .tlog-proof")
    index, path = int(lines[0].removeprefix("index ")), [b64(line) for line in lines[1:]]
    found = [line.rsplit(" ", 1) for line in signatures.splitlines()]
    ours = [b64(blob) for name, blob in found if name == f"\u2014 {origin}" and b64(blob)[:4].hex() == key_id]
    must(ours, "the checkpoint is not signed by that key")
    Ed25519PublicKey.from_public_bytes(key[1:]).verify(ours[0][4:], f"{note}\n".encode())
    name, size, root, *_ = note.split("\n")
    must(name == origin and root_from(leaf, index, int(size), path) == b64(root), "the entry is not in that tree")
    return index, int(size)


def read_event(text):
    """Takes a compact JWS of an event's one form apart: the key's thumbprint and the claims."""
    header, payload, _ = text.split(".")
    kid = json.loads(b64url(header))["kid"]
    form = f'{{"alg":"Ed25519","kid":"{kid}","typ":"daybook-event+jwt"}}'  # exactly these bytes
    claims = json.loads(b64url(payload))
    spelt = json.dumps(claims, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    must((b64url(header), b64url(payload)) == (form.encode(), spelt.encode()), "this is no event's one form")
    return kid, claims


def registered(claims):
    """The keys for events that an entry registers: thumbprint, key, actor."""
    data, sub, kind = claims["data"], claims["sub"], claims["type"]
    actors = {"operator": "operator", "clerk": "hub/clerk"}  # in `log-opened`
    of_role = "operator" if data.get("role") == "operator" else f"hub/{data.get('role')}"
    actors |= {"keys": f"{data['role']}/{data['id']}" if "id" in data else of_role} if kind == "role-granted" else {}
    actors |= {"keys": claims["iss"]} if kind == "tre-joined" else {}
    actors |= {"keys": f"{sub}/{data.get('role')}"} if kind == "key-added" else {}
    actors |= {"keys": f"{sub}/member/{data.get('member')}"} if kind == "member-added" else {}
    for name in actors.keys() & data.keys():
        for x in [key["x"] for key in data[name] if key["use"] == "event"]:
            thumbprint = sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'.encode())  # RFC 7638
            yield thumbprint, b64url(x), actors[name]


def main(vkey, *files):
    entries = []
    for proof, entry in zip(files[::2], files[1::2]):
        text = pathlib.Path(entry).read_text("utf-8").removesuffix("\n")
        found = check_proof(pathlib.Path(proof).read_text("utf-8"), sha256(b"\x00" + text.encode()), vkey)
        entries.append((*found, text, *read_event(text)))
    (index, size, text, kid, claims), (since, *_, registration) = entries[0], entries[-1]
    must(claims["aud"] == vkey.split("+")[0] and since <= index, "the event is for another log, or older than its key")
    key = [key for name, key, actor in registered(registration) if (name, actor) == (b64url(kid), claims["iss"])]
    must(key, f"entry {since} registers no key {kid} of {claims['iss']}; the hub's /v1/keys says which entry does")
    Ed25519PublicKey.from_public_bytes(key[0]).verify(b64url(text.split(".")[2]), text.rpartition(".")[0].encode())
    print(f"holds: entry {index} of {size}, {claims['type']} by {claims['iss']}, whose key entry {since} registered")


if __name__ == "__main__":
    if len(sys.argv) not in (4, 6):
        sys.exit(print(__doc__, file=sys.stderr) or 2)
    try:
        main(*sys.argv[1:])
    except (InvalidSignature, ValueError, KeyError, TypeError, AttributeError, IndexError, OSError) as problem:
        sys.exit(print("does not hold:", str(problem) or "a signature is not by that key over these bytes") or 1)
