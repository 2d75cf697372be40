"""Events between implementations: two JOSE libraries, one of SD-JWT, and a checker from scratch.

Run with the environment of `make setup`: python -m unittest discover -s tests/python. With DAYBOOK_MADE=FILE, the events that the JOSE
libraries make are written there, for the Rust side to judge.
"""

import json
import os
import pathlib
import sys
import unittest
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import joserfc.jwk
import joserfc.jws
import jwcrypto.jwk
import jwcrypto.jws
from sd_jwt.verifier import SDJWTVerifier

import checker

VECTORS = pathlib.Path(__file__).parents[1] / "vectors" / "events"


def vectors(kind):
    """(file, vector) of every file, long texts joined from their parts."""
    found = []
    for path in sorted((VECTORS / kind).glob("*.json")):
        for vector in json.loads(path.read_text("utf-8"))["vectors"]:
            for name in ("event", "opening"):
                if f"{name}_parts" in vector:
                    vector[name] = "".join(part * count for part, count in vector[f"{name}_parts"])
            found.append((path.stem, vector))
    assert found, kind
    return found


def header(vector):
    return {"alg": "Ed25519", "kid": vector["kid"], "typ": "daybook-event+jwt"}


def payload(vector):
    """The bytes that are signed, in the words of the README's recipe."""
    claims = checker.check_event(vector["event"], vector["key"]["x"])[0]
    return json.dumps(claims, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def public(key):
    return {name: value for name, value in key.items() if name != "d"}


class Jwcrypto:
    """Knows "Ed25519" since 1.6 and allows it by default. A header in a string is signed as it stands."""

    name = "jwcrypto"

    @staticmethod
    def make(vector):
        jws = jwcrypto.jws.JWS(payload(vector).encode())
        jws.add_signature(jwcrypto.jwk.JWK(**vector["key"]), None, json.dumps(header(vector), separators=(",", ":")))
        return jws.serialize(compact=True)

    @staticmethod
    def verify(event, key):
        jws = jwcrypto.jws.JWS()
        jws.deserialize(event, jwcrypto.jwk.JWK(**public(key)))
        return jws.payload


class Joserfc:
    """Knows "Ed25519", which must be allowed by name, since its default list holds only what RFC 7518 recommends."""

    name = "joserfc"

    @staticmethod
    def make(vector):
        key = joserfc.jwk.OKPKey.import_key(vector["key"])
        return joserfc.jws.serialize_compact(header(vector), payload(vector).encode(), key, algorithms=["Ed25519"])

    @staticmethod
    def verify(event, key):
        key = joserfc.jwk.OKPKey.import_key(public(key))
        return joserfc.jws.deserialize_compact(event, key, algorithms=["Ed25519"]).payload


class TestJose(unittest.TestCase):
    def test_other_libraries_verify_our_events(self):
        for library in (Jwcrypto, Joserfc):
            for file, vector in vectors("valid"):
                with self.subTest(library.name, file=file, vector=vector["name"]):
                    found = library.verify(vector["event"], vector["key"])
                    self.assertEqual(json.loads(found), json.loads(payload(vector)))
                    changed = vector["event"][:-9] + ("A" if vector["event"][-9] != "A" else "B") + vector["event"][-8:]
                    with self.assertRaises(Exception):
                        library.verify(changed, vector["key"])

    def test_other_libraries_make_the_same_bytes(self):
        made = []
        for library in (Jwcrypto, Joserfc):
            for file, vector in vectors("valid"):
                with self.subTest(library.name, file=file, vector=vector["name"]):
                    event = library.make(vector)
                    made.append({"library": library.name, "event": event, "x": vector["key"]["x"], "leaf": vector["leaf"]})
                    self.assertEqual(event, vector["event"])
        if "DAYBOOK_MADE" in os.environ:
            pathlib.Path(os.environ["DAYBOOK_MADE"]).write_text(json.dumps(made), "utf-8")


class TestSdJwt(unittest.TestCase):
    def read(self, vector, openings):
        key = jwcrypto.jwk.JWK(**public(vector["key"]))
        presentation = "~".join([vector["event"], *openings, ""])
        return SDJWTVerifier(presentation, lambda issuer, header: key).get_verified_payload()["data"]

    def test_openings_are_read_and_decoys_stay_hidden(self):
        for _, vector in vectors("valid"):
            if "openings" not in vector:
                continue
            clear = {name: value for name, value in vector["claims"]["data"].items() if name != "_sd"}
            with self.subTest(vector["name"]):
                self.assertEqual(self.read(vector, []), clear)
                for opening in vector["openings"]:
                    self.assertEqual(self.read(vector, [opening["opening"]]), clear | {opening["name"]: opening["value"]})
                every = {opening["name"]: opening["value"] for opening in vector["openings"]}
                # One digest in the list for each value and each decoy, and yet only the values come out.
                self.assertEqual(self.read(vector, [opening["opening"] for opening in vector["openings"]]), clear | every)
                self.assertEqual(len(vector["claims"]["data"]["_sd"]), len(every) + len(vector["decoys"]))

    def test_an_opening_of_another_event_says_nothing(self):
        sealed = [vector for _, vector in vectors("valid") if vector.get("openings")]
        other = sealed[1]["openings"][0]["opening"]
        self.assertEqual(self.read(sealed[0], [other]), self.read(sealed[0], []))


class TestChecker(unittest.TestCase):
    def reason(self, judge, *args):
        with self.assertRaises(checker.Refused) as caught:
            judge(*args)
        return str(caught.exception)

    def test_valid_events_hold(self):
        for file, vector in vectors("valid"):
            with self.subTest(file, vector=vector["name"]):
                claims, leaf, kid = checker.check_event(vector["event"], vector["key"]["x"])
                self.assertEqual((leaf, kid), (vector["leaf"], vector["kid"]))
                self.assertEqual(claims, vector.get("claims", claims))
                digests = set(claims["data"].get("_sd", []))
                for opening in vector.get("openings", []):
                    found = checker.check_opening(opening["opening"])
                    self.assertEqual(found, (opening["name"], opening["value"], opening["digest"]))
                    self.assertIn(opening["digest"], digests)

    def test_keys_of_the_first_event_are_proved(self):
        for _, vector in vectors("valid"):
            if "claims" in vector and vector["claims"]["type"] == "log-opened":
                data = vector["claims"]["data"]
                keys = [("operator", key) for key in data["operator"]] + [("hub/clerk", key) for key in data["clerk"]]
                for actor, key in keys:
                    signed = checker.possession_bytes(vector["claims"]["aud"], actor, key["use"], key["x"])
                    checker.verify(key["x"], signed, checker.unbase64(key["proof"]))
                self.assertEqual(len(keys), 3)

    def test_invalid_ones_are_refused_for_the_reason_given(self):
        def judge(vector):
            if "opening" in vector:
                checker.check_opening(vector["opening"])
            else:
                leaf = checker.check_event(vector["event"], vector["x"])[1]
                checker.must(vector.get("leaf", leaf) == leaf, "leaf")

        for file, vector in vectors("invalid"):
            with self.subTest(file, vector=vector["name"]):
                self.assertEqual(self.reason(judge, vector), vector["reason"])

    def test_proofs_of_possession(self):
        def judge(vector):
            signed = checker.possession_bytes(vector["aud"], vector["actor"], vector["use"], vector["x"])
            checker.must(signed.decode() == vector.get("signed", signed.decode()), "signed")
            checker.verify(vector["x"], signed, checker.unbase64(vector["proof"]))

        for _, vector in vectors("possession"):
            with self.subTest(vector["name"]):
                if "reason" in vector:
                    self.assertEqual(self.reason(judge, vector), vector["reason"])
                else:
                    judge(vector)

    def test_access_tokens(self):
        for _, vector in vectors("access"):
            args = [vector[name] for name in ("token", "x", "origin", "method", "path", "now")]
            with self.subTest(vector["name"]):
                if "reason" in vector:
                    self.assertEqual(self.reason(checker.check_token, *args), vector["reason"])
                else:
                    self.assertEqual(checker.check_token(*args), vector["actor"])


if __name__ == "__main__":
    warnings.simplefilter("error")
    unittest.main()
