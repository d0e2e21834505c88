#!/usr/bin/env python3
"""A second verifier of evidence bundles, written from docs/formats/bundle.md (and log.md, recording.md) alone, with nothing but
Python's own library and verify.py beside it.

It shares no line with Sekisho. What both say of a bundle should agree; where they do not, one of them is wrong, or the page is.

    bundle.py FILE --key KEY [--key KEY]... [--checkpoint FILE]... [--witness KEY]... [--tsa-ca FILE]...

Time stamps are opened by `openssl ts`. Prints each finding on a line of its own, what is only to be known as NOTE, then `OK` or
`NOT OK`, and ends with 0 or 1.
"""

import argparse
import base64
import binascii
import hashlib
import json
import re
import struct
import sys
import zlib

sys.dont_write_bytecode = True  # nothing is left beside the two programs
from verify import Bad, Key, Note, Tree, by_any, check_deletions, ed25519, lay_down, leaf_hash, node_hash, scan, signed_bytes, stamped, unbase64

ID = r"[A-Za-z0-9_-]{1,64}"
NAMES = [
    r"README\.txt", r"report\.html", r"manifest\.json", r"manifest\.sig", r"log/checkpoint", r"log/public-key", r"log/entries\.jsonl",
    r"log/proofs\.txt", r"log/consistency\.txt", r"log/rotations/(0|[1-9][0-9]{0,19})", r"log/cosigned/[0-9a-f]{8}",
    r"log/timestamps/((0|[1-9][0-9]{0,19})\.(tsr|checkpoint)|local\.pem)",
    rf"recordings/{ID}\.skr", rf"plans/{ID}\.(json|html|signed)", rf"(reviews|reports)/{ID}\.(json|html)", rf"approvals/{ID}\.json", rf"cases/{ID}\.line",
]
FIELDS = ["format", "origin", "made_at", "scope", "all_entries", "entries", "checkpoint", "sessions", "lacking", "plans", "files"]
MIB = 1024 * 1024


# --- the archive --------------------------------------------------------------------------------------------------------


class Archive:
    """A ZIP file, taken apart by the page and not by a library that searches."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        start, count, until = self.end()
        self.files, places, at = {}, [], start
        for _ in range(count):
            head = self.part(at, 46)
            if head[:4] != b"PK\1\2":
                raise Bad("the directory is damaged")
            (_, _, flags, method, _, _, crc, packed, size, name_len, extra_len, note_len, disk, _, _, local) = struct.unpack("<HHHHHHIIIHHHHHII", head[4:])
            name = self.part(at + 46, name_len)
            extra = self.part(at + 46 + name_len, extra_len)
            at += 46 + name_len + extra_len + note_len
            size, packed, local, disk = self.long(extra, size, packed, local, disk)
            try:
                text = name.decode("ascii")
            except UnicodeDecodeError as fault:
                raise Bad("a name is of no bundle") from fault
            if not any(re.fullmatch(form, text) for form in NAMES):
                raise Bad(f"no bundle has a file {text!r}")
            if text in self.files or disk or flags & 0x2041 or method not in (0, 8) or (method == 0 and size != packed):
                raise Bad(f"{text} is there twice, or packed in another way")
            if size > MIB and size // 200 > packed:
                raise Bad(f"{text} grows far too much")
            places.append((local, text, method, flags, crc, packed, size))
            self.files[text] = None
        if at != until:
            raise Bad("the directory is damaged")
        place = 0
        for local, text, method, flags, crc, packed, size in sorted(places):
            if local != place and not (place and local - place in (16, 24)):
                raise Bad("bytes belong to no file")
            head = self.part(local, 30)
            if head[:4] != b"PK\3\4":
                raise Bad("a local header is damaged")
            (_, lflags, lmethod, _, _, lcrc, lpacked, lsize, name_len, extra_len) = struct.unpack("<HHHHHIIIHH", head[4:])
            extra = self.part(local + 30 + name_len, extra_len)
            if self.part(local + 30, name_len) != text.encode() or lflags != flags or lmethod != method:
                raise Bad(f"{text} is another one in its local header")
            if not flags & 8:
                lsize, lpacked, _, _ = self.long(extra, lsize, lpacked, 0, 0)
                if (lcrc, lpacked, lsize) != (crc, packed, size):
                    raise Bad(f"{text} is another one in its local header")
            begin = local + 30 + name_len + extra_len
            place = begin + packed
            self.files[text] = (begin, packed, size, method, crc)
        if start != place and start - place not in (16, 24):
            raise Bad("bytes belong to no file")

    def part(self, at, length):
        part = self.data[at : at + length]
        if len(part) != length:
            raise Bad("the archive is cut")
        return part

    @staticmethod
    def long(extra, size, packed, local, disk):
        at = 0
        while at + 4 <= len(extra):
            kind, length = struct.unpack("<HH", extra[at : at + 4])
            field, at = extra[at + 4 : at + 4 + length], at + 4 + length
            if kind != 1:
                continue
            numbers = [struct.unpack("<Q", field[i : i + 8])[0] for i in range(0, len(field) - 7, 8)]
            if size == 0xFFFFFFFF and numbers:
                size = numbers.pop(0)
            if packed == 0xFFFFFFFF and numbers:
                packed = numbers.pop(0)
            if local == 0xFFFFFFFF and numbers:
                local = numbers.pop(0)
        return size, packed, local, disk

    def end(self):
        record = self.data[-22:]
        if len(record) != 22 or record[:8] != b"PK\5\6\0\0\0\0" or record[20:] != b"\0\0":
            raise Bad("no ZIP archive, or something follows its end")
        here, count, length, start = struct.unpack("<HHII", record[8:20])
        until = len(self.data) - 22
        if here != count:
            raise Bad("no ZIP archive that stands alone")
        if 0xFFFF in (count,) or 0xFFFFFFFF in (length, start):
            locator = self.part(until - 20, 20)
            if locator[:8] != b"PK\6\7\0\0\0\0" or locator[16:] != b"\1\0\0\0":
                raise Bad("no ZIP64 archive that stands alone")
            (place,) = struct.unpack("<Q", locator[8:16])
            if place + 56 != until - 20:
                raise Bad("bytes belong to no file")
            record = self.part(place, 56)
            if record[:12] != b"PK\6\6" + struct.pack("<Q", 44) or record[16:24] != bytes(8):
                raise Bad("no ZIP64 archive that stands alone")
            here, count, length, start = struct.unpack("<QQQQ", record[24:])
            until = place
            if here != count:
                raise Bad("no ZIP64 archive that stands alone")
        if count > 100_000 or start + length != until:
            raise Bad("bytes belong to no file, or there are too many of them")
        return start, count, until

    def read(self, name):
        """The bytes of a file; None if there is none."""
        if name not in self.files:
            return None
        begin, packed, size, method, crc = self.files[name]
        data = self.part(begin, packed)
        if method == 8:
            inflate = zlib.decompressobj(-15)
            try:
                data = inflate.decompress(data, size + 1)
            except zlib.error as fault:
                raise Bad(f"{name} cannot be inflated") from fault
            if not inflate.eof or inflate.unused_data or inflate.unconsumed_tail:
                raise Bad(f"{name} is longer, shorter or hides something")
        if len(data) != size:
            raise Bad(f"{name} is longer or shorter than the directory says")
        return data


# --- the bundle ---------------------------------------------------------------------------------------------------------


def proof_line(line):
    parts = line.decode("ascii", "replace").split(" ")
    if not re.fullmatch(r"0|[1-9][0-9]{0,19}", parts[0]) or len(parts) > 65 or not all(re.fullmatch(r"[0-9a-f]{64}", part) for part in parts[1:]):
        raise Bad("a line of proofs has another form")
    return int(parts[0]), [bytes.fromhex(part) for part in parts[1:]]


def lines_of(data, name):
    if data is None:
        raise Bad(f"{name} is missing")
    if data and not data.endswith(b"\n"):
        raise Bad(f"the last line of {name} has no end")
    return data[:-1].split(b"\n") if data else []


def included(leaf, seq, size, root, path):
    """RFC 9162, section 2.1.3.2."""
    if seq >= size:
        return False
    fn, sn, r = seq, size - 1, leaf
    for p in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def continues(old_size, old_root, size, root, path):
    """RFC 9162, section 2.1.4.2."""
    if old_size > size:
        return False
    if old_size == size:
        return not path and old_root == root
    if old_size == 0:
        return not path and old_root == hashlib.sha256(b"").digest()
    path = list(path)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    fn, sn = old_size - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == old_root and sr == root


class Bundle:
    def __init__(self, archive):
        self.archive, self.found, self.noted = archive, [], []

    def bad(self, place, what):
        self.found.append((place, what))

    def read(self, name):
        try:
            return self.archive.read(name)
        except Bad as fault:
            self.bad(name, str(fault))
            return None

    def under(self, folder):
        return sorted(name for name in self.archive.files if name.startswith(folder + "/"))

    # 1
    def keys_of(self, trusted):
        rotations = []
        for name in self.under("log/rotations"):
            number, text = name.rsplit("/", 1)[1], (self.read(name) or b"").decode("utf-8", "replace")
            keys, gap, note = text.partition("\n\n")
            parts = keys.split("\n")
            if not gap or len(parts) != 4 or parts[0] == parts[1]:
                raise Bad(f"{name} has another form")
            old, new, head = Key(parts[0], 1), Key(parts[1], 1), Note(note.encode())
            said = f"{number}\n{old.text}\n{new.text}\n{head.body}".encode()
            for key, part in ((old, parts[2]), (new, parts[3])):
                signature = unbase64(part)
                if len(signature) != 64 or not ed25519(key.public, signed_bytes(b"rotate/v1", said), signature):
                    raise Bad(f"{name}: a key did not sign the exchange")
            if not head.is_signed(old) or not head.is_signed(new) or head.size <= int(number):
                raise Bad(f"{name} is not signed by both keys")
            rotations.append((int(number), old, new, head))
        rotations.sort(key=lambda one: one[0])
        chain = [rotations[0][1]] if rotations else [trusted[0]]
        for _, old, new, _ in rotations:
            if chain[-1].text != old.text or any(key.text == new.text for key in chain):
                raise Bad("the exchanges do not follow from each other")
            chain.append(new)
        if any(all(key.text != own.text for own in chain) for key in trusted):
            raise Bad("a given key is none of this log's keys")
        lay_down(chain, rotations)
        return chain, rotations

    # 2
    def manifest(self):
        try:
            manifest = json.loads(self.read("manifest.json") or b"")
            scope = manifest["scope"]
            forms = {"session": ["session"], "plan": ["plan"], "case": ["case"], "period": ["from", "until"]}
            if sorted(manifest) != sorted(FIELDS) or manifest["format"] != "sekisho-bundle-v1" or sorted(scope) != sorted(["kind"] + forms[scope["kind"]]):
                raise Bad("it has another form")
            if scope["kind"] == "period":
                if not all(type(scope[name]) is int for name in ("from", "until")):
                    raise Bad("it has another form")
            elif not re.fullmatch(ID, scope[scope["kind"]]):
                raise Bad("what it is about is no id")
            if type(manifest["all_entries"]) is not bool or any(sorted(line) != ["bytes", "path", "sha256"] for line in manifest["files"]):
                raise Bad("it has another form")
            return manifest
        except (Bad, KeyError, TypeError, ValueError, AttributeError) as fault:
            self.bad("manifest.json", str(fault))
            return None

    # 3
    def entries(self, head, manifest):
        stretch = manifest is not None and (manifest["all_entries"] or manifest["scope"]["kind"] == "period")
        bodies, proofs = lines_of(self.read("log/entries.jsonl"), "log/entries.jsonl"), lines_of(self.read("log/proofs.txt"), "log/proofs.txt")
        if len(bodies) != len(proofs):
            raise Bad("entries and proofs are not as many")
        held, before, sound = [], None, True
        for body, line in zip(bodies, proofs):
            seq, path = proof_line(line)
            if before is not None and (seq <= before or (stretch and seq != before + 1)):
                self.bad(f"log entry {seq}", "entries are missing before it, or it stands twice")
                sound = False
            before = seq
            if len(body) > 65535 or not included(leaf_hash(body), seq, head.size, head.root, path):
                self.bad(f"log entry {seq}", "with its proof it does not lead to the root")
                sound = False
                continue
            try:
                entry = json.loads(body)
                if entry["seq"] != seq or type(entry["at"]) is not int or type(entry["kind"]) is not str:
                    raise Bad("it is none")
            except (Bad, ValueError, KeyError, TypeError) as fault:
                self.bad(f"log entry {seq}", str(fault))
                continue
            held.append((seq, body, entry))
        if manifest is None or not sound:
            return held, sound
        first, last = (held[0][0], held[-1][0]) if held else (None, None)
        if manifest["entries"] != {"count": len(held), "first": first, "last": last}:
            self.bad("log/entries.jsonl", "the entries are not those of the manifest")
        if manifest["checkpoint"] != {"size": head.size, "root": head.root.hex()} or manifest["origin"] != head.origin:
            self.bad("manifest.json", "it names another checkpoint")
        scope, begins, ends = manifest["scope"], True, True
        if manifest["all_entries"]:
            begins, ends = first == 0 or head.size == 0, (-1 if last is None else last) + 1 == head.size
        elif scope["kind"] == "period" and head.size:
            begins = bool(held) and (first == 0 or held[0][2]["at"] < scope["from"])
            ends = bool(held) and (last + 1 == head.size or held[-1][2]["at"] >= scope["until"])
        if not begins or not ends:
            self.bad("log/entries.jsonl", "nothing shows that none is missing at the edges")
        return held, sound

    # 4
    def exchanges(self, manifest, rotations, held):
        stretch = manifest is None or manifest["all_entries"] or manifest["scope"]["kind"] == "period"
        by_number = {seq: entry for seq, _, entry in held}
        for number, old, new, _ in rotations:
            entry = by_number.get(number)
            if entry is None:
                within = held and held[0][0] <= number <= held[-1][0]
                if not stretch or within:
                    self.bad(f"log/rotations/{number}", "no entry tells of it")
            elif (entry["kind"], entry.get("old"), entry.get("new")) != ("key_rotated", old.text, new.text):
                self.bad(f"log/rotations/{number}", "its entry is another one")
        for seq, _, entry in held:
            if entry["kind"] == "key_rotated" and all(number != seq for number, *_ in rotations):
                self.bad(f"log entry {seq}", "the exchange that it tells of is missing")

    # 5
    def heads(self, head, keys, rotations, held, sound, outside, witnesses, authorities):
        known = {}
        for line in lines_of(self.read("log/consistency.txt"), "log/consistency.txt"):
            try:
                size, path = proof_line(line)
                known.setdefault(size, path)
            except Bad:
                pass
        tree, roots = Tree(), {}
        for seq, body, _ in held:
            if seq != tree.size:
                break
            tree.append(leaf_hash(body))
            roots[tree.size] = tree.root()
        heads = [(f"log/rotations/{number}", old) for number, _, _, old in rotations]
        notes = []
        for text in outside:
            note = Note(text)
            by_any(note, keys)
            notes.append(note)
            heads.append(("outside checkpoint", note))
        for witness in witnesses:
            best = None
            inside = self.read(f"log/cosigned/{witness.id.hex()}")
            for note in ([Note(inside)] if inside is not None else []) + notes:
                try:
                    by_any(note, keys)
                    if note.is_cosigned(witness) and (best is None or note.size > best.size):
                        best = note
                except Bad:
                    pass
            if best is None:
                self.bad(f"log/cosigned/{witness.id.hex()}", "the witness has signed no checkpoint that is at hand")
            else:
                heads.append((f"log/cosigned/{witness.id.hex()}", best))
        if authorities:
            heads.extend(stamped(Stamps(self), keys, authorities))
        for place, old in heads:
            if old.origin != head.origin:
                self.bad(place, "it belongs to another log")
            elif old.size == head.size:
                if old.root != head.root:
                    self.bad(place, "the log is another one")
            elif sound and old.size in roots:
                if old.root != roots[old.size]:
                    self.bad(place, "the log is another one")
            elif old.size > head.size or old.size not in known:
                self.bad(place, "nothing shows that the log continues it")
            elif not continues(old.size, old.root, head.size, head.root, known[old.size]):
                self.bad(place, "the log is another one")

    # 6 and 7
    def recordings(self, head, keys, manifest, held, sound):
        entered, left, opened, away = {}, {}, {}, set()
        known = {entry.get("session") for _, _, entry in held if entry["kind"] in ("entered", "robot_entered")}
        # Of a session that entered before the part that is here, its deletion says nothing.
        files = {entry.get("attachment") for _, _, entry in held if entry["kind"] == "file_attached"}
        plans = {entry.get("plan") for _, _, entry in held if entry["kind"] == "plan_drawn"}

        def judged(entry):
            if entry["kind"] == "attachment_deleted":
                return entry.get("attachment") in files and entry.get("plan") in plans
            return entry["kind"] != "recording_deleted" or entry.get("session") in known

        gone = check_deletions(self, keys, [body for _, body, entry in held if judged(entry)])
        for seq, _, entry in held:
            kind, session = entry["kind"], entry.get("session")
            if kind in ("entered", "robot_entered", "left") and not re.fullmatch(ID, str(session)):
                self.bad(f"log entry {seq}", "the session's id is none")
            elif kind in ("entered", "robot_entered"):
                if session in entered or not re.fullmatch(r"[0-9a-f]{64}", str(entry.get("recording_header_digest"))):
                    self.bad(f"log entry {seq}", "the session entered twice, or without a digest")
                else:
                    entered[session] = entry["recording_header_digest"]
            elif kind == "left" and session in entered:
                if session in left:
                    self.bad(f"log entry {seq}", "the session left twice")
                left[session] = entry.get("digest")
            elif kind == "recording_moved_out" and session in left:
                away.add(session)
            elif kind == "case_opened":
                opened[entry.get("case")] = entry.get("line", "")
        scope = manifest["scope"]
        there = {"session": lambda: scope["session"] in entered, "plan": lambda: scope["plan"] in manifest["plans"], "case": lambda: scope["case"] in opened, "period": lambda: True}
        if sound and not there[scope["kind"]]():
            self.bad("manifest.json", "what it is about is not in the bundle")
        needed = set(manifest["sessions"]) | (set() if manifest["all_entries"] else set(left))
        for session in sorted(needed):
            place = f"recordings/{session}.skr"
            try:
                if session not in entered:
                    if sound:
                        raise Bad("no entry says that its session entered")
                    continue
                data = self.archive.read(place)
                if data is None and (session in gone or session in away):
                    continue
                if data is None:
                    raise Bad("it is missing")
                if session not in left or not left[session]:
                    raise Bad("no entry says how its session left")
                header, first, chain, _, _ = scan(data)
                if header["session"] != session or header["log_origin"] != head.origin or first.hex() != entered[session] or chain.hex() != left[session]:
                    raise Bad("it is another one")
            except (Bad, KeyError, TypeError, ValueError, struct.error) as fault:
                self.bad(place, str(fault))
        for name in self.under("recordings"):
            if name[len("recordings/") : -4] not in needed:
                self.bad(name, "nothing tells of it")
        return opened

    # 8 to 10
    def papers(self, manifest, keys, held, sound, opened):
        acts = {(entry.get("plan"), entry.get("signature")) for _, _, entry in held if entry["kind"] == "plan_acted"}
        stretch = manifest["all_entries"] or manifest["scope"]["kind"] == "period"
        all_there = not stretch or (held and held[0][0] == 0)
        for plan in sorted({plan for plan in manifest["plans"] if re.fullmatch(ID, str(plan))}):
            place = f"approvals/{plan}.json"
            try:
                data, signed = self.archive.read(place), self.archive.read(f"plans/{plan}.signed")
                if data is None or signed is None:
                    raise Bad("it, or what was signed, is missing")
                paper = json.loads(data)
                if paper["plan"] != plan:
                    raise Bad("it is of another plan")
                for one in paper["approvals"]:
                    text = f"{one['slot']}\n{one['by']}\n{one['at']}\n{one['digest']}\n".encode()
                    try:
                        signature = unbase64(one["signature"])
                    except Bad:
                        signature = b""
                    if len(signature) != 64 or not any(ed25519(key.public, signed_bytes(b"approve/v1", text), signature) for key in keys):
                        raise Bad("a signature does not hold")
                    other = one["digest"] != hashlib.sha256(signed).hexdigest()
                    if sound and not other and all_there and (plan, one["signature"]) not in acts:
                        raise Bad("the log tells of no such approval")
            except (Bad, KeyError, TypeError, ValueError) as fault:
                self.bad(place, str(fault))
        for name in self.under("cases"):
            case, data = name[len("cases/") : -5], self.read(name)
            if data is not None and (sound or case in opened) and hashlib.sha256(data).hexdigest() != opened.get(case):
                self.bad(name, "it is not the line that opened the case")

        # Of a review that was given back, the last digest is the one that counts.
        told = {("reviews", entry.get("review")): entry.get("digest") for _, _, entry in held if entry["kind"] in ("log_review_signed", "log_review_confirmed")}
        told |= {("reports", entry.get("report")): entry.get("digest") for _, _, entry in held if entry["kind"] == "report_issued"}
        for name in self.under("reviews") + self.under("reports"):
            folder, paper = name.split("/")
            data = self.read(name) if name.endswith(".json") else None
            if data is not None and sound and hashlib.sha256(data).hexdigest() != told.get((folder, paper[:-5])):
                self.bad(name, "no entry in the bundle names it")
        if sound and manifest["scope"]["kind"] == "period":
            ends = {"log_review_confirmed": "review", "report_issued": "report"}
            ended = [(ends[entry["kind"]], entry.get(ends[entry["kind"]])) for _, _, entry in held if entry["kind"] in ends]
            for name in sorted({f"{paper}s/{one}.json" for paper, one in ended if isinstance(one, str)} - set(self.archive.files)):
                self.noted.append((name, "an entry tells of it, and it is missing"))

    # 11
    def files(self, manifest, key):
        listed = {"manifest.json", "manifest.sig"}
        for line in manifest["files"]:
            path = line["path"]
            if path in listed or not any(re.fullmatch(form, str(path)) for form in NAMES):
                self.bad(str(path), "the manifest names it twice, or no bundle has it")
                continue
            listed.add(path)
            data = self.read(path)
            if data is None or len(data) != line["bytes"] or hashlib.sha256(data).hexdigest() != line["sha256"]:
                self.bad(path, "it is not the file of the manifest")
        for path in set(self.archive.files) - listed:
            self.bad(path, "it is not in the manifest")
        try:
            text = (self.read("manifest.sig") or b"").decode("ascii", "replace")
            signature = unbase64(text[:-1]) if text.endswith("\n") else b""
            if len(signature) != 64 or not ed25519(key.public, signed_bytes(b"bundle/v1", self.read("manifest.json") or b""), signature):
                raise Bad("the signature does not hold")
        except Bad as fault:
            self.bad("manifest.sig", str(fault))


class Stamps:
    """The time stamps of a bundle, as verify.py asks for those of a folder."""

    def __init__(self, bundle):
        self.bundle, self.bad = bundle, bundle.bad

    def names(self, folder):
        return [name[len(folder) + 1 :] for name in self.bundle.under(folder)]

    def read(self, path, limit):
        data = self.bundle.archive.read(path)
        if data is not None and len(data) > limit:
            raise Bad(f"{path} is too long")
        return data


def verify(path, trusted, outside, witnesses, authorities):
    try:
        bundle = Bundle(Archive(path))
    except Bad as fault:
        return [("archive", str(fault))], []
    try:
        keys, rotations = bundle.keys_of(trusted)
        manifest = bundle.manifest()
        head = Note(bundle.read("log/checkpoint") or b"")
        if not head.is_signed(keys[-1]):
            raise Bad("the checkpoint is not signed by the expected key")
        held, sound = bundle.entries(head, manifest)
        if sound:
            bundle.exchanges(manifest, rotations, held)
        bundle.heads(head, keys, rotations, held, sound, outside, witnesses, authorities)
        if manifest:
            opened = bundle.recordings(head, keys, manifest, held, sound)
            bundle.papers(manifest, keys, held, sound, opened)
            bundle.files(manifest, keys[-1])
    except (Bad, binascii.Error, UnicodeDecodeError) as fault:
        bundle.bad("bundle", str(fault))
    return bundle.found, bundle.noted


def text_or_file(text):
    try:
        with open(text, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return text.strip()


def main():
    asked = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    asked.add_argument("file")
    asked.add_argument("--key", action="append", required=True)
    asked.add_argument("--checkpoint", action="append", default=[])
    asked.add_argument("--witness", action="append", default=[])
    asked.add_argument("--tsa-ca", action="append", default=[])
    args = asked.parse_args()
    outside = []
    for path in args.checkpoint:
        with open(path, "rb") as file:
            outside.append(file.read(16385))
    found, noted = verify(args.file, [Key(text_or_file(text), 1) for text in args.key], outside, [Key(text_or_file(text), 4) for text in args.witness], args.tsa_ca)
    for place, what in found:
        print(f"{place}: {what}".encode("unicode_escape").decode())
    for place, what in noted:
        print(f"NOTE {place}: {what}".encode("unicode_escape").decode())
    print("NOT OK" if found else "OK")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
