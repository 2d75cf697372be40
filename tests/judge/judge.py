#!/usr/bin/env python3
"""A second judge of a Daybook log, in another language, sharing no code with the first.

    judge.py ORIGIN ENTRIES...

Each file ENTRIES holds one event (a compact JWS) a line, in the order of a log. A line that begins with `? ` is judged and not appended. The
two events that found a log are judged under policy/rules/v1.json, the others under the table that the log itself adopted.

For each file prints a line of canonical JSON: the states of all streams, or the index of the first entry that may not follow, and why. Before it stands
a line for each `? `. Exits with 0 if all logs hold, else with 1.

Needs Python 3.10 and `cryptography`, which verifies signatures.
"""

import copy
import hashlib
import json
import pathlib
import sys

from form import MOST, SLUG, STREAM, TRE_ROLES, UUID, Refused, admits, canonical, check_point, enbase64, ended, home
from form import is_a, is_bytes, is_int, must, organisation, parse, registrations, role, unbase64, verify

DAY = 86400

# --- the constitution -----------------------------------------------------------------------------------------------

class Log:
    def __init__(self, origin, table):
        self.origin, self.first, self.table = origin, table, table
        self.states, self.heads, self.kids, self.seen = {}, {}, set(), {}

    def constitution(self, event):
        """Checks an event; answers with the keys that it registers."""
        sub, iss, kind = event["sub"], event["iss"], event["type"]
        must(event["aud"] == self.origin, "for another log")
        must(("federation" in self.heads) != (kind == "log-opened"), "log-opened comes first, and once")
        must(kind != "log-opened" or sub == "federation", "log-opened stands in the federation")
        author = organisation(iss)
        must(admits(sub, author) and self.states.get(sub, {}).get("author", author) == author, "not its stream")
        seq, leaf = self.heads.get(sub, (0, None))
        must(event["seq"] == seq + 1 and event.get("prev") == leaf, "not the next of its stream")
        new = registrations(event)
        must(all(home(key["actor"]) == sub for _, key in new), "keys are registered at home")
        if sub.startswith("tre/"):
            must((event["seq"] == 1) == (kind == "tre-joined"), "a TRE begins by joining")
            must(role(iss) == "root" or kind not in ("tre-joined", "key-added", "key-revoked"), "only the root may")
            invited = self.states["federation"].get("tres", {}).get(sub[4:], {}).get("root")
            must(event["seq"] > 1 or invited == event["kid"], "not invited")
        known = self.states.get(home(iss), {}).get("keys", {}) | (dict(new) if kind in ("log-opened", "tre-joined") else {})
        key = known.get(event["kid"], {})
        must(key.get("actor") == iss and key.get("use") == "event", "not a key of the author")
        verify(key["x"], event["signed"], event["signature"])
        must("seen" in event or role(iss) not in ("clerk", "editor", *TRE_ROLES), "a service states what it has seen")
        must(event.get("seen", {"size": MOST})["size"] >= self.seen.get(iss, 0), "has seen more before")
        ended(event, self.states.get(sub, {}).get("keys", {}))
        must(len(dict(new)) == len(new) and not self.kids & set(dict(new)), "a key that was registered before")
        return new

    def keep_constitution(self, event, new, state):
        kind, data = event["type"], event["data"]
        state.setdefault("author", organisation(event["iss"]))
        if kind == "tre-invited":
            state.setdefault("tres", {}).setdefault(data["tre"], {"root": data["root"]})
        gone = ended(event, state.get("keys", {}))
        if new or gone is not None:
            keys = state.setdefault("keys", {})
            keys.update(new)
            for kid in gone or ():
                del keys[kid]
        if gone is not None and "suspect_from" in data:
            state.setdefault("doubts", {}).update((kid, data["suspect_from"]) for kid in gone)

    # --- the rule table ---------------------------------------------------------------------------------------------

    def judge(self, event):
        """Checks an event; answers with the keys that it registers and the states that it changes."""
        new, kind, sub, data = self.constitution(event), event["type"], event["sub"], event["data"]
        policy = self.states.get("federation", {}).get("policy")
        must(policy or kind in ("log-opened", "policy-adopted"), "no table is in force")
        table = self.table if policy else self.first
        rule = table["events"].get(kind)
        is_closed = self.states.get("federation", {}).get("state") == "closed"
        must(not is_closed or rule and rule["stream"] in ("erasure", "log"), "the log is closed")
        must(rule and sub.split("/")[0] == rule["stream"] and event["v"] == rule["v"], "type, stream or version")
        must(role(event["iss"]) in rule["by"], "not its role")
        state = self.states.get(sub, {})
        event["was"] = was = state.get("state", "-")
        must(was in rule["from"], f"does not follow in the state {was}")
        clear, fields = rule.get("clear", {}), set(data) - {"_sd"}
        must(fields <= set(clear), "an unknown field")
        must(all(words.startswith("?") or name in fields for name, words in clear.items()), "a missing field")
        for name in fields:
            must(fits(clear[name].lstrip("?"), data[name], table), f"the field {name}")
        must(len(data.get("_sd", [])) == rule.get("digests", 0), "the number of digests")
        scene = Scene(self, table, rule, event, state)
        for condition, *args in (words.split(" ") for words in rule.get("when", [])):
            must(CONDITIONS[condition](scene, *args), " ".join([condition, *args]))
        state = copy.deepcopy(state)
        self.keep_constitution(event, new, state)
        others = {}
        for words in rule.get("sets", []):
            scene.change(state, others, *words.split(" "))
        to = rule["to"][was] if isinstance(rule["to"], dict) else rule["to"]
        state["state"] = {"@was": was, "@resume": scene.state.get("resume")}.get(to, to)
        return new, others | {sub: state}

    def append(self, event):
        new, changed = self.judge(event)
        sub = event["sub"]
        self.states.update(changed)
        self.heads[sub] = (event["seq"], event["leaf"])
        self.kids |= set(dict(new))
        self.seen[event["iss"]] = event.get("seen", {}).get("size", self.seen.get(event["iss"], 0))
        if event["type"] == "policy-adopted":
            self.table = event["data"]["table"]


def listing(value, least, most, good):
    return isinstance(value, list) and least <= len(value) <= most and all(map(good, value))


def exactly(**members):
    """A test for objects of exactly these members."""
    return lambda item: isinstance(item, dict) and set(item) == set(members) and all(members[name](item[name]) for name in members)


def is_key(text):
    try:
        return check_point(unbase64(text, 32)) is None
    except Refused:
        return False


def is_jobs(jobs, tres, item):
    named = isinstance(jobs, dict) and all(is_a(SLUG, tre) for tre in jobs) and listing(list(jobs.values()), 1, tres, item)
    return named and len({job["job"] for job in jobs.values()}) == len(jobs)


def is_table(value):
    """Whether this judge understands it; the first judge looks closer."""
    members = {"classes", "codes", "events", "limits", "rules", "streams"}
    return isinstance(value, dict) and set(value) == members and value["rules"] == 1 and len(canonical(value)) <= 34000


def fits(words, value, table):
    """Whether a value is of a kind of clear field."""
    kind, *rest = words.split(" ")
    is_digest, is_signature, is_uuid = (lambda v: is_bytes(v, 32)), (lambda v: is_bytes(v, 64)), lambda v: is_a(UUID, v)
    is_time, is_use = (lambda v: is_int(v, 0, 253402300799)), lambda v: v in ("event", "access")
    several = lambda inner: lambda v: fits(f"list 1 {rest[1]} {inner}", v, table)
    key = exactly(proof=is_signature, use=is_use, x=is_digest)
    cosignature = exactly(id=lambda v: is_a(r"[0-9a-f]{8}", v), key=is_digest, signature=is_signature, time=is_time)
    digests = ("leaf", "commitment", "digest", "root", "tag", "thumbprint")
    return {
        **dict.fromkeys(digests, lambda: is_digest(value)),
        "bool": lambda: isinstance(value, bool),
        "code": lambda: isinstance(value, str) and value in table["codes"][rest[0]],
        "cosignatures": lambda: listing(value, 0, int(rest[0]), cosignature)
        and len({one["key"] for one in value}) == len(value),
        "erasures": lambda: listing(value, 1, int(rest[0]), exactly(digests=several("digest"), event=is_digest)),
        "int": lambda: is_int(value, int(rest[0]), int(rest[1])),
        "jobs": lambda: is_jobs(value, int(rest[0]), exactly(datasets=several("uuid"), job=is_uuid)),
        "key": lambda: is_key(value),
        "keys": lambda: listing(value, 1, 4, key),
        "list": lambda: listing(value, int(rest[0]), int(rest[1]), lambda v: fits(" ".join(rest[2:]), v, table))
        and len(set(value)) == len(value),
        "signature": lambda: is_signature(value),
        "slug": lambda: is_a(SLUG, value),
        "table": lambda: is_table(value),
        "time": lambda: is_time(value),
        "uuid": lambda: is_uuid(value),
        "yes": lambda: value is True,
    }[kind]()


class Scene:
    """An event together with what it is judged by."""

    def __init__(self, log, table, rule, event, state):
        self.log, self.table, self.rule, self.event, self.state = log, table, rule, event, state
        self.data, self.limits = event["data"], table["limits"]
        mark = self.other("log").get("time", 0) if "log" in rule.get("reads", {}) else 0
        self.now = max(event["iat"], mark)

    def value(self, source):
        iss, sub = self.event["iss"].split("/"), self.event["sub"].split("/")
        special = {"@leaf": self.event["leaf"], "@iat": self.event["iat"], "@was": self.event["was"], "@id": sub[-1]}
        special["@subject"] = sub[-2] if sub[0] == "approval" else None
        special |= {"@project": iss[1], "@member": iss[3]} if iss[0] == "project" else {}
        special |= {"@tre": iss[1]} if iss[0] == "tre" else {}
        return special.get(source) if source.startswith("@") else self.data.get(source)

    def streams(self, alias):
        names = [""]
        for part in self.rule["reads"][alias].split("/"):
            values = part
            if part.startswith("{"):
                source, _, inner = part[1:-1].partition(".")
                values = self.value(source)
                if inner:
                    values = list(values) if inner == "tre" else [job[inner] for job in values.values()]
                    values = [one for some in values for one in (some if isinstance(some, list) else [some])]
            values = values if isinstance(values, list) else [] if values is None else [values]
            names = [f"{name}/{value}".lstrip("/") for name in names for value in values]
        return [name for name in names if is_a(STREAM, name)]

    def others(self, alias):
        return [self.log.states.get(stream, {}) for stream in self.streams(alias)]

    def other(self, alias):
        return (self.others(alias) or [{}])[0]

    def suspended(self, tre):
        return tre in self.log.states["federation"].get("suspended", {})

    def stands(self, approval):
        return approval.get("state") == "granted" and approval["until"] > self.now

    def equal(self, source, known):
        return self.value(source) is not None and self.value(source) == known

    def approved(self):
        project = self.other("project")
        of = [project.get("version"), self.other("workflow").get("version"), project.get("members", {}).get(self.data["member"])]
        approvals = [self.other(f"approval-{subject}") for subject in ("project", "workflow", "member")]
        if not all(cause and self.stands(approval) and approval["cause"] == cause for approval, cause in zip(approvals, of)):
            return False
        quoted = [approval["granted"] for approval in approvals]
        within = set(self.data["datasets"]) <= set(approvals[0].get("datasets", []))
        return within and self.data.get("approvals", quoted) == quoted

    def approves(self):
        subject, other = self.value("@subject"), self.other("subject")
        wanted = {"project": {"datasets"}, "workflow": {"egress", "sign_off"}, "member": {"project"}}[subject]
        member = subject == "member"
        of = self.other("project").get("members", {}).get(self.value("@id")) if member else other.get("version")
        return {"datasets", "egress", "project", "sign_off"} & set(self.data) == wanted and self.equal("cause", of)

    def jobs(self):
        jobs = self.data["jobs"]
        free = all(stream not in self.log.states for stream in self.streams("job"))
        owners = [(tre, self.log.states.get(f"dataset/{one}", {})) for tre, job in jobs.items() for one in job["datasets"]]
        return free and not any(map(self.suspended, jobs)) and all(one.get("author") == f"tre/{tre}" for tre, one in owners)

    def registered(self):
        entry = self.other("register")
        word, until = entry.get("state"), entry.get("until", 0)
        held = word == "held" and "version" in entry
        return word == "published" or held or word in ("held", "deferred") and until > self.now

    def unattended(self, is_so, member):
        approval = self.other("approval-workflow")
        return not is_so or self.stands(approval) and approval.get(member) == "standing"

    def change(self, state, others, word, *args):
        def put(into, name, value):
            into.pop(name, None) if value is None else into.update({name: value})
        if word == "set" or word == "setif" and self.data[args[0]]:
            put(state, args[-2], self.value(args[-1]))
        elif word == "unset":
            state.pop(args[0], None)
        elif word in ("put", "drop"):
            entries = state.setdefault(args[0], {}) if word == "put" else state.get(args[0], {})
            put(entries, self.value(args[1]), self.value(args[2]) if word == "put" else None)
        elif word == "push" and self.value(args[1]) is not None:
            state.setdefault(args[0], []).append(self.value(args[1]))
        elif word == "tell":
            for stream in self.streams(args[0]):
                others[stream] = others.get(stream) or copy.deepcopy(self.log.states[stream])
                put(others[stream], args[1], self.value(args[2]))
        elif word == "adopt":
            digest = hashlib.sha256(canonical(self.data[args[1]]).encode()).digest()
            state[args[0]] = {"hash": enbase64(digest), "leaf": self.event["leaf"], "seq": self.event["seq"]}
        elif word == "open-jobs":
            for tre, job in self.data["jobs"].items():
                made = {"author": f"tre/{tre}", "tre": tre, "datasets": job["datasets"], "state": "submitted"}
                made |= {"cause": self.event["leaf"], "packet": self.data["packet"], "workflow": self.data["workflow"]}
                made |= {"submission": self.value("@id"), "project": self.value("@project"), "member": self.value("@member")}
                others[f"job/{job['job']}"] = made


# In the order of docs/EVENTS.md: `s` is the scene, then come the condition's own words.
CONDITIONS = {
    "same": lambda s, source, member: s.equal(source, s.state.get(member)),
    "next": lambda s, field, member: s.data[field] == s.state.get(member, 0) + 1,
    "most": lambda s, field, limit: s.data[field] <= s.limits[limit],
    "grows": lambda s, field, member: s.data[field] > s.state.get(member, 0),
    "clock": lambda s, member: s.event["iat"] >= s.state.get(member, 0),
    "has": lambda s, member, field: s.data[field] in s.state.get(member, {}),
    "lacks": lambda s, member, field: s.data[field] not in s.state.get(member, {}),
    "present": lambda s, member: member in s.state,
    "absent": lambda s, member: member not in s.state,
    "fresh": lambda s, field, member: field not in s.data or s.data[field] not in s.state.get(member, []),
    "future": lambda s, field, limit: s.event["iat"] < s.data[field] <= s.event["iat"] + s.limits[limit] * DAY,
    "other": lambda s, alias, *states: all(other.get("state", "-") in states for other in s.others(alias)),
    "quotes": lambda s, source, alias, member: all(s.equal(source, other.get(member)) for other in s.others(alias)),
    "mine": lambda s, alias: all(other.get("author") == organisation(s.event["iss"]) for other in s.others(alias)),
    "past": lambda s, member: s.state.get(member, 0) <= s.now,
    "unexpired": lambda s, alias: all(other.get("until", 0) > s.now for other in s.others(alias)),
    "active": lambda s: not s.suspended(s.value("@tre")),
    "another": lambda s: len(s.data["tags"]) > 1 or not set(s.data["tags"]) <= set(s.state.get("withheld_by", [])),
    "approved": Scene.approved,
    "approves": Scene.approves,
    "began": lambda s: s.data["began"] or "attempts" not in s.state,
    "egress": lambda s: s.unattended(s.data.get("reviews") == 0, "egress"),
    "extent": lambda s: (s.data["extent"] == "all") == (s.data["outputs"] == s.state.get("outputs")),
    "jobs": Scene.jobs,
    "looked": lambda s: s.state.get("reviews") == 0 or len(s.data["tags"]) > 0,
    "material-end": lambda s: s.data["until"] == s.state.get("until")
    or s.data["material"] and CONDITIONS["future"](s, "until", "project-days"),
    "person": lambda s: (s.data["how"] == "person") == (role(s.event["iss"]) == "review") == ("tag" in s.data),
    "registered": Scene.registered,
    "reviewed": lambda s: len(s.data["tags"]) >= s.state.get("reviews", s.limits["reviews"])
    and s.state.get("signatory") not in s.data["tags"],
    "role-named": lambda s: (s.data["role"] in ("auditor", "registrar")) == ("id" in s.data),
    "standing": lambda s: s.unattended(s.data["how"] == "standing", "sign_off"),
    "versions": lambda s: s.data["versions"] == [other.get("version") for other in s.others("dataset")],
}


def run(lines, log):
    """Yields what `main` prints about one log."""
    for index, line in enumerate(lines):
        try:
            if line.startswith("? "):
                yield {"states": log.judge(parse(line[2:]))[1]}
            else:
                log.append(parse(line))
        except Refused as refusal:
            yield {"index": index, "refused": str(refusal)}
            if not line.startswith("? "):
                return
    yield {"states": log.states}


def main(origin, *files):
    table = json.loads((pathlib.Path(__file__).parents[2] / "policy/rules/v1.json").read_text("utf-8"))
    refused = False
    for file in files:
        log = Log(origin, table)
        for answer in run(pathlib.Path(file).read_text("utf-8").splitlines(), log):
            print(canonical(answer))
        refused |= "refused" in answer
    return 1 if refused else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: judge.py ORIGIN ENTRIES...")
    sys.exit(main(*sys.argv[1:]))
