//! The disk as a folder of this machine: a file system in user space, spoken to over `/dev/fuse` without a library.
//!
//! Nothing is cached by the kernel: each read and write of a process is a request to the disk, so that what it
//! has lost is lost for the process too. One thread serves; the requests of one mount come in their order.
//!
//! Source: `include/uapi/linux/fuse.h` of Linux, protocol 7.31.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::device::{Device, File, Folder, Kind, ROOT, errno};

/// Largest write in one request, in bytes.
const WRITE_BYTES_MAX: usize = 128 * 1024;
/// A request: the largest write, and what stands before it.
const REQUEST_BYTES_MAX: usize = WRITE_BYTES_MAX + 4096;
const HEADER_BYTES: usize = 40;
const BLOCK_BYTES: u64 = 4096;
/// What `statfs` says there is, in blocks: a tebibyte, all of it free.
const BLOCKS: u64 = 1 << 28;

const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;

/// Flag of an opened file: past the page cache.
const DIRECT_IO: u32 = 1;
/// Flags of the handshake: writes of more than a page, and as many pages as we say.
const BIG_WRITES: u32 = 1 << 5;
const MAX_PAGES: u32 = 1 << 22;
/// That there are more flags, and the one of them that bounds how long a request may take.
const MORE_FLAGS: u32 = 1 << 30;
const REQUEST_TIMEOUT: u32 = 1 << 10;

/// After so many seconds without an answer the kernel takes the disk away: the process that serves it is the
/// one that uses it, and if it is killed in the middle of a request nobody else would end it.
const ANSWER_SECONDS_MAX: u16 = 60;

/// What a change of attributes names.
const SET_MODE: u32 = 1;
const SET_SIZE: u32 = 1 << 3;

/// The disk, mounted. It is gone from the folder when this is dropped.
pub struct Mount {
    folder: PathBuf,
    device: Arc<Mutex<Device>>,
}

impl Mount {
    /// Mounts a disk on `folder`. The caller has a mount namespace of its own.
    pub fn new(folder: &Path, device: Device) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let channel = OpenOptions::new().read(true).write(true).open("/dev/fuse")?;
        let kernel = channel.try_clone()?;
        // `mount` finds the channel as its standard input.
        let status = Command::new("mount")
            .args(["-i", "-t", "fuse", "-o"])
            .arg("fd=0,rootmode=40000,user_id=0,group_id=0")
            .args(["testudo-power"])
            .arg(folder)
            .stdin(Stdio::from(channel))
            .status()?;
        if !status.success() {
            return Err(io::Error::other(format!("mount ended with {status}")));
        }
        let device = Arc::new(Mutex::new(device));
        let served = device.clone();
        thread::Builder::new()
            .name("fuse".to_owned())
            .spawn(move || serve(kernel, &served))?;
        Ok(Self {
            folder: folder.to_owned(),
            device,
        })
    }

    pub fn device(&self) -> MutexGuard<'_, Device> {
        lock(&self.device)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // The namespace ends with the process in any case.
        let _ended = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}

fn lock(device: &Mutex<Device>) -> MutexGuard<'_, Device> {
    device.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One request: its header and what follows.
struct Request<'a> {
    opcode: u32,
    unique: u64,
    node: u64,
    body: &'a [u8],
}

impl<'a> Request<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let header = Fields(bytes.get(..HEADER_BYTES)?);
        Some(Self {
            opcode: header.u32(4),
            unique: header.u64(8),
            node: header.u64(16),
            body: &bytes[HEADER_BYTES..],
        })
    }

    fn fields(&self) -> Fields<'a> {
        Fields(self.body)
    }

    /// The names that stand behind a body of so many bytes, each closed by a zero.
    fn names(&self, skip: usize) -> Result<Vec<&'a str>, i32> {
        let names = self.body.get(skip..).unwrap_or_default();
        names
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
            .map(|name| std::str::from_utf8(name).map_err(|_| errno::EINVAL))
            .collect()
    }

    fn name(&self, skip: usize) -> Result<&'a str, i32> {
        self.names(skip)?.first().copied().ok_or(errno::EINVAL)
    }
}

/// Numbers at their places; zero beyond the end.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        let found = self.0.get(at..at + N);
        found.and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.bytes(at))
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.bytes(at))
    }

    fn size(&self, at: usize) -> usize {
        usize::try_from(self.u64(at)).unwrap_or(usize::MAX)
    }
}

/// An answer in the making.
#[derive(Default)]
struct Answer(Vec<u8>);

impl Answer {
    fn u16(mut self, value: u16) -> Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    fn zeros(mut self, count: usize) -> Self {
        self.0.resize(self.0.len() + count, 0);
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// What `stat` shows of a node.
    fn attributes(self, device: &Device, id: u64) -> Result<Self, i32> {
        let node = device.node(id)?;
        let (kind, size) = match &node.kind {
            Kind::File(file) => (S_IFREG, file.len() as u64),
            Kind::Folder(_) => (S_IFDIR, 0),
        };
        Ok(self
            .u64(id)
            .u64(size)
            .u64(size.div_ceil(512))
            .zeros(3 * 8 + 3 * 4)
            .u32(kind | node.mode)
            .u32(1)
            .zeros(3 * 4)
            .u32(BLOCK_BYTES as u32)
            .zeros(4))
    }

    /// A node and its attributes, neither to be remembered by the kernel.
    fn entry(self, device: &Device, id: u64) -> Result<Self, i32> {
        self.u64(id).zeros(4 * 8).attributes(device, id)
    }

    fn opened(self) -> Self {
        self.u64(0).u32(DIRECT_IO).zeros(4)
    }
}

fn serve(mut kernel: fs::File, device: &Mutex<Device>) {
    let mut buffer = vec![0; REQUEST_BYTES_MAX];
    loop {
        let length = match kernel.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if matches!(error.raw_os_error(), Some(2 | 4 | 11)) => continue,
            // The file system has been taken off.
            Err(_) => return,
        };
        let Some(request) = buffer.get(..length).and_then(Request::read) else {
            return;
        };
        // FORGET, INTERRUPT and BATCH_FORGET have no answer.
        if matches!(request.opcode, 2 | 36 | 42) {
            continue;
        }
        let (error, body) = match answer(&mut lock(device), &request) {
            Ok(answer) => (0, answer.0),
            Err(error) => (-error, Vec::new()),
        };
        let length = (16 + body.len()) as u32;
        let reply = Answer::default().u32(length).bytes(&error.to_ne_bytes());
        let reply = reply.u64(request.unique).bytes(&body);
        // A process that was killed does not wait for its answer any more.
        let _gone = kernel.write(&reply.0);
    }
}

fn answer(device: &mut Device, request: &Request<'_>) -> Result<Answer, i32> {
    let (node, fields, empty) = (request.node, request.fields(), Answer::default());
    match request.opcode {
        // LOOKUP
        1 => {
            let id = device.lookup(node, request.name(0)?)?;
            empty.entry(device, id)
        }
        // GETATTR
        3 => empty.zeros(16).attributes(device, node),
        // SETATTR
        4 => {
            let wanted = fields.u32(0);
            if wanted & SET_MODE != 0 {
                device.set_mode(node, fields.u32(68))?;
            }
            if wanted & SET_SIZE != 0 {
                device.resize(node, fields.size(16))?;
            }
            empty.zeros(16).attributes(device, node)
        }
        // MKDIR
        9 => {
            let mode = fields.u32(0) & !fields.u32(4) & 0o7777;
            let id = device.make(node, request.name(8)?, mode, Kind::Folder(Folder::default()))?;
            empty.entry(device, id)
        }
        // UNLINK, RMDIR
        10 => device.remove(node, request.name(0)?, false).map(|()| empty),
        11 => device.remove(node, request.name(0)?, true).map(|()| empty),
        // RENAME, and RENAME2 without flags
        12 => rename(device, node, fields.u64(0), &request.names(8)?).map(|()| empty),
        45 if fields.u32(8) == 0 => rename(device, node, fields.u64(0), &request.names(16)?).map(|()| empty),
        // OPEN, OPENDIR
        14 | 27 => device.node(node).map(|_| empty.opened()),
        // READ
        15 => {
            let length = fields.u32(16) as usize;
            Ok(empty.bytes(device.read(node, fields.size(8), length)?))
        }
        // WRITE
        16 => {
            let length = fields.u32(16);
            let bytes = request.body.get(40..40 + length as usize).ok_or(errno::EINVAL)?;
            device.write(node, fields.size(8), bytes)?;
            Ok(empty.u32(length).zeros(4))
        }
        // STATFS
        17 => Ok(empty
            .u64(BLOCKS)
            .u64(BLOCKS)
            .u64(BLOCKS)
            .u64(BLOCKS)
            .u64(BLOCKS)
            .u32(BLOCK_BYTES as u32)
            .u32(255)
            .u32(BLOCK_BYTES as u32)
            .zeros(7 * 4)),
        // RELEASE, FLUSH, RELEASEDIR: what they say is that a process has closed something.
        18 | 25 | 29 => Ok(empty),
        // FSYNC, FSYNCDIR
        20 => device.sync_file(node).map(|()| empty),
        30 => device.sync_folder(node).map(|()| empty),
        // INIT
        26 => Ok(empty
            .u32(7)
            .u32(31)
            .u32(fields.u32(8))
            .u32(fields.u32(12) & (BIG_WRITES | MAX_PAGES | MORE_FLAGS))
            .u16(12)
            .u16(9)
            .u32(WRITE_BYTES_MAX as u32)
            .u32(1)
            .u16((WRITE_BYTES_MAX as u64 / BLOCK_BYTES) as u16)
            .zeros(2)
            .u32(fields.u32(16) & REQUEST_TIMEOUT)
            .zeros(4)
            .u16(ANSWER_SECONDS_MAX)
            .zeros(11 * 2)),
        // READDIR
        28 => list(device, node, fields.size(8), fields.u32(16) as usize),
        // CREATE
        35 => {
            let mode = fields.u32(4) & !fields.u32(8) & 0o7777;
            let id = device.make(node, request.name(16)?, mode, Kind::File(File::default()))?;
            Ok(empty.entry(device, id)?.opened())
        }
        // FALLOCATE: blocks that are set aside, which change nothing that is read.
        43 if fields.u32(24) & 1 == 1 => device.node(node).map(|_| empty),
        _ => Err(errno::ENOSYS),
    }
}

fn rename(device: &mut Device, from: u64, to: u64, names: &[&str]) -> Result<(), i32> {
    match names {
        [old, new] => device.rename((from, old), (to, new)),
        _ => Err(errno::EINVAL),
    }
}

/// The names in a folder from the one numbered `from`, as far as they fit.
fn list(device: &Device, node: u64, from: usize, length: usize) -> Result<Answer, i32> {
    let folder = device.folder(node)?;
    let dots = [(".".to_owned(), node), ("..".to_owned(), ROOT)];
    let names = folder.now.iter().map(|(name, id)| (name.clone(), *id));
    let mut answer = Answer::default();
    for (at, (name, id)) in dots.into_iter().chain(names).enumerate().skip(from) {
        let padded = name.len().next_multiple_of(8);
        if answer.0.len() + 24 + padded > length {
            break;
        }
        let kind = match device.node(id).map(|node| &node.kind) {
            Ok(Kind::File(_)) => S_IFREG,
            _ => S_IFDIR,
        };
        answer = answer
            .u64(id)
            .u64(at as u64 + 1)
            .u32(name.len() as u32)
            .u32(kind >> 12)
            .bytes(name.as_bytes())
            .zeros(padded - name.len());
    }
    Ok(answer)
}
