"""One run at a time on an output folder, and files that say what they were made from."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from mc2lib.errors import InputError
from mc2lib.io.files import MARKER, TEMPORARY, is_temporary, write_json

#: A run on another machine is believed to live while it touched its mark this lately: some network
#: file systems do not carry locks from one machine to another.
FRESH_SECONDS = 60.0
TOUCH_SECONDS = 10.0


OWNER = ".owner.json"
LOCK = ".lock"
#: The names of what stays of a claim, for `remove_written`.
CLAIMED = r"\.mc2lib\.json|\.lock"
#: What a disk or a desktop puts into a folder that is empty to its user.
OF_THE_SYSTEM = frozenset({"lost+found", ".DS_Store"})
#: Interrupts a run that was taken over. Not SIGINT, which a run in the background of a shell script ignores.
FOLLOWED = signal.SIGUSR1
#: After another machine's claim was taken over: whoever did so at the same time shows within this.
SETTLE_SECONDS = 0.5


@dataclass(frozen=True)
class Owner:
    """Who holds a folder: a start of a machine, a process, and a token that no other claim has."""

    machine: str
    boot: str
    process: int
    token: str

    def __str__(self) -> str:
        return f"process {self.process} on {self.machine}"


@contextmanager
def claim(folder: Path, inputs: Collection[str] = ()) -> Iterator[None]:
    """Hold `folder`, a new or empty one or one that an earlier run made; a killed run's claim frees itself.

    What a killed run left half-written is removed; it is told by names that nothing else has.

    Args:
        folder: made if it is missing.
        inputs: names of what its user may have put there before the first run.

    Raises:
        InputError: the folder holds what is not ours; another run holds it (the message names its process and
            machine), or took it over while this one did not answer.
    """
    _mark(folder, inputs)
    owner_file = folder / OWNER
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise _taken(folder, _read_owner(owner_file)) from None
    owner = this_process()
    done, lost = threading.Event(), threading.Event()
    try:
        take(owner_file, owner)
        try:
            threading.Thread(target=_keep_alive, args=(owner_file, owner, done, lost), daemon=True).start()
            remove_temporary(folder)
            with _interruptible():
                yield
        except KeyboardInterrupt:
            if lost.is_set():
                raise _taken(folder, _read_owner(owner_file)) from None
            raise
        finally:
            done.set()
            if _read_owner(owner_file) == owner:
                owner_file.unlink(missing_ok=True)
    finally:
        lock.release()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let `FOLLOWED` interrupt the block; only a process's main thread can be interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(FOLLOWED, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(FOLLOWED, before)


def _mark(folder: Path, inputs: Collection[str]) -> None:
    """Put our marker into a new or empty folder; InputError where there is none and the folder holds anything else."""
    folder.mkdir(parents=True, exist_ok=True)
    if is_marked(folder):
        return
    found = sorted({path.name for path in folder.iterdir()} - OF_THE_SYSTEM - set(inputs))
    if found and not is_marked(folder):  # another run may have marked it meanwhile
        some = ", ".join(f"'{name}'" for name in found[:3]) + (", …" if len(found) > 3 else "")
        fault = f"holds {some} and no {MARKER}: this folder was not made by mc2lib, and nothing in it was touched"
        raise InputError(str(folder), fault, "Name a folder that is empty or does not exist yet.")
    write_json({"made_by": "mc2lib"}, folder / MARKER)


def is_marked(folder: Path) -> bool:
    """Whether a folder is one that `claim` made or took over."""
    try:
        content = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("made_by") == "mc2lib"


def remove_temporary(folder: Path) -> None:
    """Remove what killed runs left half-written below a folder; folders with a marker of their own are left alone."""
    for place, folders, files in os.walk(folder):
        for name in list(folders):
            path = Path(place, name)
            if is_temporary(path) and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
                folders.remove(name)
            elif is_marked(path):  # another run may be at work there
                folders.remove(name)
        for path in filter(is_temporary, (Path(place, name) for name in files)):
            path.unlink(missing_ok=True)


def this_process() -> Owner:
    """This process as an owner; the number of the machine's start tells machines of one name apart."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    return Owner(socket.gethostname(), boot, os.getpid(), secrets.token_hex(8))


def take(owner_file: Path, owner: Owner) -> None:
    """Make `owner` the one who holds a folder, where locks may not travel: only one of many at once succeeds.

    The file is created exclusively, which network file systems guarantee. One that a dead owner left is renamed
    away first; whoever renamed another's by mistake puts it back.

    Raises:
        InputError: another machine's owner lives, or came first.
    """
    folder = owner_file.parent
    if _create(owner_file, owner):
        return
    other = _read_owner(owner_file)
    here = other is not None and (other.machine, other.boot) == (owner.machine, owner.boot)
    if not here and _age(owner_file) < FRESH_SECONDS:  # an owner of this machine is dead: we hold its lock
        raise _taken(folder, other)
    aside = folder / f"{TEMPORARY[0]}{secrets.token_hex(4)}{TEMPORARY[1]}"
    with suppress(FileNotFoundError):  # another took it away
        owner_file.rename(aside)
        moved = _read_owner(aside)
        if moved != other:  # of one who was faster
            with suppress(OSError):
                os.link(aside, owner_file)  # unless somebody is there again
            aside.unlink(missing_ok=True)
            raise _taken(folder, moved)
        aside.unlink(missing_ok=True)
    if not _create(owner_file, owner):
        raise _taken(folder, _read_owner(owner_file))
    for _ in range(5):  # while another may rename ours by mistake, and put it back
        time.sleep(SETTLE_SECONDS / 5)
        found = _read_owner(owner_file)
    if found != owner:
        raise _taken(folder, found)


def _create(owner_file: Path, owner: Owner) -> bool:
    """Create the owner's file; False if there is one."""
    try:
        with owner_file.open("x", encoding="utf-8") as file:
            json.dump(asdict(owner), file)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return False
    return True


def _keep_alive(owner_file: Path, owner: Owner, done: threading.Event, lost: threading.Event) -> None:
    """Say now and then that this run lives; stop it if another took the folder over, as after a long sleep."""
    while not done.wait(TOUCH_SECONDS):
        found = _read_owner(owner_file)
        if found is not None and found != owner:
            lost.set()
            signal.pthread_kill(threading.main_thread().ident or 0, FOLLOWED)  # wakes it, as Ctrl-C does
            return
        with suppress(OSError):
            os.utime(owner_file)


def _read_owner(owner_file: Path) -> Owner | None:
    """Who holds a folder; None if nobody does, or if the file is being written."""
    try:
        return Owner(**json.loads(owner_file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _age(owner_file: Path) -> float:
    """Seconds since a file was touched, by the clock of the file system that both are on."""
    with tempfile.NamedTemporaryFile(prefix=TEMPORARY[0], suffix=TEMPORARY[1], dir=owner_file.parent) as now:
        try:
            return Path(now.name).stat().st_mtime - owner_file.stat().st_mtime
        except FileNotFoundError:  # just released
            return FRESH_SECONDS


def _taken(folder: Path, owner: Owner | None) -> InputError:
    fault = f"another run is at work here ({owner or 'an unknown process'}; this is {socket.gethostname()})"
    return InputError(str(folder), fault, "Wait for it, stop it, or name another folder.")
