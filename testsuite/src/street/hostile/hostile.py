"""Acts of a client that breaks the rules behind the key exchange, and an honest login after each.

hostile.py PORT [{"attack": NAME, "inside": BOOL, "who": {"login", "key", "code"}}, ...]
"""

import json
import socket
import struct
import sys
import time

import paramiko
from paramiko import Message
from paramiko.transport import Transport

PORT = int(sys.argv[1])
ESCAPES = "\x1b[2J\r\nFORGED 2026-01-01 a line of its own\n"


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack(">I", len(data)) + data


def number(value):
    return struct.pack(">I", value & 0xFFFFFFFF)


class Line(Transport):
    """A connection whose rules can be broken."""

    def __init__(self):
        stream = socket.create_connection(("127.0.0.1", PORT), timeout=10)
        super().__init__(stream)
        self.start_client(timeout=10)

    def say(self, kind, *parts):
        message = Message()
        message.add_byte(bytes([kind]))
        message.add_bytes(b"".join(parts))
        self._send_message(message)

    def log_in(self, who):
        more = self.auth_publickey(who["login"], paramiko.Ed25519Key(filename=who["key"]))
        if more:
            self.auth_interactive(who["login"], lambda title, words, prompts: [who["code"]] * len(prompts))


def request(name="x+ehr-db01", method="none", *parts):
    return text(name) + text("ssh-connection") + text(method) + b"".join(parts)


def begin(line):
    line.say(5, text("ssh-userauth"))


# --- before the login


def success_said_by_the_client(line, who):
    begin(line)
    line.say(52)
    line.say(90, text("session"), number(0), number(1 << 21), number(32768))
    line.say(98, number(0), text("exec"), b"\1", text("id > /tmp/broken-in"))


def channel_before_login(line, who):
    line.say(90, text("session"), number(0), number(1 << 21), number(32768))
    begin(line)
    for _ in range(300):
        line.say(90, text("direct-tcpip"), number(0), number(1 << 21), number(32768), text("127.0.0.1"), number(22), text("x"), number(1))


def requests_before_login(line, who):
    for _ in range(3_000):
        line.say(80, text("tcpip-forward"), b"\1", text(ESCAPES), number(22))
    for kind in (93, 94, 95, 96, 97, 98, 99, 100):
        line.say(kind, number(0), text("x"))


def answers_unasked(line, who):
    begin(line)
    for _ in range(200):
        line.say(61, number(1), text("123456"))
    line.say(61, number(0xFFFFFFFF))
    line.say(60, text(""), text(""), text(""), number(0))


def unknown_messages(line, who):
    for kind in [*range(7, 20), *range(22, 30), *range(32, 50), 53, 54, 81, 82, 192, 255]:
        line.say(kind, b"whatever")


def long_name(line, who):
    begin(line)
    line.say(50, request(ESCAPES * 5_000))


def forged_names(line, who):
    begin(line)
    for name in (ESCAPES, "a+b\n", "x\0y+z", "\u202eevil+ehr-db01", "+" * 9_000, b"\xff\xfe+ehr-db01"):
        line.say(50, request(name, "password", b"\0", text("x")))


def long_password(line, who):
    begin(line)
    line.say(50, request(who["login"], "password", b"\0", text("p" * 200_000)))


def methods_without_end(line, who):
    begin(line)
    for _ in range(1_500):
        line.say(50, request(who["login"]))


def broken_requests(line, who):
    begin(line)
    for parts in ((b"",), (number(0xFFFFFFFF),), (text("x"),), (text("x"), number(9)), (request("x", "password"),), (request("x", "publickey", b"\1"),), (request("x", "keyboard-interactive"), b"rest")):
        line.say(50, *parts)


def broken_keys(line, who):
    begin(line)
    for blob in (b"", b"\0" * 40, text("ssh-ed25519") + text("short"), text("ssh-rsa") + text(b"\1") + text(b"\0" * 60_000), text("ssh-ed25519-cert-v01@openssh.com") + text("x" * 500)):
        for kind in ("ssh-ed25519", "ssh-rsa", "rsa-sha2-512", "ssh-ed25519-cert-v01@openssh.com", ESCAPES):
            line.say(50, request(who["login"], "publickey", b"\0", text(kind), text(blob)))
            line.say(50, request(who["login"], "publickey", b"\1", text(kind), text(blob), text(text(kind) + text("no signature"))))


def services_without_end(line, who):
    for _ in range(5_000):
        line.say(5, text("ssh-userauth"))


def service_nobody_knows(line, who):
    line.say(5, text("ssh-connection"))
    line.say(5, text(ESCAPES))
    line.say(5, number(0xFFFFFFFF))


def rekey_flood(line, who):
    begin(line)
    rekey_flood_at_work(line, who)


def huge_packet(line, who):
    line.say(2, text("x" * 250_000))
    line.say(2, text("x" * 4_000_000))


def goodbye_with_escapes(line, who):
    line.say(1, number(2), text(ESCAPES), text(ESCAPES))


def names_that_change(line, who):
    begin(line)
    for guess in range(40):
        line.say(50, request(f"w{guess}+ehr-db01", "password", b"\0", text("x")))


# --- after the login


def hundreds_of_channels(line, who):
    for channel in range(600):
        line.say(90, text("session"), number(channel + 100), number(1 << 21), number(32768))


def global_requests(line, who):
    for name in ("tcpip-forward", "cancel-tcpip-forward", "streamlocal-forward@openssh.com", "no-more-sessions@openssh.com", "hostkeys-00@openssh.com", ESCAPES, "x" * 30_000):
        for _ in range(400):
            line.say(80, text(name), b"\1", text("127.0.0.1"), number(0))


def opened(line, window=1 << 21):
    channel = line.open_session(window_size=max(window, 1), timeout=10)
    return channel


def window_of_lies(line, who):
    channel = opened(line)
    channel.exec_command("head -c 3000000 /dev/zero")
    for _ in range(200):
        line.say(93, number(channel.remote_chanid), number(0xFFFFFFFF))


def data_beyond_the_window(line, who):
    channel = opened(line)
    channel.exec_command("sleep 5")
    for _ in range(300):
        line.say(94, number(channel.remote_chanid), text(b"x" * 32_000))


def unknown_channels(line, who):
    opened(line)
    for kind in (93, 94, 95, 96, 97, 98):
        for channel in (7, 0x7FFFFFFF, 0xFFFFFFFF):
            line.say(kind, number(channel), number(1), text("x"))
    for kind in (91, 92, 99, 100):
        line.say(kind, number(0), number(0), number(0), number(0))


def two_starts(line, who):
    channel = opened(line)
    for _ in range(20):
        line.say(98, number(channel.remote_chanid), text("exec"), b"\1", text("sleep 1"))
        line.say(98, number(channel.remote_chanid), text("shell"), b"\1")
        line.say(98, number(channel.remote_chanid), text("subsystem"), b"\1", text("sftp"))


def long_requests(line, who):
    channel = opened(line)
    at = number(channel.remote_chanid)
    line.say(98, at, text("pty-req"), b"\1", text("t" * 90_000), number(10**9), number(10**9), number(0), number(0), text(b"\x81" * 50_000))
    for _ in range(300):
        line.say(98, at, text("env"), b"\1", text(ESCAPES), text("v" * 100_000))
    line.say(98, at, text("signal"), b"\0", text("S" * 100_000))
    line.say(98, at, text("window-change"), b"\0", number(0xFFFFFFFF), number(0xFFFFFFFF), number(0xFFFFFFFF), number(0xFFFFFFFF))
    line.say(98, at, text("x11-req"), b"\1", b"\1", text(ESCAPES), text("c" * 90_000), number(0))
    line.say(98, at, text("exec"), b"\1", text("e" * 200_000))


def ends_without_end(line, who):
    channel = opened(line)
    channel.exec_command("cat")
    for _ in range(500):
        line.say(96, number(channel.remote_chanid))
    for _ in range(500):
        line.say(97, number(channel.remote_chanid))
        line.say(94, number(channel.remote_chanid), text("after the end"))


def kinds_of_channels(line, who):
    for kind in ("x11", "forwarded-tcpip", "direct-tcpip", "direct-streamlocal@openssh.com", "tun@openssh.com", "auth-agent@openssh.com", ESCAPES, "k" * 50_000):
        for _ in range(30):
            line.say(90, text(kind), number(5), number(1 << 21), number(32768), text(ESCAPES * 100), number(22), text("x"), number(1))
    line.say(90, text("session"))
    line.say(90, number(0xFFFFFFFF))


def login_again(line, who):
    line.say(5, text("ssh-userauth"))
    line.say(50, request("somebody-else+ehr-db01", "password", b"\0", text("x")))
    line.say(52)
    line.say(61, number(1), text("000000"))


def rekey_flood_at_work(line, who):
    for _ in range(300):
        lists = b"".join(text(one) for one in ("curve25519-sha256", "ssh-ed25519", "aes128-ctr", "aes128-ctr", "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", ""))
        line.say(20, b"\7" * 16, lists, b"\0", number(0))


def zero_window(line, who):
    line.say(90, text("session"), number(55), number(0), number(0))
    line.say(90, text("session"), number(56), number(0xFFFFFFFF), number(0xFFFFFFFF))
    line.say(98, number(1), text("exec"), b"\1", text("yes"))


def honest(line, who):
    pass


def attack(act, line, who):
    try:
        act(line, who)
        time.sleep(0.15)
        return "open" if line.is_active() else "closed"
    except (OSError, EOFError, paramiko.SSHException, struct.error) as fault:
        return f"closed: {type(fault).__name__}"


def log_in(who):
    """A login, timed, and one command to see that it works."""
    begun = time.monotonic()
    line = Line()
    line.log_in(who)
    took = time.monotonic() - begun
    channel = line.open_session(timeout=15)
    channel.settimeout(15)
    channel.exec_command("echo here")
    heard = channel.makefile("rb").read()
    return line, took, heard == b"here\n"


def main():
    paramiko.util.logging.getLogger("paramiko").setLevel(100)
    rows, held = [], []
    for how in json.loads(sys.argv[2]):
        who, act = how["who"], globals()[how["attack"]]
        row = {"attack": how["attack"]}
        if how.get("inside"):
            # The login of who attacks next is the honest login after the attack before.
            line, took, worked = log_in(who)
            row.update(login_seconds=round(took, 2), worked=worked, then=attack(act, line, who))
        else:
            bad = Line()
            row["then"] = attack(act, bad, who)
            row["broken_in"] = bad.is_authenticated()
            line, took, worked = log_in(who)
            row.update(login_seconds=round(took, 2), worked=worked)
            held.append(bad)
        held.append(line)
        if len(held) > 12:
            held.pop(0).close()
        rows.append(row)
    print(json.dumps(rows), flush=True)
    for line in held:
        line.close()


main()
