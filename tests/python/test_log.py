"""Verifies a log that a hub serves with a library that is not ours: proofbundle, from PyPI.

    python test_log.py HUB LOG-KEY WITNESS-KEY OLD-CHECKPOINT

HUB is an address, the keys are verifier keys of notes, OLD-CHECKPOINT is an earlier note of the log. Looked at are the newest
checkpoint that the witness has cosigned, the entries and tiles under it (fewer than 256), the `.tlog-proof` of each entry, and that
the old checkpoint is continued. Ends with 0 if all of it holds and no forgery does.
"""

import sys
import time
import urllib.request

from proofbundle.checkpoint import verify_checkpoint, verify_witnessed_checkpoint
from proofbundle.merkle import consistency_proof, leaf_hash, merkle_tree_hash, verify_consistency
from proofbundle.tlogproof import parse_tlog_proof, verify_tlog_proof

HUB, LOG_KEY, WITNESS_KEY, OLD = sys.argv[1:]
ORIGIN = LOG_KEY.split("+")[0]
PATIENCE = 60


def get(path):
    with urllib.request.urlopen(HUB + path, timeout=30) as answer:
        return answer.read()


def must(holds, what):
    if not holds:
        sys.exit(f"does not hold: {what}")


def cosigned():
    """The newest checkpoint, once the witness has cosigned it: it is asked after the log is published."""
    end = time.monotonic() + PATIENCE
    while True:
        note = get("/log/checkpoint").decode()
        found = verify_witnessed_checkpoint(note, LOG_KEY, [WITNESS_KEY], threshold=1, expected_origin=ORIGIN)
        if found["ok"] or time.monotonic() > end:
            return note, found
        time.sleep(0.1)


def entries_of(size):
    bundle, found = get(f"/log/tile/entries/000.p/{size}"), []
    while bundle:
        length = int.from_bytes(bundle[:2], "big")
        found.append(bundle[2 : 2 + length])
        bundle = bundle[2 + length :]
    return found


def other(data):
    """The same bytes but for the last one."""
    return data[:-1] + bytes([data[-1] ^ 1])


note, checkpoint = cosigned()
must(checkpoint["ok"], f"the checkpoint: {checkpoint}")
size, root = checkpoint["tree_size"], checkpoint["root"]
altered = note.replace(f"\n{size}\n", f"\n{size + 1}\n", 1)
must(not verify_checkpoint(altered, LOG_KEY)["ok"], "a checkpoint of another size is none")

entries = entries_of(size)
must(len(entries) == size, f"{len(entries)} entries are served of {size}")
must(merkle_tree_hash(entries) == root, "the entries are those of the root")
must(get(f"/log/tile/0/000.p/{size}") == b"".join(map(leaf_hash, entries)), "the tile is of the entries")

proofs = 0
for index, entry in enumerate(entries):
    text = get(f"/v1/events/{index}/proof").decode()

    def verify(entry, log_key=LOG_KEY, witness_key=WITNESS_KEY):
        return verify_tlog_proof(text, entry, log_key, [witness_key], threshold=1, expected_origin=ORIGIN)

    found = verify(entry)
    must(found["ok"] and found["index"] == index, f"the proof of entry {index}: {found}")
    must(not verify(other(entry))["inclusion_ok"], f"the proof of entry {index} is for no other entry")
    must(not verify(entry, witness_key=LOG_KEY)["ok"], f"the proof of entry {index} needs the witness")
    proofs += len(parse_tlog_proof(text)["proof"])

with open(OLD, encoding="utf-8") as file:
    old = verify_checkpoint(file.read(), LOG_KEY)
must(old["ok"] and 0 < old["tree_size"] < size, f"the old checkpoint: {old}")
path = consistency_proof(entries, old["tree_size"])
must(verify_consistency(old["tree_size"], size, path, old["root"], root), "the old checkpoint is continued")
must(not verify_consistency(old["tree_size"], size, path, other(old["root"]), root), "another one is not")

print(f"holds: {size} entries of {ORIGIN}, cosigned; {size} proofs of {proofs} hashes; it continues {old['tree_size']} entries")
