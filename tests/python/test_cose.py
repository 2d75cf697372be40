"""Verifies a hub's COSE receipts (RFC 9942) with libraries that are not ours: cwt and cbor2, from PyPI.

    python test_cose.py HUB X

HUB is an address, X the public half of the key that signs receipts, as `daybook keys cose` prints it. Looked at is the receipt of
each entry (fewer than 256). Ends with 0 if all of them hold and no forgery does.
"""

import base64
import hashlib
import sys
import urllib.request

import cbor2
from cwt import COSE, COSEKey, VerifyError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HUB, X = sys.argv[1:]
ALG, KID, VDS, VDP, INCLUSION, ED25519, RFC9162_SHA256 = 1, 4, 395, 396, -1, -19, 1


def get(path):
    with urllib.request.urlopen(HUB + path, timeout=30) as answer:
        return answer.read(), answer.headers["Content-Type"]


def must(holds, what):
    if not holds:
        sys.exit(f"does not hold: {what}")


def root_of(entry, size, index, path):
    """RFC 9162, section 2.1.3.2, but for the comparison: the root to which the path leads, or None."""
    at, last, found = index, size - 1, hashlib.sha256(b"\0" + entry).digest()
    if index >= size:
        return None
    for beside in path:
        if last == 0:
            return None
        if at % 2 or at == last:
            found = hashlib.sha256(b"\1" + beside + found).digest()
            while at and not at % 2:
                at, last = at >> 1, last >> 1
        else:
            found = hashlib.sha256(b"\1" + found + beside).digest()
        at, last = at >> 1, last >> 1
    return found if last == 0 else None


def cose_key(x):
    kid = hashlib.sha256(cbor2.dumps({1: 1, -1: 6, -2: x})).digest()  # RFC 9679
    return COSEKey.new({1: 1, 2: kid, 3: ED25519, -1: 6, -2: x})


def verify(receipt, entry, key):
    """The tree size and the root, if the receipt is one of the entry under the key; None if it is not."""
    message = cbor2.loads(receipt)
    must(message.tag == 18 and message.value[2] is None, "a receipt is a tagged COSE_Sign1 without its payload")
    protected, unprotected = cbor2.loads(message.value[0]), message.value[1]
    must(protected == {ALG: ED25519, KID: key.kid, VDS: RFC9162_SHA256}, f"the protected header: {protected}")
    (proof,) = unprotected[VDP][INCLUSION]
    size, index, path = cbor2.loads(proof)
    root = root_of(entry, size, index, path)
    if root is None:
        return None
    try:
        COSE.new().decode(receipt, key, detached_payload=root)
    except VerifyError:
        return None
    return size, index, root


def forged(receipt, change):
    """The receipt with another proof."""
    protected, unprotected, payload, signature = cbor2.loads(receipt).value
    size, index, path = cbor2.loads(unprotected[VDP][INCLUSION][0])
    proofs = {VDP: {INCLUSION: [cbor2.dumps(change(size, index, path))]}}
    return cbor2.dumps(cbor2.CBORTag(18, [protected, proofs, payload, signature]))


def other(data):
    """The same bytes but for the last one."""
    return data[:-1] + bytes([data[-1] ^ 1])


x = base64.urlsafe_b64decode(X + "=")
key = cose_key(x)
keys, kind = get("/v1/cose-keys")
must(kind == "application/cose-key-set", kind)
must(cbor2.loads(keys) == [{1: 1, 2: key.kid, 3: ED25519, -1: 6, -2: x}], f"the key set: {keys.hex()}")
stranger = cose_key(Ed25519PrivateKey.generate().public_key().public_bytes_raw())

note = get("/log/checkpoint")[0].decode().splitlines()
entries, bundle = [], get(f"/log/tile/entries/000.p/{note[1]}")[0]
while bundle:
    length = int.from_bytes(bundle[:2], "big")
    entries.append(bundle[2 : 2 + length])
    bundle = bundle[2 + length :]

for index, entry in enumerate(entries):
    receipt, kind = get(f"/v1/events/{index}/cose-receipt")
    must(kind == 'application/cose; cose-type="cose-sign1"', kind)
    found = verify(receipt, entry, key)
    must(found and found[1] == index, f"the receipt of entry {index}: {found}")
    size, _, root = found
    checkpoint = get(f"/v1/checkpoints/{size}")[0].decode().splitlines()
    must(base64.b64decode(checkpoint[2]) == root, f"the receipt of entry {index} is of a published root")

    refused = {
        "of another entry": (receipt, other(entry), key),
        "at another index": (forged(receipt, lambda size, index, path: [size, index ^ 1, path]), entry, key),
        "at no index": (forged(receipt, lambda size, index, path: [size, size, path]), entry, key),
        "by another way": (forged(receipt, lambda size, index, path: [size, index, [other(path[0]), *path[1:]]]), entry, key),
        "to another root": (forged(receipt, lambda size, index, path: [size, index, path[:-1]]), entry, key),
        "with another signature": (other(receipt), entry, key),
    }
    for what, (forgery, data, by) in refused.items():
        must(verify(forgery, data, by) is None, f"a receipt {what} is none")
    try:
        COSE.new().decode(receipt, stranger, detached_payload=root)
        sys.exit("does not hold: a receipt is under no other key")
    except (VerifyError, ValueError):
        pass

print(f"holds: receipts of {len(entries)} entries, by the key {key.kid.hex()}")
