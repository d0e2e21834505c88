"""Every case of the matrix with asyncssh, on one connection that changes its keys after each megabyte."""

import asyncio
import hashlib
import json
import os
import random
import sys

import asyncssh

HOW = json.loads(sys.argv[1])
FOLDER = HOW["folder"]
NOISE = random.Random(7).randbytes(30_000_000)
ODD = ["電子カルテ.txt".encode(), b"new\nline", b"\xff\xfe\x83e\x83X\x83g", b"quote's \"and\" $dollar", b"-dash", "長".encode() * 85]


class Client(asyncssh.SSHClient):
    def kbdint_auth_requested(self):
        return ""

    def kbdint_challenge_received(self, name, instructions, lang, prompts):
        return [HOW["code"]] * len(prompts)


def weight(data):
    return f"{len(data)} bytes {hashlib.sha256(data).hexdigest()[:16]}"


def told(fault):
    return f"{type(fault).__name__} {getattr(fault, 'code', '')} {getattr(fault, 'reason', fault)}"


async def tried(awaitable):
    try:
        done = await awaitable
        return "done" if done is None else str(done)
    except (asyncssh.Error, OSError) as fault:
        return told(fault)


def end(done):
    return {"exit": done.exit_status, "signal": str(done.exit_signal), "out": done.stdout, "err": done.stderr}


async def run(line, **more):
    return end(await CONNECTION.run(line, **more))


async def command():
    return await run("printf out; printf err >&2; exit 7")


async def ended_by_signal():
    return await run("echo before; kill -SEGV $$")


async def signals():
    facts = {}
    for name in ("TERM", "INT", "HUP", "USR1", "KILL"):
        # A server that runs as root passes no signals on; then the command ends by itself.
        line = f"trap 'echo got {name}; exit 4' {name}; echo ready; for i in 1 2 3 4 5 6 7 8; do sleep 0.05; done; exit 9"
        process = await CONNECTION.create_process(line)
        await process.stdout.readline()
        process.send_signal(name)
        facts[name] = json.dumps(end(await process.wait()))
    return facts


async def window_changes():
    line = "stty -echo; echo BEGIN; for i in $(seq 60); do echo line $i; sleep 0.02; done; stty size; echo END"
    process = await CONNECTION.create_process(line, term_type="xterm", term_size=(80, 24))
    text = await process.stdout.readuntil("BEGIN")
    for step in range(25):
        process.change_terminal_size(60 + step, 20 + step % 9)
        await asyncio.sleep(0.02)
    process.change_terminal_size(132, 43)
    text = await process.stdout.readuntil("END")
    return {"exit": (await process.wait()).exit_status, "screen": text}


async def variables():
    return await run("echo $LANG:$LC_ALL:$NOPE", env={"LANG": "ja_JP.UTF-8", "LC_ALL": "C", "NOPE": "1"})


async def binary():
    done = await CONNECTION.run("cat; printf err >&2", input=NOISE, encoding=None)
    return {"out": weight(done.stdout), "err": done.stderr.decode()}


async def half_close():
    process = await CONNECTION.create_process("cat; sleep 0.2; echo end; exit 3")
    process.stdin.write("一行\n")
    process.stdin.write_eof()
    return end(await process.wait())


async def slow_reader():
    process = await CONNECTION.create_process("head -c 12000000 /dev/zero; exit 5", encoding=None)
    await asyncio.sleep(1.0)
    total = 0
    while data := await process.stdout.read(200_000):
        total += len(data)
        await asyncio.sleep(0.001)
    return {"bytes": total, "exit": (await process.wait()).exit_status}


async def channels():
    lines = [f"head -c 300000 /dev/zero | tr '\\0' {number}; exit {number}" for number in range(8)]
    done = await asyncio.gather(*(CONNECTION.run(line) for line in lines))
    return {str(number): f"{one.exit_status} {weight(one.stdout.encode())}" for number, one in enumerate(done)}


async def new_keys_under_load():
    async def up():
        return weight((await CONNECTION.run("cat > /dev/null; echo up", input=NOISE, encoding=None)).stdout)

    async def down():
        return weight((await CONNECTION.run("head -c 30000000 /dev/zero", encoding=None)).stdout)

    done = await asyncio.gather(up(), down(), down())
    return {str(number): one for number, one in enumerate(done)}


async def shell():
    async with CONNECTION.create_process(term_type="dumb", encoding="utf-8") as process:
        process.stdin.write("PS1=; stty -echo; echo rea''dy\n")
        await process.stdout.readuntil("ready")
        process.stdin.write("echo BEG''IN; echo '関所'; exit 8\n")
        await process.stdout.readuntil("BEGIN")
        rest = await process.stdout.read()
        return {"screen": rest, "exit": (await process.wait()).exit_status}


async def sftp_files():
    here, there = os.path.join(FOLDER, "here"), os.path.join(FOLDER, "there")
    os.makedirs(here), os.makedirs(there)
    with open(os.path.join(here, "large"), "wb") as file:
        file.write(NOISE)
    facts = {}
    async with CONNECTION.start_sftp_client() as sftp:
        facts["version"] = str(sftp.version)
        facts["put"] = await tried(sftp.put(os.path.join(here, "large"), os.path.join(there, "large"), preserve=True))
        facts["get"] = await tried(sftp.get(os.path.join(there, "large"), os.path.join(here, "back"), max_requests=256, block_size=65536))
        facts["same"] = weight(open(os.path.join(here, "back"), "rb").read())
        facts["put tree"] = await tried(sftp.put(here, os.path.join(there, "tree"), recurse=True))
        facts["makedirs"] = await tried(sftp.makedirs(os.path.join(there, "a/b/c")))
        facts["rename"] = await tried(sftp.rename(os.path.join(there, "large"), os.path.join(there, "renamed")))
        facts["rename over"] = await tried(sftp.rename(os.path.join(there, "renamed"), os.path.join(there, "tree/back")))
        facts["posix rename"] = await tried(sftp.posix_rename(os.path.join(there, "renamed"), os.path.join(there, "tree/back")))
        facts["symlink"] = await tried(sftp.symlink("tree/back", os.path.join(there, "soft")))
        facts["readlink"] = await tried(sftp.readlink(os.path.join(there, "soft")))
        facts["hard link"] = await tried(sftp.link(os.path.join(there, "tree/back"), os.path.join(there, "hard")))
        facts["realpath"] = await tried(sftp.realpath(os.path.join(there, "a/../a/./b")))
        facts["chmod"] = await tried(sftp.chmod(os.path.join(there, "hard"), 0o640))
        facts["truncate"] = await tried(sftp.truncate(os.path.join(there, "hard"), 12345))
        facts["utime"] = await tried(sftp.utime(os.path.join(there, "hard"), (1_600_000_000, 1_600_000_000)))
        stat = await sftp.stat(os.path.join(there, "hard"))
        facts["stat"] = f"{stat.size} {stat.permissions:o} {stat.mtime}"
        facts["absent"] = await tried(sftp.stat(os.path.join(there, "absent")))
        facts["remove folder"] = await tried(sftp.remove(os.path.join(there, "a")))
        facts["rmdir full"] = await tried(sftp.rmdir(os.path.join(there, "a")))
        facts["remote copy"] = await tried(sftp.remote_copy(os.path.join(there, "hard"), os.path.join(there, "copied")))
        async with sftp.open(os.path.join(there, "text"), "w+") as file:
            await file.write("一二三")
            await file.seek(3)
            facts["read at"] = await file.read(3)
            facts["fsync"] = await tried(file.fsync())
        async with sftp.open(os.path.join(there, "text"), "a") as file:
            await file.write("四")
        facts["statvfs"] = "known" if (await sftp.statvfs(there)).bsize else "unknown"
        facts["rmtree"] = await tried(sftp.rmtree(os.path.join(there, "a")))
        facts["list"] = json.dumps(sorted(await sftp.listdir(there)))
    return facts


async def sftp_odd_names():
    there = os.path.join(FOLDER, "odd").encode()
    os.makedirs(there)
    facts = {}
    async with CONNECTION.start_sftp_client(path_encoding=None) as sftp:
        for number, name in enumerate(ODD):
            path = os.path.join(there, name)
            async with sftp.open(path, "wb") as file:
                await file.write(name * 100)
            async with sftp.open(path, "rb") as file:
                facts[str(number)] = weight(await file.read())
        facts["listed"] = repr(sorted(await sftp.listdir(there)))
        for name in ODD[:3]:
            await sftp.rename(os.path.join(there, name), os.path.join(there, name + b"2"))
            await sftp.remove(os.path.join(there, name + b"2"))
    facts["left"] = repr(sorted(os.listdir(there)))
    return facts


async def sftp_reader_that_leaves():
    path = os.path.join(FOLDER, "leaves")
    with open(path, "wb") as file:
        file.write(NOISE)
    async with CONNECTION.start_sftp_client() as sftp:
        task = asyncio.create_task(sftp.get(path, path + "-back"))
        await asyncio.sleep(0.05)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        facts = {"next": (await sftp.stat(path)).size}
    return {**facts, **(await run("echo on"))}


async def small_files():
    here, there = os.path.join(FOLDER, "small"), os.path.join(FOLDER, "small-there")
    os.makedirs(here)
    for number in range(400):
        with open(os.path.join(here, f"{number}"), "w") as file:
            file.write(str(number))
    async with CONNECTION.start_sftp_client() as sftp:
        await sftp.put(here, there, recurse=True)
        await sftp.get(there, here + "-back", recurse=True)
    back = sorted(os.listdir(here + "-back"))
    return {"count": len(back), "same": all(open(f"{here}-back/{name}").read() == name for name in back)}


async def scp():
    here, there = os.path.join(FOLDER, "scp"), os.path.join(FOLDER, "scp-there")
    os.makedirs(here), os.makedirs(there)
    for name in ("一.txt", "two words"):
        with open(os.path.join(here, name), "wb") as file:
            file.write(NOISE[:3_000_000])
    up = await tried(asyncssh.scp(here, (CONNECTION, there), recurse=True, preserve=True))
    down = await tried(asyncssh.scp((CONNECTION, os.path.join(there, "scp")), here + "-back", recurse=True))
    absent = await tried(asyncssh.scp((CONNECTION, "/absent/file"), here))
    return {"up": up, "down": down, "absent": absent, "back": repr(sorted(os.listdir(here + "-back")))}


async def forward_not_in_the_plan():
    return {"forward": await tried(CONNECTION.open_connection("127.0.0.1", HOW["behind"]))}


async def main():
    global CONNECTION
    CONNECTION = await asyncssh.connect(
        "127.0.0.1", HOW["port"], username=HOW["login"], client_keys=[HOW["key"]], known_hosts=None, client_factory=Client, config=None,
        agent_path=None, rekey_bytes=1_000_000,
    )
    facts = {}
    for case in CASES:
        name = case.__name__.replace("_", " ")
        try:
            facts[name] = await asyncio.wait_for(case(), 60)
        except Exception as fault:  # a case that fails is told like any other outcome
            facts[name] = {"fault": told(fault)}
    facts["forward not in the plan"] = {"reached": "done" if "SSHReader" in str(facts["forward not in the plan"]) else "refused"}
    CONNECTION.close()
    await CONNECTION.wait_closed()
    print(json.dumps(facts))


CASES = [
    command, ended_by_signal, signals, window_changes, variables, binary, half_close, slow_reader, channels, new_keys_under_load, shell,
    sftp_files, sftp_odd_names, sftp_reader_that_leaves, small_files, scp, forward_not_in_the_plan,
]
asyncio.run(main())
