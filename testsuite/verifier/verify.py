#!/usr/bin/env python3
"""A second verifier, written from docs/formats/log.md and docs/formats/recording.md alone, with nothing but Python's own library.

It shares no line with Sekisho. What both say of a copy should agree; where they do not, one of them is wrong, or the page is.

    verify.py FOLDER --key KEY... [--checkpoint FILE]... [--witness KEY]... [--tsa-ca FILE]... [--log-only]

Time stamps are opened by `openssl ts`.

Prints `OK` or `NOT OK`, each finding on a line of its own, and ends with 0 or 1.
"""

import argparse
import base64
import binascii
import datetime
import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import tempfile


class Bad(Exception):
    """Something does not hold."""


# --- Ed25519 (RFC 8032), verification alone, strict ---------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def recover_x(y, sign):
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P:
        return None
    return P - x if (x & 1) != sign else x


def point(data):
    y = int.from_bytes(data, "little")
    x = recover_x(y & (2**255 - 1), y >> 255)
    if x is None:
        return None
    y &= 2**255 - 1
    return (x, y, 1, x * y % P)


def add(a, b):
    one = (a[1] - a[0]) * (b[1] - b[0]) % P
    two = (a[1] + a[0]) * (b[1] + b[0]) % P
    three = 2 * a[3] * b[3] * D % P
    four = 2 * a[2] * b[2] % P
    e, f, g, h = two - one, four - three, four + three, two + one
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(scalar, what):
    total = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = add(total, what)
        what = add(what, what)
        scalar >>= 1
    return total


def same(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = (recover_x(BASE_Y, 0), BASE_Y, 1, recover_x(BASE_Y, 0) * BASE_Y % P)


def is_small(what):
    return same(times(8, what), (0, 1, 1, 0))


def ed25519(public, message, signature):
    key, r = point(public), point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if key is None or r is None or s >= L or is_small(key) or is_small(r):
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    return same(times(s, BASE), add(r, times(h, key)))


# --- keys, notes, checkpoints -------------------------------------------------------------------------------------------


def unbase64(text):
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as fault:
        raise Bad(f"no base64: {fault}") from fault
    if base64.b64encode(data).decode() != text:
        raise Bad("no canonical base64")
    return data


def signed_bytes(context, data):
    """What a signature over other bytes than a checkpoint is over."""
    return b"\0sekisho-signed-bytes-v1\0" + struct.pack(">H", len(context)) + context + struct.pack(">Q", len(data)) + data


class Key:
    """A verifier key: of a log (0x01) or of a witness (0x04)."""

    def __init__(self, text, kind):
        parts = text.split("+", 2)
        if len(parts) != 3:
            raise Bad("a verifier key has the form name+hash+base64")
        self.text, self.name = text, parts[0]
        data = unbase64(parts[2])
        if len(data) != 33 or data[0] != kind:
            raise Bad("the key is of another kind")
        self.public = data[1:]
        self.id = hashlib.sha256(self.name.encode() + b"\n" + data).digest()[:4]
        if not self.name or re.search(r"[\s+]", self.name) or self.id.hex() != parts[1]:
            raise Bad("the key's hash does not belong to it")
        # Number of the first entry that it no longer decides about.
        self.until = None
        where = point(self.public)
        if where is None or is_small(where):
            raise Bad("the key is no point that can be used")


class Note:
    """A signed checkpoint, taken apart."""

    def __init__(self, data):
        if len(data) > 16384:
            raise Bad("the checkpoint is too long")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as fault:
            raise Bad("the checkpoint is no text") from fault
        if any(ord(c) < 32 and c != "\n" or 127 <= ord(c) < 160 for c in text):
            raise Bad("the checkpoint holds control characters")
        body, found, rest = text.rpartition("\n\n")
        if not found or not rest.endswith("\n"):
            raise Bad("the text is not a checkpoint")
        self.body = body + "\n"
        lines = body.split("\n")
        if len(lines) != 3 or not lines[0] or not re.fullmatch(r"0|[1-9][0-9]*", lines[1]):
            raise Bad("the text is not a checkpoint")
        self.origin, self.size, self.root = lines[0], int(lines[1]), unbase64(lines[2])
        if len(self.root) != 32 or self.size > 1 << 40:
            raise Bad("the text is not a checkpoint")
        self.signatures = []
        for line in rest[:-1].split("\n"):
            match = re.fullmatch("\u2014 (\\S+) (\\S+)", line)
            if not match or len(self.signatures) >= 32:
                raise Bad("the text is not a checkpoint")
            signature = unbase64(match[2])
            if len(signature) < 4:
                raise Bad("the text is not a checkpoint")
            self.signatures.append((match[1], signature[:4], signature[4:]))

    def of(self, key):
        return [rest for name, number, rest in self.signatures if name == key.name and number == key.id]

    def is_signed(self, key):
        lines = self.of(key)
        for line in lines:
            if len(line) != 64 or not ed25519(key.public, self.body.encode(), line):
                raise Bad("the signature of the checkpoint is wrong")
        return bool(lines)

    def is_cosigned(self, witness):
        lines = self.of(witness)
        for line in lines:
            if len(line) != 72:
                raise Bad("the signature of the witness is wrong")
            (second,) = struct.unpack(">Q", line[:8])
            message = f"cosignature/v1\ntime {second}\n{self.body}".encode()
            if not ed25519(witness.public, message, line[8:]):
                raise Bad("the signature of the witness is wrong")
        return bool(lines)


# --- the tree -----------------------------------------------------------------------------------------------------------


def leaf_hash(body):
    return hashlib.sha256(b"\0" + body).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


class Tree:
    """The right edge of the Merkle tree."""

    def __init__(self):
        self.size, self.peaks = 0, []

    def append(self, leaf):
        size = self.size
        while size & 1:
            leaf = node_hash(self.peaks.pop(), leaf)
            size >>= 1
        self.peaks.append(leaf)
        self.size += 1

    def root(self):
        if not self.peaks:
            return hashlib.sha256(b"").digest()
        root = self.peaks[-1]
        for left in reversed(self.peaks[:-1]):
            root = node_hash(left, root)
        return root


def tile_path(kind, number, width):
    groups = [f"{number % 1000:03}"]
    number //= 1000
    while number:
        groups.append(f"x{number % 1000:03}")
        number //= 1000
    path = f"log/tile/{kind}/" + "/".join(reversed(groups))
    return path if width == 256 else f"{path}.p/{width}"


# --- the copy -----------------------------------------------------------------------------------------------------------


class Copy:
    """A copy of a data folder, and what is wrong with it."""

    def __init__(self, folder):
        self.folder, self.found, self.noted = folder, [], []

    def bad(self, place, what):
        self.found.append((place, what))

    def read(self, path, limit):
        try:
            with open(os.path.join(self.folder, path), "rb") as file:
                data = file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        if len(data) > limit:
            raise Bad(f"{path} is too long")
        return data

    def names(self, path):
        try:
            return sorted(os.listdir(os.path.join(self.folder, path)))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def widest(self, kind, number, width, limit):
        """The form of this width, or a wider one in its place."""
        for wide in range(width, 257):
            data = self.read(tile_path(kind, number, wide), limit)
            if data is not None:
                return data, wide
        return None, 0


def read_rotations(copy):
    found = []
    for name in copy.names("log/rotations"):
        if not name.isdigit():
            continue
        place = f"log/rotations/{name}"
        try:
            text = copy.read(place, 17408).decode("utf-8")
            keys, gap, note = text.partition("\n\n")
            lines = keys.split("\n")
            if str(int(name)) != name or not gap or len(lines) != 4 or lines[0] == lines[1]:
                raise Bad("the exchange has another form")
            old, new, head = Key(lines[0], 1), Key(lines[1], 1), Note(note.encode())
            said = f"{name}\n{old.text}\n{new.text}\n{note[: note.rindex(chr(10) * 2) + 1]}".encode()
            for key, line in ((old, lines[2]), (new, lines[3])):
                signature = unbase64(line)
                if len(signature) != 64 or not ed25519(key.public, signed_bytes(b"rotate/v1", said), signature):
                    raise Bad("a key did not sign the exchange itself")
            if not head.is_signed(old) or not head.is_signed(new) or head.size <= int(name):
                raise Bad("the exchange is not signed by both keys")
            found.append((int(name), old, new, head))
        except (Bad, UnicodeDecodeError) as fault:
            copy.bad(place, str(fault))
    return sorted(found, key=lambda one: one[0])


def chain_of(rotations, trusted):
    keys = [rotations[0][1]] if rotations else trusted[:1]
    for seq, old, new, _ in rotations:
        if keys[-1].text != old.text or any(key.text == new.text for key in keys):
            raise Bad(f"the exchange at entry {seq} does not follow from the one before it")
        keys.append(new)
    if any(all(key.text != known.text for key in keys) for known in trusted):
        raise Bad("a given key is none of this log's keys")
    lay_down(keys, rotations)
    return keys


def lay_down(keys, rotations):
    """A key decides about entries below the size of the head with which it was laid down."""
    for key in keys:
        key.until = next((head.size for _, old, _, head in rotations if old.text == key.text), None)


def openssl(*args, command="ts"):
    done = subprocess.run(["openssl", command, *args], capture_output=True, timeout=60, check=False)
    return done.returncode == 0, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def is_signed_token(work, answer):
    """Whether the token of an answer is signed by the certificate in it, whoever issued that."""
    token = os.path.join(work, "token")
    taken, _, _ = openssl("-reply", "-in", answer, "-token_out", "-out", token)
    held, _, _ = openssl("-verify", "-noverify", "-inform", "DER", "-in", token, "-out", os.path.join(work, "told"), command="cms")
    return taken and held


def stamped(copy, keys, authorities):
    """Heads that bear the time stamp of an authority that is believed."""
    heads = []
    numbers = [name[:-4] for name in copy.names("log/timestamps") if re.fullmatch(r"(0|[1-9][0-9]*)\.tsr", name)]
    for number in sorted(numbers, key=int):
        place = f"log/timestamps/{number}.tsr"
        try:
            over, answer = copy.read(f"log/timestamps/{number}.checkpoint", 16384), copy.read(place, 65536)
            if over is None:
                raise Bad("what it is over is missing")
            with tempfile.TemporaryDirectory() as work:
                paths = [os.path.join(work, name) for name in ("over", "answer")]
                for path, data in zip(paths, (over, answer)):
                    with open(path, "wb") as file:
                        file.write(data)
                held, text, _ = openssl("-reply", "-in", paths[1], "-text")
                at = re.search(r"^Time stamp: (.+?)(?:\.\d+)? (\d{4}) GMT$", text, re.MULTILINE)
                if not held or not at:
                    raise Bad("it is no time stamp")
                when = datetime.datetime.strptime(f"{at[1]} {at[2]} +0000", "%b %d %H:%M:%S %Y %z")
                known, strangers = False, 0
                for authority in authorities:
                    # At the time in it: the certificate may have ended since.
                    held, _, words = openssl("-verify", "-data", paths[0], "-in", paths[1], "-CAfile", authority, "-attime", str(int(when.timestamp())))
                    known = known or held
                    # One of the same name and another key is another authority.
                    strangers += bool(re.search(r"unable to get (local )?issuer certificate|self.signed certificate|certificate signature failure", words))
                # One that any of the authorities issued and that does not hold is no stranger's.
                if not known and strangers == len(authorities):
                    if not is_signed_token(work, paths[1]):
                        raise Bad("nobody signed the time stamp")
                    print(f"{place}: it is of an authority that was not given")
                    continue
                if not known:
                    raise Bad("the time stamp does not hold")
            note = Note(over)
            by_any(note, keys)
            if note.size != int(number):
                raise Bad("it is over another number of entries")
            local = re.search(r"^Policy OID: 2\.25\.193271684$", text, re.MULTILINE)
            print(f"{place}: {note.size} entries existed at {when:%Y-%m-%dT%H:%M:%SZ} ({'the box itself says so' if local else 'an authority'})")
            heads.append((place, note))
        except (Bad, subprocess.SubprocessError) as fault:
            copy.bad(place, str(fault))
    if not heads:
        copy.bad("log/timestamps", "no checkpoint bears a time stamp of an authority that was given")
    return heads


def by_any(note, keys):
    if not any([note.is_signed(key) for key in keys]):
        raise Bad("it is not signed by a key of this log")


def check_log(copy, trusted, outside, witnesses, authorities):
    rotations = read_rotations(copy)
    keys = chain_of(rotations, trusted)
    heads = []
    for path in outside:
        with open(path, "rb") as file:
            note = Note(file.read(16385))
        by_any(note, keys)
        heads.append(("outside checkpoint", note))
    for witness in witnesses:
        place = f"log/cosigned/{witness.id.hex()}"
        data = copy.read(place, 16384)
        try:
            if data is None:
                raise Bad("the witness has signed no checkpoint of this copy")
            note = Note(data)
            by_any(note, keys)
            if not note.is_cosigned(witness):
                raise Bad("the witness has not signed this")
            heads.append((place, note))
        except Bad as fault:
            copy.bad(place, str(fault))
    if authorities:
        heads.extend(stamped(copy, keys, authorities))
    heads.extend((f"log/rotations/{seq}", head) for seq, _, _, head in rotations)
    data = copy.read("log/checkpoint", 16384)
    if data is None:
        raise Bad("the log has no checkpoint")
    checkpoint = Note(data)
    if not checkpoint.is_signed(keys[-1]):
        raise Bad("the checkpoint is not signed by the expected key")

    tree, levels, entries, wanted, roots = Tree(), [], [], {head.size for _, head in heads}, {}
    roots[0] = tree.root()
    for number in range((checkpoint.size + 255) // 256):
        width = min(256, checkpoint.size - 256 * number)
        leaves, wide = copy.widest(0, number, width, 8192)
        bundle, _ = copy.widest("entries", number, width, 256 * 65537)
        if leaves is None or bundle is None or len(leaves) != 32 * wide:
            copy.bad(f"log entry {256 * number}", "its tile or bundle is missing or has the wrong length")
            return keys, checkpoint, entries, False
        at = 0
        for place in range(width):
            seq = 256 * number + place
            length = int.from_bytes(bundle[at : at + 2], "big")
            body = bundle[at + 2 : at + 2 + length]
            if len(bundle) < at + 2 or len(body) != length:
                copy.bad(f"log entry {seq}", "the bundle ends inside an entry")
                return keys, checkpoint, entries, False
            at += 2 + length
            leaf = leaf_hash(body)
            if leaf != leaves[32 * place : 32 * place + 32]:
                copy.bad(f"log entry {seq}", "the entry does not have the hash of its leaf")
            entries.append(body)
            tree.append(leaf)
            if tree.size in wanted:
                roots[tree.size] = tree.root()
            hash_, level = leaf, 0
            while True:
                if len(levels) <= level:
                    levels.append([])
                levels[level].append(hash_)
                if len(levels[level]) % 256:
                    break
                upper = Tree()
                for one in levels[level][-256:]:
                    upper.append(one)
                hash_, level = upper.root(), level + 1
    for level, hashes in enumerate(levels):
        for number in range((len(hashes) + 255) // 256):
            part = hashes[256 * number : 256 * number + 256]
            for wide in range(1, 257):
                data = copy.read(tile_path(level, number, wide), 8192)
                if data is None:
                    continue
                most = min(wide, len(part))
                if len(data) != 32 * wide or data[: 32 * most] != b"".join(part[:most]):
                    copy.bad(tile_path(level, number, wide), "a tile is not that of the entries")
            if copy.widest(level, number, len(part), 8192)[0] is None:
                copy.bad(tile_path(level, number, len(part)), "a tile is missing")
    for number in range((checkpoint.size + 255) // 256):
        part = entries[256 * number : 256 * number + 256]
        for wide in range(1, len(part) + 1):
            data = copy.read(tile_path("entries", number, wide), 256 * 65537)
            whole = b"".join(len(body).to_bytes(2, "big") + body for body in part[:wide])
            if data is not None and data != whole:
                copy.bad(tile_path("entries", number, wide), "a bundle is not the beginning of the wider one")
    if tree.root() != checkpoint.root:
        copy.bad("log/checkpoint", "the entries do not give the root that is signed")
    for place, head in heads:
        if head.origin != checkpoint.origin:
            copy.bad(place, "it belongs to another log")
        elif head.size > checkpoint.size:
            copy.bad(place, "the log is shorter than it was")
        elif roots.get(head.size) != head.root:
            copy.bad(place, "the log does not continue it")
    rotated = []
    for seq, body in enumerate(entries):
        try:
            entry = json.loads(body)
            if entry["seq"] != seq or not isinstance(entry["at"], int) or not isinstance(entry["kind"], str):
                raise Bad("it stands at another place")
            if seq == 0 and entry["kind"] == "initialised" and entry.get("key", keys[0].text) != keys[0].text:
                copy.bad("log entry 0", "the first key is another one")
            if entry["kind"] == "key_rotated":
                rotated.append((seq, entry["old"], entry["new"]))
        except (ValueError, KeyError, TypeError, Bad) as fault:
            copy.bad(f"log entry {seq}", f"it cannot be read: {fault}")
    if rotated != [(seq, old.text, new.text) for seq, old, new, _ in rotations]:
        copy.bad("log/rotations", "exchanges and their entries differ")
    return keys, checkpoint, entries, True


# --- recordings ---------------------------------------------------------------------------------------------------------


def check_second(second, kinds):
    """Whoever opens the other share of a data key: there is one exactly in version 3."""
    if second is None:
        if "second" in kinds:
            raise Bad("the header names a second key and has no second share")
        return
    if not isinstance(second, dict) or list(second) != ["wrapped_share", "share_digest"]:
        raise Bad("the second share of the header has another form")
    if not 1 <= len(unbase64(second["wrapped_share"])) <= 32768 or not re.fullmatch(r"[0-9a-f]{64}", second["share_digest"]):
        raise Bad("the second share of the header is none")
    if "second" not in kinds or "hospital" not in kinds:
        raise Bad("the header names nobody for one of the two shares")


def check_recipients(recipients):
    if not isinstance(recipients, list) or not 1 <= len(recipients) <= 16:
        raise Bad("the header names no recipients, or too many")
    seen = set()
    for one in recipients:
        if list(one) != ["kind", "name", "key"] or one["kind"] not in ("hospital", "auditor", "second"):
            raise Bad("a recipient of the header has another form")
        if len(one["name"].encode()) > 256 or any(ord(c) < 32 or 127 <= ord(c) < 160 for c in one["name"]):
            raise Bad("the name of a recipient is none")
        if not re.fullmatch(r"age1[a-z0-9]{1,124}", one["key"]) or one["key"] in seen:
            raise Bad("the key of a recipient is none, or stands there twice")
        seen.add(one["key"])


def scan(data):
    """Session, origin, header digest, last chain value and whether there is a seal."""
    if data[:8] != b"SKREC\r\n\0" or data[8:10] not in (b"\0\1", b"\0\2", b"\0\3") or len(data) < 14:
        raise Bad("no recording of version 1, 2 or 3")
    length = int.from_bytes(data[10:14], "big")
    if length > 65536 or len(data) < 14 + length:
        raise Bad("the header is too long")
    try:
        header = json.loads(data[14 : 14 + length])
        fields = ["session", "plan", "target", "person", "protocol", "started_at", "log_origin", "wrapped_key"]
        if data[9] >= 2:
            fields.append("recipients")
        if data[9] == 3:
            fields.append("second")
        if list(header) != fields:
            raise Bad("the header has other fields")
        if data[9] >= 2:
            check_recipients(header["recipients"])
            if data[9] == 3 and header["second"] is None:
                raise Bad("the header has no second share")
            check_second(header.get("second"), {one["kind"] for one in header["recipients"]})
    except ValueError as fault:
        raise Bad("the header is no JSON") from fault
    at = 14 + length
    first = chain = hashlib.sha256(data[:at]).digest()
    number, last, frames = 1, 0, 0
    while at < len(data):
        head = data[at : at + 37]
        torn = len(head) < 37
        if not torn:
            kind, count, begin, end, held, plain, size = struct.unpack(">BQQQIII", head)
            torn = at + 37 + size + 32 > len(data)
        if torn or not any(data[at:]):
            if any(data[at:]) and not torn:
                raise Bad("bytes follow that are no segment")
            return header, first, chain, False, at
        if kind == 0 or kind > 2 or count != number:
            raise Bad(f"segment {number} is none")
        body = data[at + 37 : at + 37 + size]
        value = hashlib.sha256(b"sekisho-rec-v1" + chain + head + body).digest()
        after = at + 37 + size + 32
        if value != data[after - 32 : after]:
            if after == len(data):
                return header, first, chain, False, at
            raise Bad(f"the chain breaks at segment {number}")
        if kind == 2:
            seal = json.loads(body)
            if begin or end or held or plain != size or size > 4096 or after != len(data):
                raise Bad("the seal has another form")
            if seal["last"] != chain.hex() or seal["totals"]["segments"] != number - 1 or seal["totals"]["frames"] != frames:
                raise Bad("the seal seals something else")
            return header, first, value, True, after
        if begin < last or end < begin or held < 1 or not 16 <= size <= 107584 or plain > 106560:
            raise Bad(f"segment {number} has another form")
        chain, last, frames, number, at = value, end, frames + held, number + 1, after
    return header, first, chain, False, at


DAY = 24 * 3600 * 1000
FLOOR = 90


def covers(scope, session, told):
    """Whether a hold's scope keeps a session that left."""
    of, actor = scope.get("of"), told.get("actor") or {}
    if of == "session":
        return scope["session"] == session
    if of == "plan":
        return told.get("plan") == scope["plan"]
    if of == "target":
        return told.get("target") == scope["target"]
    if of == "vendor":
        return actor.get("vendor") == scope["vendor"]
    if of == "person":
        return actor.get("person") == scope["person"]
    if of == "period":
        return told["at"] < scope["until"] and told["left_at"] >= scope["from"]
    if of == "everything":
        return True
    raise Bad("the scope of a hold is none")


CLASSES = ("recordings", "contents", "emergency")


def may_go(entry, told, holds, days, classes):
    """What is wrong with an entry that calls a recording deleted; None if nothing is."""
    if "left_at" not in told:
        return "the recording of a session that had not ended is called deleted"
    if entry["digest"] != told["left_digest"]:
        return "another digest than the one with which the session left"
    kept = entry["at"] - told["left_at"]
    if entry["days"] < FLOOR or kept < FLOOR * DAY or kept < entry["days"] * DAY:
        return "the recording was deleted before its time was over"
    if entry["class"] not in CLASSES:
        return "the entry names a class that recordings do not have"
    if any(entry["days"] < days.get(one, 0) for one in classes):
        return "the recording belongs to a class that is kept for more days"
    if entry["days"] < days.get(entry["class"], 0):
        return "the entry names fewer days than the rule of its class"
    for hold in holds.values():
        if not hold["over"] and (hold["until"] is None or entry["at"] < hold["until"]) and covers(hold["scope"], entry["session"], told):
            return "the recording was deleted while a hold was in force"
    return None


def file_may_go(entry, told, holds, days):
    """The same of a file of a plan."""
    if told is None:
        return "the file of a plan that was never drawn is called deleted"
    if told["files"].get(entry["attachment"]) != entry["sha256"] or entry["attachment"] in told["gone"]:
        return "another file, or one that was deleted already"
    told["gone"].add(entry["attachment"])
    if entry["days"] < FLOOR or entry["at"] - told["left_at"] < entry["days"] * DAY:
        return "the file was deleted before its time was over"
    if entry["class"] != "approvals" or entry["days"] < days.get("approvals", 0):
        return "the days are not those of the class"
    for hold in holds.values():
        if hold["over"] or (hold["until"] is not None and entry["at"] >= hold["until"]):
            continue
        scope = hold["scope"]
        whole = {"plan": entry["plan"], "at": told["at"], "left_at": told["left_at"], "actor": {"vendor": told["vendor"]}}
        if scope.get("of") in ("session", "target", "person"):
            kept = any(covers(scope, one["session"], {**one, "left_at": told["left_at"]}) for one in told["who"])
        else:
            kept = covers(scope, None, whole)
        if kept:
            return "the file was deleted while a hold was in force"
    return None


DECISIVE = {
    "hold_placed", "hold_extended", "hold_lifted", "hold_ended", "retention_set", "retention_asked", "retention_declined",
    "deleting_asked", "deleting_resumed", "deleting_declined",
    "recording_deleted", "recording_set_aside", "attachment_deleted", "second_key_kept",
    "viewing_asked", "viewing_agreed", "viewing_declined", "viewing_withdrawn", "viewing_ended",
}  # fmt: skip


def is_signed_alone(keys, seq, body):
    """Whether an entry's last field is a signature over the rest of it, by a key of the log that counted for entry `seq`."""
    found = re.fullmatch(rb'(.*),"signature":"([A-Za-z0-9+/]{86}==)"\}', body, re.DOTALL)
    if not found:
        return False
    signature = unbase64(found[2].decode())
    standing = [key for key in keys if key.until is None or seq < key.until]
    return any(ed25519(key.public, signed_bytes(b"keeping/v1", found[1] + b"}"), signature) for key in standing)


def check_deletions(copy, keys, entries):
    """The sessions whose recordings may be gone, and those where the entry itself is wrong."""
    told, holds, days, gone = {}, {}, {}, {}
    contents, cases, incidents, plans, emergencies = set(), {}, set(), {}, set()
    for seq, body in enumerate(entries):
        try:
            entry = json.loads(body)
        except ValueError:
            continue
        kind, session = entry.get("kind"), entry.get("session")
        try:
            if kind in DECISIVE and not is_signed_alone(keys, entry["seq"], body):
                raise Bad("it is about keeping, and the log's key has not signed it")
            plan = entry.get("plan")
            if kind == "plan_drawn":
                drawn = {"at": entry["at"], "left_at": entry["at"], "vendor": entry.get("vendor"), "who": [], "files": {}, "gone": set()}
                plans.setdefault(plan, drawn)
            if kind in ("plan_drawn", "plan_acted", "entered", "reconciled") and plan in plans:
                plans[plan]["left_at"] = max(plans[plan]["left_at"], entry["at"])
            if kind == "entered" and plan in plans:
                plans[plan]["who"].append(entry)
            if kind == "file_attached" and plan in plans:
                plans[plan]["files"].setdefault(entry["attachment"], entry["sha256"])
            if kind in ("entered", "robot_entered"):
                told.setdefault(session, dict(entry))
            elif kind == "left" and session in told and "left_at" not in told[session]:
                told[session]["left_at"] = entry["at"]
                told[session]["left_digest"] = entry.get("digest")
            elif kind == "hold_placed":
                holds[entry["hold"]] = {"scope": entry["scope"], "until": entry.get("until"), "over": False}
            elif kind == "hold_extended":
                hold = holds.get(entry["hold"])
                if hold and (hold["until"] is None or entry["at"] < hold["until"]):
                    hold["until"] = entry["until"]
            elif kind in ("hold_lifted", "hold_ended"):
                hold = holds.get(entry["hold"])
                if hold and kind == "hold_ended" and (hold["until"] is None or entry["at"] < hold["until"]):
                    raise Bad("a hold is called over before its end")
                if hold:
                    hold["over"] = True
            elif kind == "file_moved":
                if ((entry.get("file") or {}).get("kept") or {}).get("bytes", 0) > 0:
                    contents.add(session)
            elif kind == "case_opened":
                if entry.get("near") is not None:
                    cases[entry["case"]] = entry["near"]
            elif kind == "plan_acted":
                if entry.get("act") == "allow_emergency":
                    emergencies.add(plan)
            elif kind == "case_decided":
                if entry.get("decision") == "incident":
                    incidents.add(entry["case"])
            elif kind == "retention_set":
                days[entry["class"]] = entry["days"]
            elif kind == "attachment_deleted":
                wrong = file_may_go(entry, plans.get(plan), holds, days)
                if wrong:
                    raise Bad(wrong)
            elif kind == "recording_deleted":
                if session not in told:
                    raise Bad("the session never entered")
                if session in gone:
                    raise Bad("the recording was deleted twice")
                classes = {"recordings"} | ({"contents"} if session in contents else set())
                if told[session].get("plan") in emergencies or any(cases.get(case) == session for case in incidents):
                    classes.add("emergency")
                gone[session] = may_go(entry, told[session], holds, days, classes)
                if gone[session]:
                    raise Bad(gone[session])
        except (Bad, KeyError, TypeError) as fault:
            copy.bad(f"log entry {seq}", str(fault))
    return gone


def second_key(held, entry):
    """Takes a signed entry about a second key: two persons put it in force, and two end it."""
    actor, change, targets = entry.get("actor"), entry.get("change"), entry.get("targets", [])
    by = actor.get("person") if isinstance(actor, dict) else None
    texts = [entry.get("second_key"), entry.get("key", ""), by, change]
    if not all(isinstance(text, str) for text in texts + (targets if isinstance(targets, list) else [None])) or len(texts[1].encode(errors="replace")) > 128:
        return
    one = held.get(texts[0])
    if (one is None) != (change == "asked"):
        return
    if one is None:
        held[texts[0]] = {"key": texts[1], "targets": targets, "state": "asked", "by": by}
    elif (one["state"], change) in (("asked", "confirmed"), ("end_asked", "ended")) and one["by"] == by:
        return
    elif (one["state"], change) in (("asked", "confirmed"), ("end_asked", "kept")):
        one["state"] = "active"
    elif (one["state"], change) in (("asked", "refused"), ("end_asked", "ended")):
        one["state"] = "over"
    elif (one["state"], change) == ("active", "end_asked"):
        one["state"], one["by"] = "end_asked", by


def seconds_due(held, target):
    """The second keys in force for a target."""
    standing = [held[name] for name in sorted(held) if held[name]["state"] in ("active", "end_asked")]
    return [one["key"] for one in standing if not one["targets"] or target in one["targets"]][:16]


def check_recordings(copy, keys, checkpoint, entries, archives):
    sessions, away, held, due = {}, set(), {}, {}
    gone = check_deletions(copy, keys, entries)
    for seq, body in enumerate(entries):
        try:
            entry = json.loads(body)
        except ValueError:
            continue
        kind, session = entry.get("kind"), entry.get("session")
        if kind in ("entered", "robot_entered", "left") and not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", str(session)):
            copy.bad(f"log entry {seq}", "the session's id is none")
        elif kind in ("entered", "robot_entered"):
            if session in sessions:
                copy.bad(f"log entry {seq}", "the session entered twice")
            else:
                sessions[session] = [entry.get("recording_header_digest"), None]
                due[session] = seconds_due(held, entry.get("target"))
        elif kind == "second_key_kept" and is_signed_alone(keys, seq, body):
            second_key(held, entry)
        elif kind == "left":
            if session not in sessions or sessions[session][1] is not None:
                copy.bad(f"log entry {seq}", "the session left without having entered, or twice")
            else:
                sessions[session][1] = entry.get("digest", "")
        elif kind == "recording_moved_out" and sessions.get(session, [None, None])[1] is not None:
            away.add(session)
    for session, (header_digest, digest) in sessions.items():
        place = f"recordings/{session}.skr"
        try:
            data = copy.read(place, 1 << 34)
            if data is None and session in gone:
                continue
            for archive in archives:
                data = data if data is not None else archive.read(place, 1 << 34)
            if data is None and session in away:
                copy.noted.append((place, "it lies in the archive, and was not examined"))
                continue
            if data is None:
                raise Bad("the recording is missing")
            header, first, chain, sealed, _ = scan(data)
            if header["session"] != session or header["log_origin"] != checkpoint.origin:
                raise Bad("the recording is that of another session or log")
            if first.hex() != header_digest:
                raise Bad("the header is another one")
            if digest is not None and chain.hex() != digest:
                raise Bad("the recording does not end in the digest of the log")
            named = [one["key"] for one in header.get("recipients", []) if one["kind"] == "second"]
            for key in due[session]:
                if key not in named:
                    copy.noted.append((place, f"it opens without the holder of the second key {key}, which was in force"))
        except (Bad, KeyError, TypeError, ValueError, struct.error) as fault:
            copy.bad(place, str(fault))
    for name in copy.names("recordings"):
        session = name[:-4]
        if not name.endswith(".skr") or session in sessions:
            continue
        try:
            header, _, _, sealed, _ = scan(copy.read(f"recordings/{name}", 1 << 34))
            last = json.loads(entries[-1])["at"] if entries else 0
            # One that began after the last signed entry may be covered by the next checkpoint.
            if sealed or header["started_at"] < last:
                raise Bad("the log has no entry of this recording")
        except (Bad, KeyError, TypeError, ValueError, struct.error) as fault:
            copy.bad(f"recordings/{name}", str(fault))


def main():
    asked = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    asked.add_argument("folder")
    asked.add_argument("--key", required=True, action="append")
    asked.add_argument("--checkpoint", action="append", default=[])
    asked.add_argument("--witness", action="append", default=[])
    asked.add_argument("--tsa-ca", action="append", default=[])
    asked.add_argument("--archive", action="append", default=[])
    asked.add_argument("--log-only", action="store_true")
    args = asked.parse_args()
    copy = Copy(args.folder)
    try:
        trusted = [Key(text, 1) for text in args.key]
        witnesses = [Key(text, 4) for text in args.witness]
        keys, checkpoint, entries, complete = check_log(copy, trusted, args.checkpoint, witnesses, args.tsa_ca)
        if complete and not args.log_only:
            check_recordings(copy, keys, checkpoint, entries, [Copy(folder) for folder in args.archive])
    except Bad as fault:
        copy.bad("log", str(fault))
    for place, what in copy.found:
        print(f"{place}: {what}")
    for place, what in copy.noted:
        print(f"NOTE {place}: {what}")
    print("NOT OK" if copy.found else "OK")
    return 1 if copy.found else 0


if __name__ == "__main__":
    sys.exit(main())
