"""Form, signatures and keys of a Daybook entry: what the second judge checks before it asks what an event means."""

import base64
import functools
import hashlib
import json
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MOST = 2**53 - 1
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
SLUG = r"(?=[a-z0-9-]{2,32}(?:/|$))[a-z][a-z0-9]*(?:-[a-z0-9]+)*"
ACTOR = rf"operator|hub/(?:clerk|editor)|(?:registrar|auditor)/{SLUG}|tre/{SLUG}/(?:root|relay|runner|review)|project/{UUID}/member/{UUID}"
STREAM = (
    rf"federation|log|tre/{SLUG}|approval/{SLUG}/(?:project|workflow|member)/{UUID}"
    rf"|(?:dataset|workflow|project|submission|job|register|erasure)/{UUID}"
)


class Refused(Exception):
    pass


def must(holds, why):
    if not holds:
        raise Refused(why)


def is_a(pattern, text):
    return isinstance(text, str) and re.fullmatch(pattern, text) is not None


def is_int(value, least, most):
    return type(value) is int and least <= value <= most


# --- bytes and form -------------------------------------------------------------------------------------------------


def unbase64(text, length=None):
    must(is_a(r"[A-Za-z0-9_-]*", text), "not base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise Refused("not base64url") from error
    must(enbase64(data) == text, "spare bits in base64url")
    must(length is None or len(data) == length, "wrong number of bytes")
    return data


def enbase64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def is_bytes(text, length):
    try:
        unbase64(text, length)
    except Refused:
        return False
    return True


def canonical(value):
    """RFC 8785, for values that `check_value` accepts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def check_value(value, depth):
    if isinstance(value, str):
        # U+0000, and the noncharacters that I-JSON forbids (RFC 7493, section 2.1).
        bad = (ord(c) == 0 or 0xFDD0 <= ord(c) <= 0xFDEF or ord(c) & 0xFFFE == 0xFFFE for c in value)
        must(not any(bad), "a character")
    elif isinstance(value, (list, dict)):
        must(depth <= 8, "too deep")
        for name in value if isinstance(value, dict) else []:
            must(is_a(r"[ -~]{1,64}", name), "a member's name")
        for item in value.values() if isinstance(value, dict) else value:
            check_value(item, depth + 1)
    else:
        must(value is None or isinstance(value, bool) or is_int(value, -MOST, MOST), "a number")


def read_json(data):
    def stop(_):
        raise ValueError("not an integer")

    try:
        value = json.loads(data.decode(), parse_float=stop, parse_constant=stop)
        check_value(value, 1)
        must(canonical(value).encode() == data, "not canonical JSON")
    except (ValueError, RecursionError) as error:
        raise Refused("not JSON") from error
    return value


def reserves(value):
    """Whether a name that SD-JWT keeps for itself stands anywhere in a value."""
    if isinstance(value, list):
        return any(reserves(item) for item in value)
    if not isinstance(value, dict):
        return False
    return any(name in ("_sd", "_sd_alg", "...") or reserves(item) for name, item in value.items())


HEADER = ('{"alg":"Ed25519","kid":"', '","typ":"daybook-event+jwt"}')
CLAIMS = {"aud", "data", "iat", "iss", "jti", "seq", "sub", "type", "v"}


@functools.lru_cache(maxsize=None)
def parse(text):
    """The claims of an entry, with `kid`, `leaf`, `signed` and `signature` beside them."""
    parts = text.split(".")
    must(len(parts) == 3, "not a compact JWS")
    header, payload, signature = (unbase64(part) for part in parts)
    start, end = (part.encode() for part in HEADER)
    must(header.startswith(start) and header.endswith(end), "header")
    kid = header[len(start) : -len(end)].decode("ascii", "replace")
    must(is_bytes(kid, 32) and len(signature) == 64, "kid or signature")
    event = read_json(payload)
    must(isinstance(event, dict) and CLAIMS <= set(event) <= CLAIMS | {"prev", "seen"}, "claims")
    must(isinstance(event["data"], dict), "data")
    must(is_a(r"[a-z0-9./-]{1,128}", event["aud"]) and is_int(event["iat"], 0, MOST), "aud or iat")
    must(is_a(ACTOR, event["iss"]) and is_a(STREAM, event["sub"]) and is_a(UUID, event["jti"]), "iss, sub or jti")
    must(is_int(event["seq"], 1, MOST) and is_int(event["v"], 1, 999), "seq or v")
    must(is_a(r"(?=.{3,40}$)[a-z]+(?:-[a-z]+)*", event["type"]), "type")
    must(("prev" in event) == (event["seq"] > 1) and is_bytes(event.get("prev", "A" * 43), 32), "prev")
    seen = event.get("seen", {"root": "A" * 43, "size": 1})
    must(isinstance(seen, dict) and set(seen) == {"root", "size"}, "seen")
    must(is_bytes(seen["root"], 32) and is_int(seen["size"], 1, MOST), "seen")
    if "_sd" in event["data"]:
        digests = event["data"]["_sd"]
        must(isinstance(digests, list) and digests and all(is_bytes(digest, 32) for digest in digests), "_sd")
        must(digests == sorted(set(digests)), "_sd is not sorted")
    must(not any(name in event["data"] for name in ("_sd_alg", "...")), "a reserved name")
    must(not any(reserves(value) for name, value in event["data"].items() if name != "_sd"), "a nested _sd")
    must(len(text) <= (48 if event["type"] == "policy-adopted" else 16) * 1024, "too long")
    event |= {"kid": kid, "leaf": enbase64(hashlib.sha256(b"\0" + text.encode()).digest())}
    return event | {"signed": text.rpartition(".")[0].encode(), "signature": signature}


# --- actors ---------------------------------------------------------------------------------------------------------


def organisation(actor):
    parts = actor.split("/")
    return "/".join(parts[:2]) if parts[0] in ("tre", "project") else parts[0]


def role(actor):
    parts = actor.split("/")
    return {"registrar": "registrar", "auditor": "auditor", "project": "member"}.get(parts[0], parts[-1])


def home(actor):
    """The stream that keeps an actor's keys."""
    who = organisation(actor)
    return who if "/" in who else "federation"


# --- keys -----------------------------------------------------------------------------------------------------------

P, Q = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a, b):
    """Addition on edwards25519 in extended coordinates (RFC 8032, 5.1.4)."""
    (x1, y1, z1, t1), (x2, y2, z2, t2) = a, b
    h, g = (y1 + x1) * (y2 + x2) % P, (y1 - x1) * (y2 - x2) % P
    c, d = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = h - g, d - c, d + c, h + g
    return e * f % P, g * h % P, f * g % P, e * h % P


@functools.lru_cache(maxsize=None)
def check_point(key):
    """Canonical, on the curve, of prime order."""
    y = int.from_bytes(key, "little")
    sign, y = y >> 255, y % 2**255
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    x = x if x * x % P == x2 else x * pow(2, (P - 1) // 4, P) % P
    must(y < P and x * x % P == x2 and x != 0, "not a point, or of small order")
    point = (P - x if x % 2 != sign else x, y, 1, 0)
    point = point[:3] + (point[0] * y % P,)
    total = (0, 1, 1, 0)
    for bit in bin(Q)[2:]:
        total = add(total, total)
        total = add(total, point) if bit == "1" else total
    must(total[0] == 0 and total[1] == total[2], "a key of mixed order")


@functools.lru_cache(maxsize=None)
def verify(x, message, signature):
    must(signature[:32] != bytes([1]) + bytes(31), "a signature with a small R")
    try:
        Ed25519PublicKey.from_public_bytes(unbase64(x, 32)).verify(signature, message)
    except InvalidSignature as error:
        raise Refused("signature") from error


def thumbprint(x):
    return enbase64(hashlib.sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'.encode()).digest())


TRE_ROLES = ("relay", "runner", "review")


def admits(stream, author):
    kind, *rest = stream.split("/")
    if kind in ("tre", "approval"):
        return author == f"tre/{rest[0]}"
    fixed = {"federation": "operator", "erasure": "operator", "log": "hub", "register": "hub"}
    fixed |= {"workflow": "registrar", "project": "registrar", "dataset": "tre/", "job": "tre/", "submission": "project/"}
    return author.startswith(fixed[kind]) and (fixed[kind].endswith("/") or author == fixed[kind])


def granted(event):
    who, name = event["data"].get("role"), event["data"].get("id")
    must(who in ("operator", "clerk", "editor", "registrar", "auditor"), "role")
    must(who not in ("registrar", "auditor") or is_a(SLUG, name), "id")
    return {"operator": who, "clerk": "hub/clerk", "editor": "hub/editor"}.get(who, f"{who}/{name}")


def member(event):
    must(is_a(UUID, event["data"].get("member")) and event["sub"].startswith("project/"), "member")
    return f"{event['sub']}/member/{event['data']['member']}"


def registrations(event):
    kind, data, lists = event["type"], event["data"], []
    if kind == "log-opened":
        lists = [("operator", "operator"), ("clerk", "hub/clerk")]
    elif kind == "key-added":
        must(event["sub"].startswith("tre/") and data.get("role") in (*TRE_ROLES, "root"), "role")
        lists = [("keys", f"{event['sub']}/{data['role']}")]
    elif kind in ("tre-joined", "role-granted", "member-added"):
        who = {"tre-joined": lambda _: event["iss"], "role-granted": granted, "member-added": member}[kind]
        lists = [("keys", who(event))]
    found = []
    for name, actor in lists:
        keys = data.get(name)
        must(isinstance(keys, list) and 1 <= len(keys) <= 4, name)
        for key in keys:
            must(isinstance(key, dict) and key.get("use") in ("event", "access"), name)
            check_point(unbase64(key.get("x"), 32))
            kid = thumbprint(key["x"])
            header = f'{{"alg":"Ed25519","kid":"{kid}","typ":"daybook-key-pop+jwt"}}'
            payload = canonical({"aud": event["aud"], "kid": kid, "sub": actor, "use": key["use"]})
            message = f"{enbase64(header.encode())}.{enbase64(payload.encode())}".encode()
            verify(key["x"], message, unbase64(key.get("proof"), 64))
            found.append((kid, {"actor": actor, "use": key["use"], "x": key["x"]}))
    return found


def ended(event, keys):
    """The names of the keys that an event ends, of those in the state of its stream."""
    kind, kid = event["type"], event["data"].get("kid")
    if kind not in ("key-revoked", "role-ended", "member-removed"):
        return None
    actor = {"role-ended": granted, "member-removed": member}.get(kind, lambda _: None)(event)
    one = kind == "key-revoked" or "kid" in event["data"]
    must(not one or is_bytes(kid, 32), "kid")
    gone = {name for name, key in keys.items() if (not one or name == kid) and actor in (None, key["actor"])}
    must(gone or not one, "no such key")
    keeper = "operator" if event["sub"] == "federation" else f"{event['sub']}/root"
    left = (key for name, key in keys.items() if name not in gone and key["use"] == "event")
    must(not is_a(r"federation|tre/.*", event["sub"]) or any(key["actor"] == keeper for key in left), "the last key")
    return gone
