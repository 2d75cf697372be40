"""Judges an event from its bytes, written from the specification alone; shares no code with the Rust crates."""

import base64
import functools
import hashlib
import json
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MOST = 2**53 - 1
P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
SLUG = r"(?=[a-z0-9-]{2,32}(?:/|\Z))[a-z][a-z0-9]*(?:-[a-z0-9]+)*"
ACTOR = (
    rf"operator|hub/(?:clerk|editor)|(?:registrar|auditor)/{SLUG}|tre/{SLUG}/(?:root|relay|runner|review)"
    rf"|project/{UUID}/member/{UUID}"
)
STREAM = (
    rf"federation|log|tre/{SLUG}|approval/{SLUG}/(?:project|workflow|member)/{UUID}"
    rf"|(?:dataset|workflow|project|submission|job|register|erasure)/{UUID}"
)
CLAIMS = {"aud", "data", "iat", "iss", "jti", "prev", "seen", "seq", "sub", "type", "v"}
RESERVED = {"_sd", "_sd_alg", "..."}


class Refused(Exception):
    pass


def must(holds, reason):
    if not holds:
        raise Refused(reason)


def enbase64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unbase64(text):
    """One spelling only: what it decodes to must encode to it again."""
    must(re.fullmatch(r"[A-Za-z0-9_-]*", text) and len(text) % 4 != 1, "Base64")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    must(enbase64(data) == text, "Base64")
    return data


def is_digest(value):
    try:
        return isinstance(value, str) and len(unbase64(value)) == 32
    except Refused:
        return False


def is_int(value, least, most=MOST):
    return type(value) is int and least <= value <= most


# --- canonical JSON (RFC 8785 within the limits) -------------------------------------------------------------------------


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def integer(text):
    must(text != "-0" and abs(int(text)) <= MOST, "Number")
    return int(text)


def refuse(reason):
    def why(_):
        raise Refused(reason)

    return why


def limits(value, depth=1):
    if isinstance(value, str):
        must("\0" not in value, "Nul")
        must(not any(0xFDD0 <= ord(c) <= 0xFDEF or ord(c) & 0xFFFE == 0xFFFE for c in value), "Noncharacter")
    elif isinstance(value, (list, dict)):
        must(depth <= 8, "Depth")
        for name in value if isinstance(value, dict) else ():
            must(re.fullmatch(r"[ -~]{1,64}", name), "Name")
        for item in value.values() if isinstance(value, dict) else value:
            limits(item, depth + 1)


def read_json(data):
    try:
        text = data.decode()
        value = json.loads(
            text, parse_float=refuse("Number"), parse_int=integer, parse_constant=refuse("Syntax")
        )
        canonical(value).encode()  # fails for a lone surrogate
    except (ValueError, RecursionError):
        raise Refused("Syntax") from None
    limits(value)
    must(canonical(value) == text, "Spelling")
    return value


def is_reserved_within(value):
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return isinstance(value, dict) and bool(RESERVED & set(value)) or any(map(is_reserved_within, inner))


# --- keys and signatures -------------------------------------------------------------------------------------------------


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2 % P
    x, y = (x1 * y2 + x2 * y1) * pow(1 + k, -1, P), (y1 * y2 + x1 * x2) * pow(1 - k, -1, P)
    return x % P, y % P


def times(n, point):
    result = (0, 1)
    while n:
        if n & 1:
            result = add(result, point)
        point, n = add(point, point), n >> 1
    return result


@functools.cache
def check_key(x):
    try:
        data = unbase64(x)
    except Refused:
        raise Refused("Length") from None
    must(len(data) == 32, "Length")
    number = int.from_bytes(data, "little")
    y, sign = number & (1 << 255) - 1, number >> 255
    must(y < P, "Encoding")
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    root = pow(square, (P + 3) // 8, P)
    root = root if root * root % P == square else root * pow(2, (P - 1) // 4, P) % P
    must(root * root % P == square and not (root == 0 and sign), "Encoding")
    point = (root if root & 1 == sign else P - root, y)
    must(point != (0, 1) and times(ORDER, point) == (0, 1), "Order")
    return data


def verify(x, message, signature):
    """RFC 8032 without the cofactor. A library that compares bytes accepts the identity as R, so look first."""
    key = check_key(x)
    must(int.from_bytes(signature[32:], "little") < ORDER, "signature")
    must(signature[:32] != b"\1" + bytes(31), "signature")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        raise Refused("signature") from None


def thumbprint(x):
    return enbase64(hashlib.sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'.encode()).digest())


# --- events, openings, tokens --------------------------------------------------------------------------------------------


def read_jws(text, typ):
    must(text.count(".") == 2, "Parts")
    header, payload, signature = text.split(".")
    form = rf'\{{"alg":"Ed25519","kid":"([A-Za-z0-9_-]{{43}})","typ":"{re.escape(typ)}"\}}'.encode()
    found = re.fullmatch(form, unbase64(header))
    must(found and is_digest(found[1].decode()), "Header")
    payload, raw = unbase64(payload), unbase64(signature)
    must(len(raw) == 64, "SignatureLength")
    claims = read_json(payload)
    must(isinstance(claims, dict), "NotObject")
    return found[1].decode(), claims, lambda x: verify_jws(x, found[1].decode(), text, raw)


def verify_jws(x, kid, text, signature):
    check_key(x)
    must(thumbprint(x) == kid, "signature")
    verify(x, text.rsplit(".", 1)[0].encode(), signature)


def text_of(claims, name, pattern, reason):
    must(name in claims, f"Missing {name}")
    must(isinstance(claims[name], str), f"Claim {name}")
    must(re.fullmatch(pattern, claims[name]), f"{reason} {name}")


def check_claims(claims):
    must(set(claims) <= CLAIMS, "Unknown")
    must("data" in claims, "Missing data")
    data = claims["data"]
    must(isinstance(data, dict), "Claim data")
    if "_sd" in data:
        digests = data["_sd"]
        must(isinstance(digests, list) and digests and all(map(is_digest, digests)), "Digests")
        must(digests == sorted(set(digests)), "Digests")
    must(not is_reserved_within({name: value for name, value in data.items() if name != "_sd"}), "Reserved")
    text_of(claims, "aud", r"[a-z0-9./-]{1,128}", "Claim")
    for name, least, most in [("iat", 0, MOST), ("seq", 1, MOST), ("v", 1, 999)]:
        must(name in claims, f"Missing {name}")
        must(is_int(claims[name], least, most), f"Claim {name}")
    text_of(claims, "iss", ACTOR, "Id")
    text_of(claims, "jti", UUID, "Id")
    must("prev" not in claims or is_digest(claims["prev"]), "Claim prev")
    seen = claims.get("seen", {"root": claims.get("prev", "A" * 43), "size": 1})
    must(isinstance(seen, dict) and set(seen) == {"root", "size"}, "Claim seen")
    must(is_digest(seen["root"]) and is_int(seen["size"], 1), "Claim seen")
    text_of(claims, "sub", STREAM, "Id")
    text_of(claims, "type", r"(?=.{3,40}\Z)[a-z]+(?:-[a-z]+)*", "Claim")
    must(("prev" in claims) == (claims["seq"] > 1), "Prev")


def check_event(text, x):
    """Answers with the claims, the leaf hash and the key's thumbprint."""
    must(len(text.encode()) <= 48 * 1024, "TooLong")
    kid, claims, verify_by = read_jws(text, "daybook-event+jwt")
    check_claims(claims)
    must(claims["type"] == "policy-adopted" or len(text) <= 16 * 1024, "TooLong")
    verify_by(x)
    return claims, enbase64(hashlib.sha256(b"\0" + text.encode()).digest()), kid


def check_opening(text):
    """Answers with the name, the value and the digest."""
    must(len(text) <= 16 * 1024, "TooLong")
    parts = read_json(unbase64(text))
    must(isinstance(parts, list) and len(parts) == 3, "Shape")
    salt, name, value = parts
    must(isinstance(salt, str) and isinstance(name, str), "Shape")
    must(re.fullmatch(r"[A-Za-z0-9_-]{21}[AQgw]", salt), "Salt")
    must(re.fullmatch(r"[ -~]{1,64}", name) and not is_reserved_within({name: value}), "Name")
    return name, value, enbase64(hashlib.sha256(text.encode()).digest())


def possession_bytes(aud, actor, use, x):
    kid = thumbprint(x)
    header = f'{{"alg":"Ed25519","kid":"{kid}","typ":"daybook-key-pop+jwt"}}'
    payload = canonical({"aud": aud, "kid": kid, "sub": actor, "use": use})
    return f"{enbase64(header.encode())}.{enbase64(payload.encode())}".encode()


def check_token(token, x, origin, method, path, now):
    """Answers with who asks."""
    must(len(token) <= 4096, "TooLong")
    _, claims, verify_by = read_jws(token, "daybook-access+jwt")
    must(set(claims) <= {"aud", "exp", "htm", "htu", "iat", "iss"}, "Unknown")
    for name, kind in [("aud", str), ("iat", int), ("exp", int), ("iss", str), ("htm", str), ("htu", str)]:
        must(type(claims.get(name)) is kind, f"Claim {name}")
    must(re.fullmatch(ACTOR, claims["iss"]), "Actor")
    verify_by(x)
    must(claims["aud"] == origin, "OtherLog")
    must((claims["htm"], claims["htu"]) == (method, path), "OtherRequest")
    must(0 < claims["exp"] - claims["iat"] <= 300 and claims["iat"] - 60 <= now < claims["exp"], "Time")
    return claims["iss"]
