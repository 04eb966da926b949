"""The agent: what helps at the far end of the `agent` lane. Standard library only, Python 3.6 to 3.14, Linux.

It is sent over the standard input of `python3`, runs in memory, writes nothing but what it is asked to below a target
root, and ends with its input; trees on this machine it serves within our own process. Every request has exactly one
answer, in the order asked, so that many can be under way:

    request   u32 length of the rest | u8 verb   | u32 handle | body
    answer    u32 length of the rest | u8 status | body

A handle names a scan, a reading, a writer or a lock from its opening to its closing; the client chooses the number.
Numbers are big-endian; `bytes` are u32 length and content; paths are relative to the root the handle was opened with.
"""

import ctypes
import errno
import fcntl
import hashlib
import os
import platform
import re
import stat
import struct
import sys
import time
from collections import OrderedDict, deque
from itertools import chain, islice

MAGIC = b"\nmigrator-agent "
PROTOCOL = 1
LARGEST_FRAME = 4 << 20
BLOCK_ENTRIES = 1000
BLOCK_BYTES = 512 << 10
PIECE_BYTES = 256 << 10
REPLY_BYTES = 512 << 10
HASH_BLOCK = 1 << 20
ANSWER_SECONDS = 0.5  # of hashing, then whoever waits hears of it
ANSWER_BYTES = 256 << 20
SMALLEST_HOLE = 64 << 10
MOST_EXTENTS = 100000
FINGERPRINT_BYTES = 16
MOST_FINGERPRINTED = 20000  # entries of one folder, since all of them are held until its fingerprint is known
STILL_NS = 2 * 10**9  # what was changed later may change again within one tick of the file system's clock
TICK_NS = 20 * 10**6  # two ticks of the slowest kernel, which gives times no finer than that
COARSE_TICK_NS = 10**9  # of a file system that keeps whole seconds
LOOKS_PER_ENTRY = 20  # so many names that are only looked at take the time of one that is told

OK, FAILED, DISK_FAULT = 0, 1, 2
(CLOSE, STAT, SCAN, SCAN_NEXT, READ, READ_PUT, READ_NEXT, SCAN_KNOWN) = range(1, 9)
(WRITER, PUT, BEGIN, WRITE, FINISH, ABANDON, LINK, COMMIT, SETTLE, REMOVE, UNLINK, HARD_LINK) = range(20, 32)
(MAKE_ROOT, SPACE, LOCK, READ_LINK, POINT_LINK, REMOVE_LINK, ATTRIBUTES_KEPT, MAY_WRITE) = range(40, 48)
(PART_OPEN, PART_EXTENTS, PART_READ, PART_HASH, PART_CHECK) = range(50, 55)
(LARGE, LARGE_WRITE, LARGE_COPY, LARGE_HASH, LARGE_HASH_OLD, LARGE_SYNC, LARGE_FINISH, LARGE_DISCARD) = range(60, 68)
(DIGEST, DIGEST_PUT, DIGEST_NEXT) = range(70, 73)

FILE, DIRECTORY, SYMLINK, SPECIAL = 0, 1, 2, 3
FOLDER, ENTRY, UNREADABLE, LISTED, SAME = 0, 1, 2, 3, 4  # records of a scan
PART, WHOLE, CHANGED, VANISHED, BROKEN = 0, 1, 2, 3, 4  # records of a reading
PROGRESS, HASHED = 5, 6  # records of a hashing, beside these

# kind, size, mtime, mode, uid, gid, ctime, inode, links, device, allocated; times in ns
EXTENT = struct.Struct(">QQ")  # offset, length
FACTS = struct.Struct(">BQqIIIqQIQQ")
# mode, size, mtime, ctime, uid, gid, inode, links, length of the name and of the link text; both follow
COVERED = struct.Struct(">IqqqIIQQQII")
SAME_FACTS = struct.Struct(">16sQQQ")  # fingerprint, entries, bytes of the files, folders among the entries
U32 = struct.Struct(">I")
REQUEST = struct.Struct(">IBI")
ANSWER = struct.Struct(">IB")

PATH_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
LIST_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
ROOT_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
ACCESS_ACL, DEFAULT_ACL, CAPABILITY = "system.posix_acl_access", "system.posix_acl_default", "security.capability"
ATTRIBUTES_BYTES = 1 << 20  # of all attributes of one entry; the kernel takes 64 KiB for one
UNSEEN = b"\xff\xff\xff\xff"  # in place of attributes that cannot be read, or are too much
FULL = (errno.ENOSPC, errno.EDQUOT)
DISK_FAULTS = FULL + (errno.EROFS, errno.EIO)
NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)

FEW = 4  # from more folders or files than this on, one syncfs is cheaper than an fsync each
FOLDERS_OPEN = 128
FILES_AHEAD, BYTES_AHEAD = 32, 8 << 20  # open before they are hashed: the disk fetches several at once
FILES_PER_LOOK = 256  # a folder is resolved anew after so many files, so that a replaced one is not read for long
LONGEST_PATH = 4000  # the kernel takes 4096 bytes in one call, the ending NUL included

LIBC = ctypes.CDLL(None, use_errno=True)

# Called with the name of a moment at which tests have things fail (migrator/failpoints); users have none.
FAIL_POINT = globals().get("FAIL_POINT")


class Fault(Exception):
    """The disk is full or failing: the writer is of no more use."""


class Body:
    """The body of a request, taken apart from its beginning."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def u8(self):
        self.at += 1
        return self.data[self.at - 1]

    def u32(self) -> int:
        number: int = U32.unpack_from(self.data, self.at)[0]
        self.at += 4
        return number

    def text(self) -> bytes:
        length = self.u32()
        found = self.data[self.at : self.at + length]
        if len(found) != length:
            raise ValueError("a request that is cut short")
        self.at += length
        return found

    def u64(self) -> int:
        number: int = struct.unpack_from(">Q", self.data, self.at)[0]
        self.at += 8
        return number

    def attributes(self):
        """Extended attributes, or None in place of those that nobody could read."""
        if self.data.startswith(UNSEEN, self.at):
            self.at += len(UNSEEN)
            return None
        return self.text()

    def facts(self):
        found = FACTS.unpack_from(self.data, self.at)
        self.at += FACTS.size
        return found

    def rest(self):
        return self.data[self.at :]

    @property
    def is_over(self):
        return self.at >= len(self.data)


def packed(data: bytes) -> bytes:
    return U32.pack(len(data)) + data


def kind_of(mode):
    if stat.S_ISREG(mode):
        return FILE
    if stat.S_ISDIR(mode):
        return DIRECTORY
    return SYMLINK if stat.S_ISLNK(mode) else SPECIAL


def facts_of(found):
    kind = kind_of(found.st_mode)
    size = found.st_size if kind == FILE else 0
    return FACTS.pack(
        kind,
        size,
        found.st_mtime_ns,
        found.st_mode & 0o7777,
        found.st_uid,
        found.st_gid,
        found.st_ctime_ns,
        found.st_ino,
        found.st_nlink,
        found.st_dev,
        found.st_blocks * 512 if kind == FILE else 0,
    )


def look_at(folder_fd, name):
    """Facts and link text of `name` in an open folder."""
    for _ in range(5):
        found = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
        if not stat.S_ISLNK(found.st_mode):
            return found, b""
        try:
            return found, os.readlink(name, dir_fd=folder_fd)
        except OSError as error:
            if error.errno != errno.EINVAL:  # no longer a link: look again
                raise
    raise OSError(errno.EAGAIN, "it keeps changing its kind")


def sentence(error):
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        text = "a link or a file stands where a folder is needed"
    elif error.errno == errno.EISDIR:
        text = "a folder stands there"
    else:
        text = error.strerror or str(error)
    return text.encode("utf-8", "replace")


def check_path(path):
    if b"\0" in path or any(name in (b"", b".", b"..") for name in path.split(b"/")):
        raise ValueError("a path that is not that of an entry below a root")


def through(fd):
    """A path that is the very file behind an O_PATH descriptor, for the calls that do not take one."""
    return b"/proc/self/fd/%d" % fd


# Extended attributes and ACLs. As a text: length and name, length and value of each, by name; nothing for none.


def is_carried(name):
    """Whether an attribute is content of its entry's; the others belong to the machine, as security.selinux does."""
    return name.startswith(("user.", "trusted.")) or name in (ACCESS_ACL, DEFAULT_ACL, CAPABILITY)


def attributes_of(place, follows=True):
    """The attributes of a path or descriptor as one text; None where they cannot be read, or are too much."""
    try:
        names = os.listxattr(place, follow_symlinks=follows)
        return values_of(place, names, follows) if names else b""
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.ENOSYS):
            return b""
        if error.errno in (errno.EACCES, errno.EPERM, errno.E2BIG, errno.ERANGE):
            return None
        raise


def values_of(place, names, follows):
    found = bytearray()
    for name, key in sorted((os.fsencode(name), name) for name in names if is_carried(name)):
        try:
            value = os.getxattr(place, key, follow_symlinks=follows)
        except OSError as error:
            if error.errno == errno.ENODATA:  # removed meanwhile
                continue
            raise
        found += packed(name) + packed(value)
        if len(found) > ATTRIBUTES_BYTES:
            return None
    return bytes(found)


def each_attribute(text):
    """Names, as the system's calls want them, and values."""
    body = Body(text)
    found = {}
    while not body.is_over:
        name = os.fsdecode(body.text())
        found[name] = body.text()
    return found


def packed_attributes(text):
    return UNSEEN if text is None else packed(text)


def in_folder(folder_fd, name):
    """A path that is `name` in an open folder, for the calls that do not take the folder's descriptor."""
    return b"/proc/self/fd/%d/%s" % (folder_fd, name)


def attributes_kept(root):
    """Two flags: whether the file system at `root`, or where it will be made, has attributes, and ACLs."""
    place = root if os.path.lexists(root) else os.path.dirname(root) or b"/"
    return bytes(bytearray([has_attribute(place, "user.migrator"), has_attribute(place, ACCESS_ACL)]))


def has_attribute(place, name):
    """Whether there could be one of that name: the kernel tells what is not there from what cannot be."""
    try:
        os.getxattr(place, name)
    except OSError as error:
        return error.errno not in (errno.ENOTSUP, errno.ENOSYS)
    return True


# Folders beneath a root: openat2 where the kernel and the sandbox have it, else component by component.


class OpenHow(ctypes.Structure):
    """`struct open_how` of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def by_openat2(root_fd, path, flags):
    how = OpenHow(flags, 0, 0x08 | 0x04)  # RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
    found = LIBC.syscall(437, root_fd, path, ctypes.byref(how), ctypes.sizeof(how))
    if found < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return found


def by_walk(root_fd, path, flags):
    names = path.split(b"/")
    folder_fd = root_fd
    try:
        for name in names[:-1]:
            next_fd = os.open(name, PATH_FLAGS, dir_fd=folder_fd)
            if folder_fd != root_fd:
                os.close(folder_fd)
            folder_fd = next_fd
        return os.open(names[-1], flags | os.O_NOFOLLOW, dir_fd=folder_fd)
    finally:
        if folder_fd != root_fd:
            os.close(folder_fd)


def best_resolver(root_fd):
    try:
        os.close(by_openat2(root_fd, b".", PATH_FLAGS))
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EPERM, errno.EINVAL):
            return by_walk
        raise
    return by_openat2


def in_parts(path):
    while len(path) > LONGEST_PATH:
        cut = path.rfind(b"/", 0, LONGEST_PATH)
        if cut < 0:
            break
        yield path[:cut]
        path = path[cut + 1 :]
    yield path


class Folders:
    """Open folders beneath one root, the least recently used closed; an entry is (descriptor, device)."""

    def __init__(self, root):
        root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.root = (root_fd, os.stat(root_fd).st_dev)
        self._resolver = best_resolver(root_fd)
        self._open = OrderedDict()

    def open(self, path):
        if path == b"":
            return self.root
        found = self._open.get(path)
        if found is not None:
            self._open.move_to_end(path)
            return found
        fd = self.resolve(path, PATH_FLAGS)
        found = self._open[path] = (fd, os.stat(fd).st_dev)
        if len(self._open) > FOLDERS_OPEN:
            os.close(self._open.popitem(last=False)[1][0])
        return found

    def open_again(self, path):
        self.forget(path)
        return self.open(path)

    def confirm(self, path):
        """The folder at `path`, after proof that the path still leads there."""
        folder = self.open(path)
        now_fd = self.resolve(path, PATH_FLAGS)
        try:
            if not os.path.samestat(os.stat(now_fd), os.stat(folder[0])):
                raise OSError(errno.ESTALE, "the folder was replaced meanwhile")
        finally:
            os.close(now_fd)
        return folder

    def last_known(self, path):
        return self.root if path == b"" else self._open.get(path)

    def resolve(self, path, flags):
        """A descriptor of the folder at `path`, to be closed by the caller."""
        root_fd = self.root[0]
        if path == b"":
            return os.open(b".", flags, dir_fd=root_fd)
        check_path(path)
        parts = list(in_parts(path))
        folder_fd = root_fd
        try:
            for part in parts[:-1]:
                next_fd = self._resolver(folder_fd, part, PATH_FLAGS)
                if folder_fd != root_fd:
                    os.close(folder_fd)
                folder_fd = next_fd
            return self._resolver(folder_fd, parts[-1], flags)
        finally:
            if folder_fd != root_fd:
                os.close(folder_fd)

    def forget(self, path):
        found = self._open.pop(path, None)
        if found is not None:
            os.close(found[0])

    def close(self):
        for path in list(self._open):
            self.forget(path)
        if self.root[0] >= 0:
            os.close(self.root[0])
            self.root = (-1, 0)


# The source's part.


class Scan:
    """One walk over a tree, delivered a block at a time, a folder's names after its own entry."""

    def __init__(self, root):
        self._folders = Folders(root)
        self._fingerprints = None
        self._blocks = self._walk()

    def recognise(self, basis, known):
        """From now on tell fingerprints, and nothing else of folders whose fingerprint is known."""
        if self._fingerprints is None:
            self._fingerprints = Fingerprints(basis)
        self._fingerprints.add(known)

    def next(self):
        """A flag that says whether this is the end, and the records of the next block."""
        block = next(self._blocks, None)
        return b"\1" if block is None else b"\0" + block

    def close(self):
        self._blocks.close()
        self._folders.close()

    def _walk(self):
        fd = self._folders.resolve(b"", LIST_FLAGS)
        block = Block(entry_record(b"", os.stat(fd), b"", attributes_of(fd)))
        to_list = [b""]
        while to_list:
            path = to_list.pop()
            try:
                if FAIL_POINT:
                    FAIL_POINT("scan")
                if fd is None:
                    fd = self._folders.resolve(path, LIST_FLAGS)
                with listing_of(fd) as listing:
                    for is_full in self._folder(fd, path, looks_at(fd, listing), block, to_list):
                        if is_full:
                            yield block.take()
            except OSError as error:
                if path == b"":
                    raise
                if error.errno != errno.ENOENT:  # a folder that is gone has no content that could be unknown
                    block.add(b"%c%s%s" % (UNREADABLE, packed(path), packed(sentence(error))))
            finally:
                if fd is not None:
                    os.close(fd)
                fd = None
        if block:
            yield block.take()

    def _folder(self, fd, path, looks, block, to_list):
        """Put what is to be told of a folder into the block, its subfolders on the list; yield when it is full."""
        few = []
        fingerprint = None
        prefix = path + b"/" if path else b""
        if self._fingerprints is not None:
            now_ns = int(time.time() * 10**9)
            few = list(islice(looks, MOST_FINGERPRINTED + 1))
            fingerprint, size, below = self._fingerprints.of(path, few, now_ns - STILL_NS)
            if self._fingerprints.knows(fingerprint):
                to_list += [prefix + name for name in below]
                same = SAME_FACTS.pack(fingerprint, len(few), size, len(below))
                yield block.add(b"%c%s%s" % (SAME, packed(path), same), len(few) // LOOKS_PER_ENTRY)
                return
        head = b"%c%s" % (FOLDER, packed(path))
        block.add(head)
        place = in_folder(fd, b"")
        for name, facts, link in chain(few, looks):
            try:
                attributes = attributes_of(place + name, follows=False)
            except FileNotFoundError:
                continue
            if stat.S_ISDIR(facts.st_mode):
                to_list.append(prefix + name)
            if block.add(entry_record(name, facts, link, attributes), 1):
                yield True
                block.add(head)
        if fingerprint:
            block.add(b"%c%s%s" % (LISTED, packed(path), fingerprint))


class Block:
    """Records on their way to becoming one answer."""

    def __init__(self, first=b""):
        self._records = bytearray(first)
        self._weight = 0

    def __bool__(self):
        return bool(self._records)

    def add(self, record, weight=0):
        """Whether the block is full now; its weight stands for the time that it took."""
        self._records += record
        self._weight += weight
        return self._weight >= BLOCK_ENTRIES or len(self._records) >= BLOCK_BYTES

    def take(self):
        taken = bytes(self._records)
        self._records = bytearray()
        self._weight = 0
        return taken


def looks_at(fd, listing):
    """Name, facts and link text of each entry of an open folder."""
    is_link = stat.S_ISLNK
    for found in listing:
        name = os.fsencode(found.name)
        try:
            facts, link = found.stat(follow_symlinks=False), b""
            if is_link(facts.st_mode):
                facts, link = look_at(fd, name)
        except FileNotFoundError:
            continue
        yield name, facts, link


def entry_record(name, facts, link, attributes):
    texts = (packed(name), packed(link), packed_attributes(attributes))
    return b"%c%s%s%s%s" % ((ENTRY, facts_of(facts)) + texts)


class Fingerprints:
    """Fingerprints of folders: those that the client knows, and how one is taken.

    A fingerprint is a keyed BLAKE2b over the folder's path and all that is seen of what is directly in it.
    """

    def __init__(self, basis):
        self._basis = basis
        self._known = bytearray()

    def add(self, known):
        """Take some more, in ascending order over all calls."""
        self._known += known

    def knows(self, fingerprint):
        if not fingerprint:
            return False
        known, size = self._known, FINGERPRINT_BYTES
        low, high = 0, len(known) // size
        while low < high:
            middle = (low + high) // 2
            if known[middle * size : (middle + 1) * size] < fingerprint:
                low = middle + 1
            else:
                high = middle
        return known[low * size : (low + 1) * size] == fingerprint

    def of(self, path, looks, still_since_ns):
        """The fingerprint of a folder, the bytes of the files in it, and the names of its subfolders.

        No fingerprint where it is too large, an entry too young, or so special that it is always told. Whoever sets
        an extended attribute moves ctime, which is covered.
        """
        pack = COVERED.pack
        lines = []
        size = 0
        below = []
        if len(looks) > MOST_FINGERPRINTED:
            return b"", 0, below
        for name, facts, link in looks:
            mode, ctime = facts.st_mode, facts.st_ctime_ns
            if ctime > still_since_ns:
                return b"", 0, below
            kind = mode & 0o170000
            if kind == stat.S_IFREG:
                size += facts.st_size
            elif kind == stat.S_IFDIR:
                below.append(name)
            elif kind != stat.S_IFLNK:
                return b"", 0, below
            lines.append(
                pack(
                    mode,
                    facts.st_size,
                    facts.st_mtime_ns,
                    ctime,
                    facts.st_uid,
                    facts.st_gid,
                    facts.st_dev,
                    facts.st_ino,
                    facts.st_nlink,
                    len(name),
                    len(link),
                )
                + name
                + link
            )
        lines.sort()
        digest = hashlib.blake2b(packed(path), digest_size=FINGERPRINT_BYTES, key=self._basis)
        digest.update(b"".join(lines))
        return digest.digest(), size, below


class listing_of:
    """The names in an open folder: os.scandir takes a descriptor from Python 3.7 on."""

    def __init__(self, fd):
        self._listing = os.scandir(fd if sys.version_info >= (3, 7) else through(fd))

    def __enter__(self):
        return self._listing

    def __exit__(self, *_):
        self._listing.close()


class Reading:
    """Files in the order asked for, delivered in answers of a bounded size."""

    def __init__(self, root, drops_cache):
        self._folders = Folders(root)
        self._drops_cache = drops_cache
        self._wanted = deque()
        self._pieces = None
        self._folder_path = None
        self._files_left = 0
        self._user = os.geteuid()

    def put(self, body):
        while not body.is_over:
            uid = body.u32()
            path = body.text()
            check_path(path)
            self._wanted.append((path, uid))

    def next(self):
        """As many records as fit; none when nothing is wanted."""
        out = bytearray()
        while len(out) < REPLY_BYTES:
            if self._pieces is None:
                if not self._wanted:
                    break
                self._pieces = self._read(*self._wanted.popleft())
            record = next(self._pieces, None)
            if record is None:
                self._pieces = None
            else:
                out += record[0]
                out += packed(record[1])
        return bytes(out)

    def close(self):
        if self._pieces is not None:
            self._pieces.close()
        self._folders.close()

    def _read(self, path, uid):
        folder_path, _, name = path.rpartition(b"/")
        try:
            folder_fd = self._folder(folder_path)
            fd = open_to_read(name, folder_fd, self._user in (0, uid))
        except OSError as error:
            yield not_opened(error), b""
            return
        try:
            before = first_look(fd)
            if not stat.S_ISREG(before.st_mode):
                yield ended(CHANGED, b"it is no longer a file"), b""
                return
            if self._drops_cache:
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            size = before.st_size
            delivered = 0
            while size - delivered >= PIECE_BYTES:
                data = os.read(fd, PIECE_BYTES)
                if not data:
                    break
                delivered += len(data)
                yield b"%c" % PART, data
            data = self._last(fd, size - delivered)
            has_more = len(data) > size - delivered
            data = data[: size - delivered]
            yield self._verdict(fd, folder_fd, name, before, delivered + len(data), has_more), data
        except OSError as error:
            yield ended(BROKEN, sentence(error)), b""
        finally:
            os.close(fd)

    @staticmethod
    def _last(fd, left):
        """What is left, and one byte more where there is one."""
        data = os.read(fd, left + 1)
        while data and len(data) < left:
            more = os.read(fd, left + 1 - len(data))
            if not more:
                break
            data += more
        if len(data) == left and left:
            data += os.read(fd, 1)
        return data

    @staticmethod
    def _verdict(fd, folder_fd, name, before, delivered, has_more):
        attributes = attributes_of(fd)  # before the last look, whose ctime says that they, too, are still the same
        try:
            after = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
        except FileNotFoundError:
            return ended(CHANGED, b"it was removed while it was read")
        if identity(after) != identity(before):
            return ended(CHANGED, b"it changed while it was read")
        if delivered < after.st_size:
            return ended(BROKEN, b"short read %d of %d" % (delivered, after.st_size))
        if has_more:
            return ended(BROKEN, b"more to read than its size of %d" % after.st_size)
        return b"%c%s%s" % (WHOLE, facts_of(after), packed_attributes(attributes))

    def _folder(self, path):
        if path != self._folder_path or self._files_left == 0:
            self._folder_path = None
            self._folders.open_again(path)
            self._folder_path = path
            self._files_left = FILES_PER_LOOK
        self._files_left -= 1
        return self._folders.open(path)[0]


class Part:
    """One file of a source, to be read in parts: the same file from its opening to its closing."""

    def __init__(self, root, path, uid, drops_cache):
        check_path(path)
        folder_path, _, self._name = path.rpartition(b"/")
        self._folders = Folders(root)
        self._fd = -1
        try:
            self._folder_fd = self._folders.open(folder_path)[0]
            self._fd = open_to_read(self._name, self._folder_fd, os.geteuid() in (0, uid))
            self._before = first_look(self._fd)
            if not stat.S_ISREG(self._before.st_mode):
                raise OSError(errno.ESTALE, "it is no longer a file")
            if drops_cache:
                os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError:
            self.close()
            raise

    def facts(self):
        return facts_of(self._before)

    def extents(self):
        return b"".join(EXTENT.pack(*each) for each in extents_of(self._fd, self._before))

    def read(self, offset, length):
        return read_at(self._fd, offset, length)

    def hash(self, offset, length):
        return block_digests(self._fd, offset, length)

    def check(self):
        """The verdict on all that was read since the opening, as a record of a reading without content."""
        attributes = attributes_of(self._fd)  # before the last look, whose ctime says that they are still the same
        try:
            now = os.fstat(self._fd)
            there = os.stat(self._name, dir_fd=self._folder_fd, follow_symlinks=False)
        except FileNotFoundError:
            return ended(CHANGED, b"it was removed while it was read")
        if identity(now) != identity(self._before) or identity(there) != identity(self._before):
            return ended(CHANGED, b"it changed while it was read")
        return b"%c%s%s" % (WHOLE, facts_of(there), packed_attributes(attributes))

    def close(self):
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._folders.close()


def open_to_read(name, folder_fd, is_ours):
    if is_ours:
        try:
            return os.open(name, READ_FLAGS | os.O_NOATIME, dir_fd=folder_fd)
        except OSError as error:
            if error.errno != errno.EPERM:
                raise
    return os.open(name, READ_FLAGS, dir_fd=folder_fd)


def first_look(fd):
    """The facts of a file about to be read, returned when whatever is written from then on gives it other times.

    A second write within one tick of the clock leaves no trace: what was read before it would pass for the file.
    """
    found = os.fstat(fd)
    tick = TICK_NS if found.st_ctime_ns % COARSE_TICK_NS else COARSE_TICK_NS
    age = time.time() * 1e9 - found.st_ctime_ns
    if stat.S_ISREG(found.st_mode) and 0 <= age < tick:
        time.sleep((tick - age) / 1e9)
    return found


def extents_of(fd, found):
    """Where the file has data; holes of less than SMALLEST_HOLE count as such."""
    size = found.st_size
    if found.st_blocks * 512 >= size:
        return [(0, size)] if size else []
    extents = []
    at = 0
    try:
        while at < size:
            try:
                start = os.lseek(fd, at, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:  # a hole up to the end
                    break
                raise
            end = min(os.lseek(fd, start, os.SEEK_HOLE), size)
            if extents and start - sum(extents[-1]) < SMALLEST_HOLE:
                extents[-1] = (extents[-1][0], end - extents[-1][0])
            else:
                extents.append((start, end - start))
            if len(extents) > MOST_EXTENTS:
                return [(0, size)]
            at = end
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):  # a file system that does not tell
            return [(0, size)]
        raise
    return extents


def read_at(fd, offset, length):
    """The bytes there; fewer only at the end of the file."""
    data = os.pread(fd, length, offset)
    while data and len(data) < length:
        more = os.pread(fd, length - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data


def block_digests(fd, offset, length):
    """SHA-256 of each block of HASH_BLOCK bytes, the last one perhaps shorter, up to the end of the file."""
    digests = []
    for start in range(offset, offset + length, HASH_BLOCK):
        data = read_at(fd, start, min(HASH_BLOCK, offset + length - start))
        if not data:
            break
        digests.append(hashlib.sha256(data).digest())
    return b"".join(digests)


class Hashed:
    """A file on the way to its digest, opened before its turn."""

    def __init__(self, fd, path, before):
        self.fd = fd
        self.path = path
        self.before = before
        self.is_sparse = before.st_blocks * 512 < before.st_size
        self.digest = hashlib.sha256()
        self.at = 0
        self.told = 0  # up to where whoever waits has heard of it
        self.blocks = []  # and digests that are not told yet

    def next_block(self):
        """The next HASH_BLOCK bytes, or what is left; fewer where the file is shorter than it said."""
        wanted = min(HASH_BLOCK, self.before.st_size - self.at)
        if self.is_sparse and self._is_hole(wanted):
            return ZEROS[:wanted]
        return read_at(self.fd, self.at, wanted)

    def _is_hole(self, length):
        try:
            return os.lseek(self.fd, self.at, os.SEEK_DATA) >= self.at + length
        except OSError as error:
            return error.errno == errno.ENXIO  # no data up to the end; other errors: a file system that does not tell

    def news(self):
        """What is not told yet: how many bytes were read, and the digests of their blocks."""
        news = struct.pack(">Q", self.at - self.told) + packed(b"".join(self.blocks))
        self.told = self.at
        self.blocks = []
        return news


class Digesting(Reading):
    """Files in the order asked for, hashed where they are."""

    def __init__(self, root, drops_cache, with_blocks):
        Reading.__init__(self, root, drops_cache)
        self._with_blocks = with_blocks
        self._ahead = deque()  # files, and verdicts on those that could not be opened
        self._bytes_ahead = 0

    def next(self):
        """Records of what is done by now; as long as files are wanted one at least, which may tell of progress."""
        out = bytearray()
        until = time.monotonic() + ANSWER_SECONDS
        hashed = 0
        while True:
            self._look_ahead()
            if not self._ahead:
                break
            first = self._ahead[0]
            verdict = first
            if isinstance(first, Hashed):
                before = first.at
                verdict = self._go_on(first)
                hashed += first.at - before
            if verdict is not None:
                out += verdict
                self._ahead.popleft()
            if len(out) >= REPLY_BYTES or hashed >= ANSWER_BYTES or time.monotonic() >= until:
                if verdict is None:
                    out += b"%c%s" % (PROGRESS, first.news())
                break
        return bytes(out)

    def close(self):
        for each in self._ahead:
            if isinstance(each, Hashed):
                os.close(each.fd)
        self._ahead.clear()
        Reading.close(self)

    def _look_ahead(self):
        while self._wanted and len(self._ahead) < FILES_AHEAD and self._bytes_ahead < BYTES_AHEAD:
            opened = self._begin(*self._wanted.popleft())
            if isinstance(opened, Hashed):
                self._bytes_ahead += opened.before.st_size
            self._ahead.append(opened)

    def _begin(self, path, uid):
        folder_path, _, name = path.rpartition(b"/")
        try:
            fd = open_to_read(name, self._folder(folder_path), self._user in (0, uid))
        except OSError as error:
            return not_opened(error)
        try:
            before = first_look(fd)
            if not stat.S_ISREG(before.st_mode):
                raise OSError(errno.ESTALE, "it is no longer a file")
            if self._drops_cache:
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            if before.st_size <= HASH_BLOCK:  # larger ones are fetched ahead as they are read
                os.posix_fadvise(fd, 0, before.st_size, os.POSIX_FADV_WILLNEED)
        except OSError as error:
            os.close(fd)
            return ended(CHANGED if error.errno == errno.ESTALE else BROKEN, sentence(error))
        return Hashed(fd, path, before)

    def _go_on(self, file):
        """Hash the next block of the file; the verdict on it after the last one, None before."""
        size = file.before.st_size
        try:
            data = file.next_block()
            is_short = len(data) < min(HASH_BLOCK, size - file.at)
            file.digest.update(data)
            file.at += len(data)
            if self._with_blocks and data:
                file.blocks.append(block_digest(data))
            if file.at < size and not is_short:
                return None
            verdict = self._last_look(file, not is_short and bool(os.pread(file.fd, 1, size)))
        except OSError as error:
            verdict = ended(BROKEN, sentence(error))
        self._bytes_ahead -= size
        os.close(file.fd)
        if verdict[0] != WHOLE:
            return verdict
        return b"%c%s%s%s" % (HASHED, verdict[1:], file.digest.digest(), file.news())

    def _last_look(self, file, has_more):
        folder_path, _, name = file.path.rpartition(b"/")
        try:
            folder_fd = self._folders.open(folder_path)[0]
        except OSError as error:
            if error.errno in NOTHING_THERE:
                return ended(CHANGED, b"it was removed while it was read")
            raise
        return self._verdict(file.fd, folder_fd, name, file.before, file.at, has_more)


ZEROS = bytes(HASH_BLOCK)
DIGEST_OF_ZEROS = hashlib.sha256(ZEROS).digest()


def block_digest(data):
    return DIGEST_OF_ZEROS if data is ZEROS else hashlib.sha256(data).digest()


def identity(found):
    return (
        found.st_dev,
        found.st_ino,
        stat.S_IFMT(found.st_mode),
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )


def ended(verdict, reason):
    return b"%c%s" % (verdict, packed(reason))


def not_opened(error):
    if error.errno == errno.ENOENT:
        return ended(VANISHED, b"it was gone before it could be read")
    if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
        return ended(CHANGED, b"something else stands there now")
    return ended(BROKEN, sentence(error))


# The target's part: the rules of the confined writer.


class FileSystems:
    """A descriptor for each file system written to, opened before the writes whose errors syncfs shall report."""

    def __init__(self):
        match = re.match(r"(\d+)\.(\d+)", platform.release())
        # Before Linux 5.8 syncfs does not tell about failed writes.
        self._has_syncfs = match is not None and (int(match.group(1)), int(match.group(2))) >= (5, 8)
        self._open = {}

    def watch(self, folder):
        if folder[1] in self._open or not self._has_syncfs:
            return
        try:
            self._open[folder[1]] = os.open(b".", LIST_FLAGS, dir_fd=folder[0])
        except PermissionError:  # a folder that we may not list; another one on the same device may do
            pass

    def watches(self, device):
        return device in self._open

    def sync(self, device):
        if LIBC.syncfs(self._open[device]) != 0:
            number = ctypes.get_errno()
            os.close(self._open.pop(device))  # the kernel reports each error once
            raise OSError(number, os.strerror(number))

    def close(self):
        while self._open:
            os.close(self._open.popitem()[1])


def open_up(fd):
    """Let the owner read, write and search a folder of ours; False when there is nothing to open."""
    found = os.stat(fd)
    if found.st_uid != os.geteuid() or found.st_mode & 0o700 == 0o700:
        return False
    os.chmod(through(fd), found.st_mode & 0o7777 | 0o700)
    return True


class Temp:
    """A file or link under its temp name."""

    def __init__(self, path, temp_name):
        check_path(path)
        check_path(temp_name)
        if b"/" in temp_name:
            raise ValueError("a temp name that is none")
        self.folder, _, self.name = path.rpartition(b"/")
        self.temp_name = temp_name
        self.device = 0
        self.fd = -1
        self.written = 0
        self.is_synced = False
        self.is_hard_link = False
        self.problem = None

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Writer:
    """Writes below one root; each item's problem waits for the answer to COMMIT, a fault of the disk ends it."""

    def __init__(self, root, owner, mode, times, mask, attributes):
        self._keeps_owner, self._keeps_mode, self._keeps_times, self._mask = owner, mode, times, mask
        self._attributes = attributes
        self._systems = FileSystems()
        self._folders = Folders(root)
        self._systems.watch(self._folders.root)
        self._touched = {}
        self._current = None
        self._group = []
        self._fault = None

    # Files and links

    def begin(self, path, temp_name):
        self._check()
        self.abandon()
        temp = self._current = Temp(path, temp_name)
        self._guarded(temp, lambda: self._create(temp))

    def write(self, data):
        self._check()
        temp = self._current
        if temp is None or temp.problem is not None:
            return
        self._guarded(temp, lambda: write_all(temp, data))

    def finish(self, facts, attributes):
        self._check()
        temp, self._current = self._current, None
        self._group.append(temp)
        if temp.problem is None:
            self._guarded(temp, lambda: self._complete(temp, facts, attributes))

    def abandon(self):
        temp, self._current = self._current, None
        if temp is not None:
            self._discard(temp)

    def link(self, path, temp_name, text, facts, attributes):
        self._check()
        temp = Temp(path, temp_name)
        self._group.append(temp)
        self._guarded(temp, lambda: self._create_link(temp, text, facts, attributes))

    def hard_link(self, path, temp_name, to, facts):
        """Another name for the file of ours that stands at `to`."""
        self._check()
        check_path(to)
        temp = Temp(path, temp_name)
        temp.is_hard_link = True
        self._group.append(temp)
        self._guarded(temp, lambda: self._create_hard_link(temp, to, facts[1]))

    def commit(self):
        """Sync the data, rename, sync the folders; a problem an item, empty where there is none."""
        self._check()
        self.abandon()
        group = self._group
        self._sync_data(group)
        by_folder = OrderedDict()
        for temp in group:
            if temp.problem is None:
                by_folder.setdefault(temp.folder, []).append(temp)
        for path, temps in by_folder.items():
            self._rename(path, temps)
        landed = [temp for temp in group if temp.problem is None]
        try:
            self._sync_names()
        except OSError as error:
            for temp in landed:
                temp.problem = b"in place, but not durable: " + sentence(error)
        self._group = []
        return [temp.problem or b"" for temp in group]

    def close(self):
        self.abandon()
        group, self._group = self._group, []
        for temp in group:
            self._discard(temp)
        self._folders.close()
        self._systems.close()

    def _create(self, temp):
        def create(folder):
            self._systems.watch(folder)
            temp.device = folder[1]
            if FAIL_POINT:
                FAIL_POINT("temp-open")
            temp.fd = os.open(temp.temp_name, CREATE_FLAGS, 0o600, dir_fd=folder[0])

        self._within(temp.folder, create)

    def _create_link(self, temp, text, facts, attributes):
        def create(folder):
            self._systems.watch(folder)
            temp.device = folder[1]
            os.symlink(text, temp.temp_name, dir_fd=folder[0])
            if self._keeps_owner:
                os.chown(temp.temp_name, facts[4], facts[5], dir_fd=folder[0], follow_symlinks=False)
            self._attributes.begin(in_folder(folder[0], temp.temp_name), attributes, follows=False)
            if self._keeps_times:
                os.utime(temp.temp_name, ns=(facts[2], facts[2]), dir_fd=folder[0], follow_symlinks=False)

        self._within(temp.folder, create)
        temp.is_synced = True  # its text lies in the inode, which the sync of its folder brings along

    def _create_hard_link(self, temp, to, size):
        first_path, _, first_name = to.rpartition(b"/")

        def create(folder):
            self._systems.watch(folder)
            temp.device = folder[1]
            first = self._reach(first_path, makes_missing=False)
            found = os.stat(first_name, dir_fd=first[0], follow_symlinks=False)
            if not stat.S_ISREG(found.st_mode) or found.st_size != size:
                raise OSError(errno.ESTALE, "what stands at its first name is not the copy")
            fds = {"src_dir_fd": first[0], "dst_dir_fd": folder[0]}
            os.link(first_name, temp.temp_name, follow_symlinks=False, **fds)

        self._within(temp.folder, create)
        temp.is_synced = True  # its bytes are those of its first name

    def _complete(self, temp, facts, attributes):
        size = facts[1]
        if temp.written != size:
            raise OSError(errno.EINVAL, "%d bytes came of %d" % (temp.written, size))
        self._dress(temp.fd, facts, attributes)
        if not self._systems.watches(temp.device):
            os.fsync(temp.fd)
            temp.is_synced = True
        if temp.is_synced or len(self._group) > FEW:
            temp.close()

    def _dress(self, fd, facts, attributes):
        """Owner, mode, attributes and times of an open file."""
        mtime, mode, uid, gid = facts[2:6]
        if self._keeps_owner:  # first, since a change of owner clears setuid and setgid
            os.fchown(fd, uid, gid)
        acls = self._attributes.begin(fd, attributes)
        if self._keeps_mode:
            os.fchmod(fd, mode & self._mask)
        set_all(fd, acls)
        if self._keeps_times:
            os.utime(fd, ns=(mtime, mtime))

    def _sync_data(self, group):
        waiting = [temp for temp in group if temp.problem is None and not temp.is_synced]
        if all(temp.fd >= 0 for temp in waiting):
            for temp in waiting:
                self._synced([temp], lambda fd=temp.fd: os.fsync(fd))
        else:
            for device in {temp.device for temp in waiting}:
                on_device = [temp for temp in waiting if temp.device == device]
                self._synced(on_device, lambda device=device: self._systems.sync(device))
        for temp in group:
            temp.close()

    def _synced(self, temps, sync):
        """When a sync fails none of its items may land, since nobody knows whose bytes are missing."""
        try:
            if FAIL_POINT:
                FAIL_POINT("before-sync")
            sync()
            if FAIL_POINT:
                FAIL_POINT("after-sync")
        except OSError as error:
            if error.errno in FULL:
                raise self._given_up(error)
            self._spoil(temps, b"not durable: " + sentence(error))

    def _rename(self, path, temps):
        try:
            folder = self._folders.confirm(path)
        except OSError as error:
            self._spoil(temps, sentence(error))
            return
        self._touched[path] = folder[1]
        for temp in temps:
            self._guarded(temp, lambda temp=temp: self._within(path, lambda folder: rename_in(temp, folder)))

    def _guarded(self, temp, act):
        try:
            act()
        except OSError as error:
            if error.errno in DISK_FAULTS:
                raise self._given_up(error)
            self._spoil([temp], sentence(error))

    def _spoil(self, temps, reason):
        for temp in temps:
            self._discard(temp)
            temp.problem = reason
        for temp in temps:
            self._folders.forget(temp.folder)  # its path may lead to another folder by now

    def _discard(self, temp):
        temp.close()
        try:
            folder = self._folders.last_known(temp.folder) or self._folders.open(temp.folder)
            os.unlink(temp.temp_name, dir_fd=folder[0])
        except OSError:
            pass  # never made, renamed already, or left for the next run to sweep

    def _given_up(self, error):
        self.close()
        self._fault = Fault(error)
        return self._fault

    def _check(self):
        """Requests that were under way when the disk gave out come to a writer that is no more."""
        if self._fault is not None:
            raise self._fault

    # Folders, and what is removed

    def settle(self, path, facts, attributes):
        _, _, mtime, mode, uid, gid = facts[:6]
        self._folders.forget(path)  # what the path leads to now is settled, not what it led to once
        folder = self._reach(path)
        self._systems.watch(folder)
        fd, device = folder
        found = os.stat(fd)
        if self._keeps_owner and (found.st_uid, found.st_gid) != (uid, gid):
            os.chown(through(fd), uid, gid)
        try:
            acls = self._attributes.begin(through(fd), attributes)
        except PermissionError:  # attributes of the user's are set by who may write the folder, not by its owner
            if not open_up(fd):
                raise
            acls = self._attributes.begin(through(fd), attributes)
        found = os.stat(fd)
        if self._keeps_mode and found.st_mode & 0o7777 != mode & self._mask:
            os.chmod(through(fd), mode & self._mask)
        set_all(through(fd), acls)
        if self._keeps_times and found.st_mtime_ns != mtime:
            os.utime(through(fd), ns=(mtime, mtime))
        self._touched[path] = device

    def remove(self, path, facts, _):
        check_path(path)
        folder_path, _, name = path.rpartition(b"/")

        def remove(folder):
            if FAIL_POINT:
                FAIL_POINT("delete")
            found = kind_of(os.stat(name, dir_fd=folder[0], follow_symlinks=False).st_mode)
            if found != facts[0] or found == SPECIAL:
                words = ("file", "directory", "link", "special")[found]
                raise OSError(errno.EEXIST, "a %s stands there, which is not ours" % words)
            if found == DIRECTORY:
                os.rmdir(name, dir_fd=folder[0])
                self._touched.pop(path, None)
                self._folders.forget(path)
            else:
                os.unlink(name, dir_fd=folder[0])
            self._touched[folder_path] = folder[1]

        self._folders.forget(folder_path)
        try:
            self._within(folder_path, remove, makes_missing=False)
        except FileNotFoundError:
            pass  # what is gone already counts as removed
        except NotADirectoryError:
            if self._leads_through_a_link(folder_path):
                raise
            # a file has taken the place of its folder, so it is gone, too

    def _leads_through_a_link(self, path):
        """Whether a link stands somewhere on the way to a folder: what it leads to is not ours to judge."""
        names = path.split(b"/")
        for depth in range(len(names)):
            parent_fd = self._folders.resolve(b"/".join(names[:depth]), PATH_FLAGS)
            try:
                mode = os.stat(names[depth], dir_fd=parent_fd, follow_symlinks=False).st_mode
            finally:
                os.close(parent_fd)
            if not stat.S_ISDIR(mode):
                return stat.S_ISLNK(mode)
        return False

    def unlink(self, path, *_):
        """Remove a temp file that an earlier run left."""
        folder_path, _, name = path.rpartition(b"/")
        try:
            os.unlink(name, dir_fd=self._folders.open(folder_path)[0])
        except FileNotFoundError:
            pass

    def each(self, body, act):
        """`act` on every entry of the body, then durable; a problem an entry, empty where there is none."""
        self._check()
        outcomes = []
        while not body.is_over:
            facts = body.facts()
            path, attributes = body.text(), body.attributes()
            try:
                act(path, facts, attributes)
            except OSError as error:
                if error.errno in DISK_FAULTS:
                    raise self._given_up(error)
                not_empty = error.errno == errno.ENOTEMPTY
                outcomes.append(b"it holds entries that are not ours" if not_empty else sentence(error))
            else:
                outcomes.append(b"")
        try:
            self._sync_names()
        except OSError as error:
            reason = b"done, but not durable: " + sentence(error)
            outcomes = [outcome or reason for outcome in outcomes]
        return outcomes

    def _reach(self, path, makes_missing=True):
        """The open folder at `path`, made if missing, good until the next call."""
        try:
            return self._folders.open(path)
        except FileNotFoundError:
            if not makes_missing:
                raise
            return self._make(path)
        except PermissionError:
            if not self._open_up_parents(path):
                raise
        return self._reach(path, makes_missing)

    def _within(self, path, act, makes_missing=True):
        """`act` on the open folder; one of our own that forbids it is opened up for its owner, and settled later."""
        folder = self._reach(path, makes_missing)
        try:
            return act(folder)
        except PermissionError:
            if not open_up(folder[0]):
                raise
            return act(folder)

    def _make(self, path):
        missing = [path]
        while True:
            parent_path = missing[-1].rpartition(b"/")[0]
            try:
                self._folders.open(parent_path)
                break
            except FileNotFoundError:
                missing.append(parent_path)
        for folder_path in reversed(missing):
            parent_path, _, name = folder_path.rpartition(b"/")
            self._touched[parent_path] = self._within(parent_path, lambda parent, name=name: make_in(parent, name))
        return self._folders.open(path)

    def _open_up_parents(self, path):
        has_opened = False
        names = path.split(b"/")
        for depth in range(len(names)):
            try:
                ancestor_fd = self._folders.resolve(b"/".join(names[:depth]), PATH_FLAGS)
            except FileNotFoundError:
                break
            try:
                has_opened |= open_up(ancestor_fd)
            finally:
                os.close(ancestor_fd)
        return has_opened

    def _sync_names(self):
        touched, self._touched = self._touched, {}
        if FAIL_POINT:
            FAIL_POINT("directory-sync")
        if len(touched) > FEW:
            devices = {device for device in touched.values() if self._systems.watches(device)}
            for device in devices:
                self._systems.sync(device)
            touched = {path: device for path, device in touched.items() if device not in devices}
        for path, device in touched.items():
            try:
                fd = os.open(b".", ROOT_FLAGS, dir_fd=self._folders.open(path)[0])
            except PermissionError:
                if not self._systems.watches(device):
                    raise
                self._systems.sync(device)  # a folder that we may not list cannot be synced by itself
                continue
            try:
                os.fsync(fd)
            finally:
                os.close(fd)


class LargeWriter(Writer):
    """One large file that grows under its temp name, part by part, perhaps by several writers at once."""

    def __init__(self, root, keeps, path, temp_name, size, makes, is_sparse):
        Writer.__init__(self, root, *keeps)
        self.is_new = False
        self._old_fd = -1
        self._large = Temp(path, temp_name)
        try:
            self._within(self._large.folder, lambda folder: self._open_temp(folder, makes))
            if self.is_new or os.fstat(self._large.fd).st_size != size:
                allocate(self._large.fd, size, is_sparse)
        except OSError as error:
            if self.is_new:
                self.discard()
            self._let_go()
            if error.errno in DISK_FAULTS:
                raise Fault(error)
            raise

    def write(self, offset, data):
        if FAIL_POINT:
            self._on_disk(lambda: FAIL_POINT("chunk"))
        view = memoryview(data)
        while view:
            written = self._on_disk(lambda: os.pwrite(self._large.fd, view, offset))
            view = view[written:]
            offset += written

    def copy_old(self, offset, length):
        """Take over what the file has that stands there now."""
        old_fd = self._old()
        while length:
            copied = self._on_disk(lambda: copy_range(old_fd, self._large.fd, offset, min(length, HASH_BLOCK)))
            if not copied:
                raise OSError(errno.ESTALE, "the old version is shorter than it was")
            offset += copied
            length -= copied

    def hash(self, offset, length):
        return block_digests(self._large.fd, offset, length)

    def hash_old(self, offset, length):
        """Digests of what stands there now; none where no file does."""
        try:
            return block_digests(self._old(), offset, length)
        except OSError:
            return b""

    def sync(self):
        if FAIL_POINT:
            self._on_disk(lambda: FAIL_POINT("before-sync"))
        self._on_disk(lambda: os.fdatasync(self._large.fd))
        if FAIL_POINT:
            FAIL_POINT("after-sync")

    def finish(self, facts, attributes):
        """Give the file what is kept of the facts, and its name, durably; a reason, empty where all went well."""
        temp = self._large
        try:
            if os.fstat(temp.fd).st_size != facts[1]:
                raise OSError(errno.EINVAL, "it does not have the size that was announced")
            self._dress(temp.fd, facts, attributes)
            self._sync_whole()
            folder = self._folders.confirm(temp.folder)
            self._within(temp.folder, lambda folder: rename_in(temp, folder))
            self._touched[temp.folder] = folder[1]
        except OSError as error:
            self.discard()
            return sentence(error)
        try:
            self._sync_names()
        except OSError as error:
            return b"in place, but not durable: " + sentence(error)
        return b""

    def _sync_whole(self):
        """A file whose sync has failed is copied again: what its pages show then need not be on the disk."""
        try:
            self._on_disk(lambda: os.fsync(self._large.fd))
        except Fault:
            self.discard()
            raise

    def discard(self):
        self._discard(self._large)

    def close(self):
        """Whatever was written stays under its temp name: the next run goes on with it."""
        self._let_go()

    def _open_temp(self, folder, makes):
        self._systems.watch(folder)
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        temp = self._large
        try:
            temp.fd = os.open(temp.temp_name, flags | os.O_NONBLOCK, dir_fd=folder[0])
        except FileNotFoundError:
            if not makes:
                raise OSError(errno.ESTALE, "its temp file is gone")
            if FAIL_POINT:
                FAIL_POINT("temp-open")
            temp.fd = os.open(temp.temp_name, flags | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder[0])
            self.is_new = True
        found = os.fstat(temp.fd)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_uid != os.geteuid():
            raise OSError(errno.EEXIST, "something that is not ours has its temp name")

    def _old(self):
        if self._old_fd < 0:
            folder = self._folders.open(self._large.folder)
            self._old_fd = os.open(self._large.name, READ_FLAGS, dir_fd=folder[0])
            if not stat.S_ISREG(os.fstat(self._old_fd).st_mode):
                raise OSError(errno.ESTALE, "the old version is no file any more")
        return self._old_fd

    def _on_disk(self, act):
        try:
            return act()
        except OSError as error:
            if error.errno in DISK_FAULTS:
                raise Fault(error)
            raise

    def _let_go(self):
        self._large.close()
        if self._old_fd >= 0:
            os.close(self._old_fd)
            self._old_fd = -1
        self._folders.close()
        self._systems.close()


def copy_range(from_fd, to_fd, offset, length):
    """Copy within the kernel where it can (Python 3.8, Linux 4.5 or newer); how many bytes, 0 at the end."""
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(from_fd, to_fd, length, offset, offset)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
    return os.pwrite(to_fd, read_at(from_fd, offset, length), offset)


def allocate(fd, size, is_sparse):
    """Give a file its size, and its room on the disk unless it has holes: a disk that is full shows at once."""
    os.ftruncate(fd, size)
    if is_sparse or not size:
        return
    fallocate = getattr(LIBC, "fallocate64", None) or LIBC.fallocate
    fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    if fallocate(fd, 0, 0, size) != 0:
        number = ctypes.get_errno()
        if number not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINTR):
            raise OSError(number, os.strerror(number))


def write_all(temp, data):
    if FAIL_POINT:
        FAIL_POINT("chunk")
    view = memoryview(data)
    while view:
        written = os.write(temp.fd, view)
        temp.written += written
        view = view[written:]


def rename_in(temp, folder):
    if FAIL_POINT:
        FAIL_POINT("rename")
    os.rename(temp.temp_name, temp.name, src_dir_fd=folder[0], dst_dir_fd=folder[0])
    if temp.is_hard_link:  # rename does nothing where both names are the same file already
        remove_in(folder[0], temp.temp_name)


class Attributes:
    """What a writer does about extended attributes: makes the kept ones equal, and lets the others be."""

    def __init__(self, keeps_attributes, keeps_acls, keeps_setid):
        self._prefixes = ("user.", "trusted.") if keeps_attributes else ()
        self._names = ((ACCESS_ACL, DEFAULT_ACL) if keeps_acls else ()) + ((CAPABILITY,) if keeps_setid else ())
        self._must_be_known = keeps_attributes or keeps_acls

    def begin(self, place, text, follows=True):
        """Set all but the ACLs, after the owner and before the mode; the ACLs to be set after that.

        A new file may have an ACL from its folder: what is not wanted goes before the mode is set, which would
        otherwise be taken for the mask of that ACL.
        """
        if text is None:
            if self._must_be_known:
                raise OSError(errno.EINVAL, "its extended attributes cannot be read, or are more than 1 MiB")
            return ()
        if not self._prefixes and not self._names:
            return ()
        there = self._there(place, follows)
        wanted = each_attribute(text) if text else {}
        if not there and not wanted:
            return ()
        changed = [(name, value) for name, value in sorted(wanted.items()) if there.get(name) != value]
        for name in there:
            if name not in wanted:
                how = {"follow_symlinks": follows}
                told_of(place, follows, name, lambda name=name, how=how: os.removexattr(place, name, **how))
        set_all(place, [each for each in changed if each[0] not in (ACCESS_ACL, DEFAULT_ACL)], follows)
        return [(name, wanted[name]) for name in (ACCESS_ACL, DEFAULT_ACL) if name in wanted]

    def _there(self, place, follows):
        try:
            names = os.listxattr(place, follow_symlinks=follows)
        except OSError as error:
            if error.errno in (errno.ENOTSUP, errno.ENOSYS):
                return {}
            raise
        ours = [name for name in names if name.startswith(self._prefixes) or name in self._names]
        return {name: os.getxattr(place, name, follow_symlinks=follows) for name in ours}


def set_all(place, attributes, follows=True):
    for name, value in attributes:
        how = {"follow_symlinks": follows}
        told_of(place, follows, name, lambda name=name, value=value, how=how: os.setxattr(place, name, value, **how))


def told_of(place, follows, name, act):
    """Do `act`; an error says which attribute it was about."""
    try:
        act()
    except OSError as error:
        number = error.errno
        if number == errno.ENOSPC and os.statvfs(place if follows else os.path.dirname(place)).f_bavail:
            number = errno.E2BIG  # a file system has little room for the attributes of one file: it is not full
        raise OSError(number, "its attribute %s cannot be set: %s" % (name, os.strerror(number)))


def make_in(parent, name):
    try:
        os.mkdir(name, 0o700, dir_fd=parent[0])
    except FileExistsError:
        pass  # made meanwhile by another mover; if it is no folder, opening it says so
    return parent[1]


class Lock:
    """The kernel's lock on a root; it ends with this process, however that ends."""

    def __init__(self, root):
        self._fd = os.open(root, ROOT_FLAGS)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._fd)
            raise

    def close(self):
        os.close(self._fd)


# Links that switches point, by absolute paths.


def read_link(path):
    """0 and nothing, 1 and the text, or 2 where something else stands."""
    try:
        return b"\1" + os.readlink(path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return b"\0"
        if error.errno == errno.EINVAL:
            return b"\2"
        raise


def point_link(path, temp_name, text):
    folder_path, name = os.path.split(path)
    folder_fd = os.open(folder_path, ROOT_FLAGS)
    try:
        remove_in(folder_fd, temp_name)
        os.symlink(text, temp_name, dir_fd=folder_fd)
        try:
            os.rename(temp_name, name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
        except OSError:
            os.unlink(temp_name, dir_fd=folder_fd)
            raise
        os.fsync(folder_fd)
    finally:
        os.close(folder_fd)


def remove_link(path):
    folder_path, name = os.path.split(path)
    folder_fd = os.open(folder_path, ROOT_FLAGS)
    try:
        remove_in(folder_fd, name)
        os.fsync(folder_fd)
    finally:
        os.close(folder_fd)


def remove_in(folder_fd, name):
    try:
        os.unlink(name, dir_fd=folder_fd)
    except FileNotFoundError:
        pass


# The conversation.


class Agent:
    """Answers requests, one after the other; holds what their handles stand for."""

    def __init__(self):
        self._handles = {}
        self._verbs = {
            CLOSE: self._close,
            STAT: self._stat,
            SCAN: lambda handle, body: self._hold(handle, Scan(body.text())),
            SCAN_KNOWN: lambda handle, body: self._handles[handle].recognise(body.text(), body.rest()),
            SCAN_NEXT: lambda handle, body: self._handles[handle].next(),
            READ: lambda handle, body: self._hold(handle, Reading(body.text(), bool(body.u8()))),
            READ_PUT: lambda handle, body: self._handles[handle].put(body),
            READ_NEXT: lambda handle, body: self._handles[handle].next(),
            WRITER: self._writer,
            PUT: self._put,
            BEGIN: lambda handle, body: self._handles[handle].begin(body.text(), body.text()),
            WRITE: lambda handle, body: self._handles[handle].write(body.rest()),
            FINISH: lambda handle, body: self._handles[handle].finish(body.facts(), body.attributes()),
            ABANDON: lambda handle, body: self._handles[handle].abandon(),
            LINK: self._link,
            HARD_LINK: self._hard_link,
            COMMIT: lambda handle, body: many(self._handles[handle].commit()),
            SETTLE: lambda handle, body: many(self._handles[handle].each(body, self._handles[handle].settle)),
            REMOVE: lambda handle, body: many(self._handles[handle].each(body, self._handles[handle].remove)),
            UNLINK: lambda handle, body: many(self._handles[handle].each(body, self._handles[handle].unlink)),
            PART_OPEN: self._part,
            PART_EXTENTS: lambda handle, body: self._handles[handle].extents(),
            PART_READ: lambda handle, body: self._handles[handle].read(body.u64(), body.u32()),
            PART_HASH: lambda handle, body: self._handles[handle].hash(body.u64(), body.u32()),
            PART_CHECK: lambda handle, body: self._handles[handle].check(),
            LARGE: self._large,
            LARGE_WRITE: lambda handle, body: self._handles[handle].write(body.u64(), body.rest()),
            LARGE_COPY: lambda handle, body: self._handles[handle].copy_old(body.u64(), body.u32()),
            LARGE_HASH: lambda handle, body: self._handles[handle].hash(body.u64(), body.u32()),
            LARGE_HASH_OLD: lambda handle, body: self._handles[handle].hash_old(body.u64(), body.u32()),
            LARGE_SYNC: lambda handle, body: self._handles[handle].sync(),
            LARGE_FINISH: lambda handle, body: self._handles[handle].finish(body.facts(), body.attributes()),
            LARGE_DISCARD: lambda handle, body: self._handles[handle].discard(),
            DIGEST: lambda handle, body: self._hold(handle, Digesting(body.text(), bool(body.u8()), bool(body.u8()))),
            DIGEST_PUT: lambda handle, body: self._handles[handle].put(body),
            DIGEST_NEXT: lambda handle, body: self._handles[handle].next(),
            MAKE_ROOT: lambda handle, body: make_root(body.text()),
            SPACE: lambda handle, body: space(body.text()),
            LOCK: lambda handle, body: self._hold(handle, Lock(body.text())),
            READ_LINK: lambda handle, body: read_link(body.text()),
            POINT_LINK: lambda handle, body: point_link(body.text(), body.text(), body.text()),
            REMOVE_LINK: lambda handle, body: remove_link(body.text()),
            ATTRIBUTES_KEPT: lambda handle, body: attributes_kept(body.text()),
            MAY_WRITE: lambda handle, body: may_write(body.text()),
        }

    def answer(self, verb: int, handle: int, data: bytes):
        """Status and body of the answer."""
        try:
            return OK, self._verbs[verb](handle, Body(data)) or b""
        except Fault as fault:
            return DISK_FAULT, told(fault.args[0])
        except OSError as error:
            return FAILED, told(error)
        except KeyError:  # what was asked for after an opening that failed, before its answer was known
            return FAILED, told(OSError(errno.EBADF, "no such handle"))

    def close(self) -> None:
        while self._handles:
            self._handles.popitem()[1].close()

    def _hold(self, handle, held):
        if handle in self._handles:
            raise ValueError("a handle that is in use")
        self._handles[handle] = held

    def _close(self, handle, _):
        held = self._handles.pop(handle, None)
        if held is not None:
            held.close()

    def _writer(self, handle, body):
        keeps = kept(body)
        self._hold(handle, Writer(body.text(), *keeps))

    def _part(self, handle, body):
        part = Part(body.text(), body.text(), body.u32(), bool(body.u8()))
        self._hold(handle, part)
        return part.facts()

    def _large(self, handle, body):
        keeps = kept(body)
        makes, is_sparse, size = body.u8(), body.u8(), body.u64()
        large = LargeWriter(body.text(), keeps, body.text(), body.text(), size, makes, is_sparse)
        self._hold(handle, large)
        return b"%c" % large.is_new

    def _put(self, handle, body):
        """A whole small file in one request."""
        writer = self._handles[handle]
        facts = body.facts()
        writer.begin(body.text(), body.text())
        attributes = body.attributes()
        writer.write(body.rest())
        writer.finish(facts, attributes)

    def _link(self, handle, body):
        path, temp_name, text, facts = body.text(), body.text(), body.text(), body.facts()
        self._handles[handle].link(path, temp_name, text, facts, body.attributes())

    def _hard_link(self, handle, body):
        path, temp_name, to = body.text(), body.text(), body.text()
        self._handles[handle].hard_link(path, temp_name, to, body.facts())

    def _stat(self, _, body):
        root, path = body.text(), body.text()
        try:
            if path == b"":
                return b"\1" + facts_of(os.stat(root)) + packed(b"") + packed_attributes(attributes_of(root))
            check_path(path)
            folders = Folders(root)
            try:
                folder_path, _, name = path.rpartition(b"/")
                folder_fd = folders.open(folder_path)[0]
                found, link = look_at(folder_fd, name)
                attributes = attributes_of(in_folder(folder_fd, name), follows=False)
            finally:
                folders.close()
        except OSError as error:
            if error.errno in NOTHING_THERE:
                return b"\0"
            raise
        return b"\1" + facts_of(found) + packed(link) + packed_attributes(attributes)


def kept(body):
    """Whether owner, mode and times are kept, which bits of the mode, and what is done about attributes."""
    owner, mode, times, setid, attributes, acls = [body.u8() for _ in range(6)]
    return owner, mode, times, 0o7777 if setid else 0o1777, Attributes(attributes, acls, setid)


def many(outcomes):
    return b"".join(packed(outcome) for outcome in outcomes)


def told(error):
    return struct.pack(">i", error.errno or 0) + packed((error.strerror or str(error)).encode("utf-8", "replace"))


def make_root(root):
    try:
        os.mkdir(root, 0o700)
    except FileExistsError:
        Folders(root).close()  # raises where something else than a folder stands there
        return
    parent_fd = os.open(os.path.dirname(root) or b"/", ROOT_FLAGS)
    try:
        os.fsync(parent_fd)
    finally:
        os.close(parent_fd)


def space(root):
    """Free bytes and inodes, with a flag that says whether these are counted; the number of the file system."""
    place = root if os.path.lexists(root) else os.path.dirname(root)
    found = os.statvfs(place)
    free = found.f_bavail * found.f_frsize
    return struct.pack(">QBQQ", free, bool(found.f_files), found.f_favail, os.stat(place).st_dev)


def may_write(root):
    """Whether names could be made and removed in the folder; asked, not tried."""
    return b"\1" if os.access(root, os.W_OK | os.X_OK, effective_ids=True) else b"\0"


class Server:
    """Speaks for an agent over standard input and output, until the input ends."""

    def __init__(self, agent):
        self._agent = agent
        self._in = sys.stdin.buffer
        self._buffer = bytearray()
        self._at = 0
        self._out = bytearray()

    def serve(self):
        version = "%d.%d.%d" % sys.version_info[:3]
        greeting = U32.pack(PROTOCOL) + U32.pack(os.geteuid()) + packed(version.encode())
        self._out += MAGIC + packed(greeting)
        while True:
            head = self._take(4)
            if head is None:
                break
            (length,) = U32.unpack(head)
            if not 5 <= length <= LARGEST_FRAME:
                raise ValueError("a request of %d bytes" % length)
            frame = self._take(length)
            if frame is None:
                break
            self._answer(frame)
        self._agent.close()

    def _answer(self, frame):
        (handle,) = U32.unpack_from(frame, 1)
        status, answer = self._agent.answer(frame[0], handle, frame[5:])
        self._out += ANSWER.pack(len(answer) + 1, status)
        self._out += answer
        if len(self._out) >= REPLY_BYTES:
            self._flush()

    def _take(self, count):
        """The next `count` bytes; None at the end. What was answered leaves before we would have to wait."""
        buffer = self._buffer
        while len(buffer) - self._at < count:
            if self._at:
                del buffer[: self._at]
                self._at = 0
            self._flush()
            data = self._in.read1(1 << 18)
            if not data:
                return None
            buffer += data
        taken = bytes(buffer[self._at : self._at + count])
        self._at += count
        return taken

    def _flush(self):
        view = memoryview(bytes(self._out))
        self._out.clear()
        while view:
            view = view[os.write(1, view) :]


if __name__ == "__main__":
    os.umask(0o077)
    Server(Agent()).serve()
