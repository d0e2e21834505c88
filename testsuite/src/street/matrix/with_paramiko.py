"""Every case of the matrix with Paramiko, on one connection that changes its keys after each few megabytes."""

import hashlib
import io
import json
import os
import random
import sys
import threading
import time

import paramiko

HOW = json.loads(sys.argv[1])
FOLDER = HOW["folder"]
NOISE = random.Random(9).randbytes(12_000_000)
ODD = ["電子カルテ.txt".encode(), b"new\nline", b"\xff\xfe\x83e\x83X\x83g", b"quote's \"and\" $dollar", b"-dash"]

paramiko.packet.Packetizer.REKEY_BYTES = 4 << 20
paramiko.packet.Packetizer.REKEY_PACKETS = 1 << 20

# Paramiko hangs for good, on a direct connection too, if a channel is closed by the other side while new keys are being
# agreed on: the thread that would finish the agreement answers the close, and waits for itself. What carries much data
# therefore stays open for longer than an agreement takes.
LINGER = "sleep 1"


def weight(data):
    return f"{len(data)} bytes {hashlib.sha256(data).hexdigest()[:16]}"


def tried(act, *words):
    try:
        done = act(*words)
        return "done" if done is None else str(done)
    except (OSError, paramiko.SSHException, EOFError) as fault:
        return f"{type(fault).__name__} {fault}"


def channel():
    made = TRANSPORT.open_session(timeout=20)
    made.settimeout(30)
    return made


def run(line, data=b"", environment=None):
    made = channel()
    if environment:
        made.update_environment(environment)
    made.exec_command(line)
    errors = []
    reader = threading.Thread(target=lambda: errors.append(made.makefile_stderr("rb").read()))
    reader.start()

    def feed():
        made.sendall(data)
        made.shutdown_write()

    writer = threading.Thread(target=feed)
    writer.start()
    out = made.makefile("rb").read()
    reader.join(), writer.join()
    return {"exit": made.recv_exit_status(), "out": weight(out) if len(out) > 200 else out.decode(), "err": errors[0].decode()}


def command():
    return run("printf out; printf err >&2; exit 7")


def ended_by_signal():
    return run("echo before; kill -TERM $$")


def variables():
    return run("echo $LANG:$NOPE", environment={"LANG": "ja_JP.UTF-8", "NOPE": "1"})


def half_close():
    return run("cat; sleep 0.2; echo end; exit 3", "一行\n".encode())


def binary_and_new_keys():
    return run(f"cat; printf err >&2; {LINGER}", NOISE)


def slow_reader():
    made = channel()
    made.exec_command(f"head -c 8000000 /dev/zero; {LINGER}; exit 5")
    time.sleep(1.0)
    total = 0
    while data := made.recv(100_000):
        total += len(data)
        time.sleep(0.001)
    return {"bytes": total, "exit": made.recv_exit_status()}


def channels():
    made = [channel() for _ in range(8)]
    for number, one in enumerate(made):
        one.exec_command(f"sleep 0.2; echo {number}; exit {number}")
    return {str(number): f"{one.makefile('r').read().strip()} {one.recv_exit_status()}" for number, one in enumerate(made)}


def terminal_and_window_changes():
    made = channel()
    made.get_pty("xterm", 80, 24)
    made.exec_command("stty -echo; echo BEGIN; for i in $(seq 40); do echo line $i; sleep 0.02; done; stty size; echo END; exit 6")
    text = b""
    while b"BEGIN" not in text:
        text += made.recv(4096)
    for step in range(20):
        made.resize_pty(60 + step, 20 + step % 9)
        time.sleep(0.02)
    made.resize_pty(132, 43)
    while data := made.recv(4096):
        text += data
    screen = text.split(b"BEGIN", 1)[1].split(b"END")[0].decode()
    return {"screen": screen, "exit": made.recv_exit_status()}


def errors_joined_to_output():
    made = channel()
    made.set_combine_stderr(True)
    made.exec_command("printf out; sleep 0.1; printf err >&2")
    return {"out": made.makefile("r").read().decode()}


def sftp_files():
    here, there = os.path.join(FOLDER, "here"), os.path.join(FOLDER, "there")
    os.makedirs(here), os.makedirs(there)
    with open(os.path.join(here, "large"), "wb") as file:
        file.write(NOISE)
    at = lambda name: os.path.join(there, name)
    facts = {}
    sftp = paramiko.SFTPClient.from_transport(TRANSPORT)
    sftp.get_channel().settimeout(60)
    facts["put"] = sftp.put(os.path.join(here, "large"), at("large")).st_size
    sftp.get(at("large"), os.path.join(here, "back"))
    facts["get"] = weight(open(os.path.join(here, "back"), "rb").read())
    facts["putfo"] = sftp.putfo(io.BytesIO(NOISE[:100_000]), at("fo")).st_size
    facts["mkdir"] = tried(sftp.mkdir, at("a"), 0o750)
    facts["mkdir again"] = tried(sftp.mkdir, at("a"))
    facts["rename"] = tried(sftp.rename, at("large"), at("a/large"))
    facts["rename over"] = tried(sftp.rename, at("fo"), at("a/large"))
    facts["posix rename"] = tried(sftp.posix_rename, at("fo"), at("a/large"))
    facts["symlink"] = tried(sftp.symlink, "a/large", at("soft"))
    facts["readlink"] = tried(sftp.readlink, at("soft"))
    facts["normalize"] = tried(sftp.normalize, at("a/../a/./large"))
    facts["chmod"] = tried(sftp.chmod, at("a/large"), 0o640)
    facts["truncate"] = tried(sftp.truncate, at("a/large"), 777)
    facts["utime"] = tried(sftp.utime, at("a/large"), (1_600_000_000, 1_600_000_000))
    stat = sftp.stat(at("a/large"))
    facts["stat"] = f"{stat.st_size} {stat.st_mode:o} {stat.st_mtime}"
    facts["absent"] = tried(sftp.stat, at("absent"))
    facts["absent get"] = tried(sftp.get, at("absent"), os.path.join(here, "absent"))
    facts["rmdir full"] = tried(sftp.rmdir, at("a"))
    with sftp.open(at("text"), "w+") as file:
        file.write("一二三")
        file.seek(3)
        facts["read at"] = file.read(3).decode()
    with sftp.open(at("text"), "a") as file:
        file.write("四")
    with sftp.open(at("text"), "r") as file:
        file.prefetch()
        facts["prefetched"] = file.read().decode()
    sftp.remove(at("a/large"))
    sftp.rmdir(at("a"))
    facts["list"] = json.dumps(sorted(sftp.listdir(there)))
    sftp.close()
    return facts


def sftp_odd_names():
    there = os.path.join(FOLDER, "odd").encode()
    os.makedirs(there)
    sftp = paramiko.SFTPClient.from_transport(TRANSPORT)
    facts = {}
    for number, name in enumerate(ODD):
        path = os.path.join(there, name)
        with sftp.open(path, "wb") as file:
            file.write(name * 100)
        with sftp.open(path, "rb") as file:
            facts[str(number)] = weight(file.read())
    facts["left"] = repr(sorted(os.listdir(there)))
    for name in ODD[:2]:
        sftp.rename(os.path.join(there, name), os.path.join(there, name + b"2"))
    facts["renamed"] = repr(sorted(os.listdir(there)))
    sftp.close()
    return facts


def small_files():
    there = os.path.join(FOLDER, "small")
    os.makedirs(there)
    sftp = paramiko.SFTPClient.from_transport(TRANSPORT)
    for number in range(300):
        sftp.putfo(io.BytesIO(str(number).encode()), os.path.join(there, str(number)))
    same = all(sftp.open(os.path.join(there, name)).read().decode() == name for name in sftp.listdir(there))
    sftp.close()
    return {"count": len(os.listdir(there)), "same": same}


def main():
    global TRANSPORT
    if HOW.get("log"):
        paramiko.util.log_to_file(HOW["log"])
    TRANSPORT = paramiko.Transport(("127.0.0.1", HOW["port"]))
    TRANSPORT.start_client(timeout=20)
    more = TRANSPORT.auth_publickey(HOW["login"], paramiko.Ed25519Key(filename=HOW["key"]))
    if more:
        TRANSPORT.auth_interactive(HOW["login"], lambda title, words, prompts: [HOW["code"]] * len(prompts))
    facts = {}
    for case in CASES:
        name = case.__name__.replace("_", " ")
        try:
            facts[name] = case()
        except Exception as fault:  # a case that fails is told like any other outcome
            facts[name] = {"fault": f"{type(fault).__name__} {fault}"}
    TRANSPORT.close()
    print(json.dumps(facts))


CASES = [
    command, ended_by_signal, variables, half_close, binary_and_new_keys, slow_reader, channels, terminal_and_window_changes,
    errors_joined_to_output, sftp_files, sftp_odd_names, small_files,
]
main()
