//! A disk that forgets: what was not synced is gone when the power is.
//!
//! As pessimistic as POSIX allows. A file keeps what `fsync` of that file has covered, and a folder the names
//! that `fsync` of that folder has covered; neither does anything for the other. Of what was written since, a
//! loss of power leaves nothing, or the first few writes and a torn one.

use std::collections::{BTreeMap, BTreeSet};

/// The root folder, as FUSE numbers it.
pub const ROOT: u64 = 1;

/// Error numbers of Linux.
pub mod errno {
    pub const ENOENT: i32 = 2;
    pub const EIO: i32 = 5;
    pub const EEXIST: i32 = 17;
    pub const ENOTDIR: i32 = 20;
    pub const EISDIR: i32 = 21;
    pub const EINVAL: i32 = 22;
    pub const ENOSYS: i32 = 38;
    pub const ENOTEMPTY: i32 = 39;
}

type Done<T> = Result<T, i32>;

/// One file or folder.
pub struct Node {
    /// Permission bits.
    pub mode: u32,
    pub kind: Kind,
}

pub enum Kind {
    File(File),
    Folder(Folder),
}

/// What a file holds now, and what it would hold without power.
#[derive(Default)]
pub struct File {
    now: Vec<u8>,
    synced: Vec<u8>,
    /// What was done to it since, in order.
    since: Vec<Act>,
}

enum Act {
    Write(usize, Vec<u8>),
    Resize(usize),
}

#[derive(Default)]
pub struct Folder {
    pub now: BTreeMap<String, u64>,
    synced: BTreeMap<String, u64>,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is killed; the machine goes on and has everything that was written.
    Killed,
    /// The machine loses power.
    PowerLost,
}

pub struct Device {
    nodes: BTreeMap<u64, Node>,
    next: u64,
    /// Steps that are left until nothing is done any more.
    left: Option<u64>,
    dead: bool,
    /// Syncs that are left until one fails.
    failing: Option<u64>,
    /// Steps taken since the last start: each write, sync or change of a name is one.
    pub steps: u64,
}

impl Device {
    pub fn new() -> Self {
        let root = Node {
            mode: 0o700,
            kind: Kind::Folder(Folder::default()),
        };
        Self {
            nodes: BTreeMap::from([(ROOT, root)]),
            next: ROOT + 1,
            left: None,
            dead: false,
            failing: None,
            steps: 0,
        }
    }

    /// Lets the disk take so many steps more, and then none.
    pub fn cut_after(&mut self, steps: u64) {
        self.left = Some(steps);
        self.steps = 0;
    }

    /// Lets so many syncs pass and one fail; all else goes on.
    pub fn fail_sync_after(&mut self, syncs: u64) {
        self.failing = Some(syncs);
    }

    /// Whether a sync has failed since.
    pub fn has_failed(&self) -> bool {
        self.failing.is_none()
    }

    /// Whether it has stopped.
    pub fn is_dead(&self) -> bool {
        self.dead
    }

    /// From now on nothing is done any more.
    pub fn cut(&mut self) {
        self.dead = true;
    }

    /// The next start. `chance` decides how much of what was not synced a loss of power leaves.
    pub fn revive(&mut self, end: End, chance: &mut dyn FnMut(u64) -> u64) {
        self.dead = false;
        self.left = None;
        self.failing = None;
        for node in self.nodes.values_mut() {
            match &mut node.kind {
                Kind::Folder(folder) if end == End::PowerLost => folder.now = folder.synced.clone(),
                Kind::File(file) if end == End::PowerLost => file.lose_power(chance),
                _ => {}
            }
        }
        let mut reached = BTreeSet::new();
        let mut to_visit = vec![ROOT];
        while let Some(id) = to_visit.pop() {
            if reached.insert(id)
                && let Some(Kind::Folder(folder)) = self.nodes.get(&id).map(|node| &node.kind)
            {
                to_visit.extend(folder.now.values().chain(folder.synced.values()));
            }
        }
        self.nodes.retain(|id, _| reached.contains(id));
    }

    /// One step that changes something; refused once the disk is dead.
    fn step(&mut self) -> Done<()> {
        if self.dead || self.left == Some(0) {
            self.dead = true;
            return Err(errno::EIO);
        }
        self.steps += 1;
        self.left = self.left.map(|left| left - 1);
        Ok(())
    }

    pub fn node(&self, id: u64) -> Done<&Node> {
        if self.dead {
            return Err(errno::EIO);
        }
        self.nodes.get(&id).ok_or(errno::ENOENT)
    }

    fn file(&mut self, id: u64) -> Done<&mut File> {
        match &mut self.nodes.get_mut(&id).ok_or(errno::ENOENT)?.kind {
            Kind::File(file) => Ok(file),
            Kind::Folder(_) => Err(errno::EISDIR),
        }
    }

    pub fn folder(&self, id: u64) -> Done<&Folder> {
        match &self.node(id)?.kind {
            Kind::Folder(folder) => Ok(folder),
            Kind::File(_) => Err(errno::ENOTDIR),
        }
    }

    fn folder_mut(&mut self, id: u64) -> Done<&mut Folder> {
        match &mut self.nodes.get_mut(&id).ok_or(errno::ENOENT)?.kind {
            Kind::Folder(folder) => Ok(folder),
            Kind::File(_) => Err(errno::ENOTDIR),
        }
    }

    pub fn lookup(&self, parent: u64, name: &str) -> Done<u64> {
        self.folder(parent)?.now.get(name).copied().ok_or(errno::ENOENT)
    }

    /// Makes a file or a folder.
    pub fn make(&mut self, parent: u64, name: &str, mode: u32, kind: Kind) -> Done<u64> {
        self.step()?;
        let id = self.next;
        let folder = self.folder_mut(parent)?;
        if folder.now.contains_key(name) {
            return Err(errno::EEXIST);
        }
        folder.now.insert(name.to_owned(), id);
        self.next += 1;
        self.nodes.insert(id, Node { mode, kind });
        Ok(id)
    }

    pub fn set_mode(&mut self, id: u64, mode: u32) -> Done<()> {
        self.node(id)?;
        if let Some(node) = self.nodes.get_mut(&id) {
            node.mode = mode & 0o7777;
        }
        Ok(())
    }

    pub fn resize(&mut self, id: u64, size: usize) -> Done<()> {
        self.step()?;
        self.file(id)?.act(Act::Resize(size));
        Ok(())
    }

    /// A write that the end of power cuts short is still under way, and may be torn.
    pub fn write(&mut self, id: u64, offset: usize, bytes: &[u8]) -> Done<()> {
        let was_alive = !self.dead;
        let step = self.step();
        if was_alive {
            self.file(id)?.act(Act::Write(offset, bytes.to_vec()));
        }
        step
    }

    pub fn read(&self, id: u64, offset: usize, length: usize) -> Done<&[u8]> {
        match &self.node(id)?.kind {
            Kind::File(file) => {
                let start = offset.min(file.now.len());
                let end = offset.saturating_add(length).min(file.now.len());
                Ok(&file.now[start..end])
            }
            Kind::Folder(_) => Err(errno::EISDIR),
        }
    }

    pub fn sync_file(&mut self, id: u64) -> Done<()> {
        self.step()?;
        match self.failing {
            // What was to be synced is not, and the next sync will say that all is well: as Linux does it.
            Some(0) => {
                self.failing = None;
                self.file(id)?.forget();
                return Err(errno::EIO);
            }
            Some(left) => self.failing = Some(left - 1),
            None => {}
        }
        self.file(id)?.sync();
        Ok(())
    }

    pub fn sync_folder(&mut self, id: u64) -> Done<()> {
        self.step()?;
        let folder = self.folder_mut(id)?;
        folder.synced = folder.now.clone();
        Ok(())
    }

    pub fn remove(&mut self, parent: u64, name: &str, is_folder: bool) -> Done<()> {
        self.step()?;
        let id = self.lookup(parent, name)?;
        match &self.node(id)?.kind {
            Kind::Folder(_) if !is_folder => return Err(errno::EISDIR),
            Kind::Folder(folder) if !folder.now.is_empty() => return Err(errno::ENOTEMPTY),
            Kind::File(_) if is_folder => return Err(errno::ENOTDIR),
            _ => {}
        }
        self.folder_mut(parent)?.now.remove(name);
        Ok(())
    }

    /// A rename between two folders is one step: neither name without the other.
    pub fn rename(&mut self, from: (u64, &str), to: (u64, &str)) -> Done<()> {
        self.step()?;
        let id = self.lookup(from.0, from.1)?;
        self.folder(to.0)?;
        self.folder_mut(from.0)?.now.remove(from.1);
        self.folder_mut(to.0)?.now.insert(to.1.to_owned(), id);
        Ok(())
    }
}

impl File {
    pub fn len(&self) -> usize {
        self.now.len()
    }

    fn act(&mut self, act: Act) {
        act.apply(&mut self.now);
        self.since.push(act);
    }

    fn sync(&mut self) {
        for act in self.since.drain(..) {
            act.apply(&mut self.synced);
        }
    }

    /// The pages that could not be written count as written.
    fn forget(&mut self) {
        self.since.clear();
    }

    fn lose_power(&mut self, chance: &mut dyn FnMut(u64) -> u64) {
        let mut left = std::mem::take(&mut self.synced);
        let since = std::mem::take(&mut self.since);
        if !since.is_empty() && chance(2) == 0 {
            let whole = chance(since.len() as u64) as usize;
            for (at, act) in since.into_iter().enumerate().take(whole + 1) {
                match act {
                    Act::Write(offset, mut bytes) if at == whole => {
                        bytes.truncate(chance(bytes.len() as u64 + 1) as usize);
                        Act::Write(offset, bytes).apply(&mut left);
                    }
                    act => act.apply(&mut left),
                }
            }
        }
        self.now = left.clone();
        self.synced = left;
    }
}

impl Act {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Act::Resize(size) => bytes.resize(*size, 0),
            Act::Write(offset, written) => {
                let end = offset + written.len();
                if bytes.len() < end && !written.is_empty() {
                    bytes.resize(end, 0);
                }
                if let Some(place) = bytes.get_mut(*offset..end) {
                    place.copy_from_slice(written);
                }
            }
        }
    }
}
