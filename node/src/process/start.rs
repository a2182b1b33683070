//! Starting a hub from its folder, in the order in which a failure costs least.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use testudo_core::hub::{Anchor as CoreAnchor, Hub, HubConfig, RestoreError, Row, restore_governance};
use testudo_core::keys::HubKeys;
use testudo_core::output::{Family, Output};
use testudo_core::records::key::is_erasure;
use testudo_crypto::digest::hex;
use testudo_crypto::entropy::{Entropy, EntropyError};
use testudo_policies::engine::Engine;
use testudo_policies::gate::{Approvals, Gate, GateError};
use testudo_policies::layers::{LayerSource, Layers, PolicyFile};
use testudo_policies::policy_set::LoadError;
use testudo_protocol::charter::{Charter, Governance, KeyKind};
use testudo_protocol::id::{HubId, Timestamp};
use testudo_protocol::realm::Realm;
use testudo_protocol::statement::{Accreditation, CryptoApproval, StatementError};
use testudo_protocol::week::Week;
use tracing::info;

use super::disk::{Disk, Fatal};
use super::driver::{Driver, HubHandle, Readers, Request, Shell};
use super::rows::load_rows;
use crate::blobs::{BlobFolder, BlobFolderError, BlobWorker, Staging};
use crate::clock;
use crate::config::ApprovalFiles;
use crate::folder::{FolderError, HubFolder};
use crate::store::{
    Anchor, Claim, EraseError, HoldAnchorError, OpenError, ReadAnchorError, ReadError, Store, StoreKeys,
};
use crate::transport::{self, GossipCommunity, PeerEntry, Transport, TransportConfig};

/// How often the core is told that time passes.
const TIMER: Duration = Duration::from_secs(1);

/// A running hub.
pub struct Running {
    /// The way to it.
    pub handle: HubHandle,
    transport: Transport,
    thread: JoinHandle<Result<(), Fatal>>,
}

/// Why a hub does not start. Nothing is left running, and no row of a database was changed.
///
/// Where there was no database, a port that is taken or may not be used is found out before one is made. What the
/// network refuses for another reason, or in the moment after that, leaves an empty one that the next start uses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The folder is not one of a hub.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The database.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A row.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An erasure that a crash interrupted.
    #[error("an erasure that was interrupted cannot be finished")]
    Unfinished(#[from] EraseError),
    /// The folder of attachments.
    #[error(transparent)]
    Blobs(#[from] BlobFolderError),
    /// The anchor.
    #[error(transparent)]
    Anchor(#[from] ReadAnchorError),
    /// The anchor of a hub that runs.
    #[error(transparent)]
    HoldAnchor(#[from] HoldAnchorError),
    /// The policies.
    #[error(transparent)]
    Policies(#[from] LoadError),
    /// A statement of an authority.
    #[error("approval `{}` is refused", path.display())]
    Approval {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: StatementError,
    },
    /// A statement of an authority that cannot be read.
    #[error("approval `{}` cannot be read", path.display())]
    ReadApproval {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Charter and policies do not fit.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The rows are not a hub.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The network.
    #[error(transparent)]
    Transport(#[from] transport::StartError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The tap.
    #[cfg(feature = "tap")]
    #[error("the tap folder cannot be written")]
    Tap(#[source] std::io::Error),
    /// No thread.
    #[error("the system gives no thread for the hub")]
    Thread(#[source] std::io::Error),
    /// The timer and the network are already gone.
    #[error("the hub ended while it was starting")]
    Ended,
}

/// A hub rebuilt from its database, and what it has to do first.
pub type Loaded = (Hub, Vec<Output>, Store, Option<CoreAnchor>);

/// Opens a hub's database and rebuilds the hub from it, without network.
///
/// # Errors
/// [`StartError`].
pub fn load(folder: &HubFolder) -> Result<Loaded, StartError> {
    open(folder, prepare(folder)?, Claim::take(&folder.config.store())?)
}

/// Everything that a hub is made of but its rows.
struct Prepared {
    me: HubId,
    founding: Governance,
    keys: HubKeys,
    own_acts: Vec<Vec<u8>>,
    engine: Engine,
    approvals: Approvals,
    store: StoreKeys,
}

fn prepare(folder: &HubFolder) -> Result<Prepared, StartError> {
    let founding = folder.founding()?;
    // A crash may have left a rotation half done.
    folder.finish_rotation()?;
    let me = folder.card()?.code;
    Ok(Prepared {
        me,
        keys: folder.keys()?,
        own_acts: own_acts(folder)?,
        engine: engine(folder)?,
        approvals: approvals(&folder.config.approvals, founding.realm(), me)?,
        store: StoreKeys {
            storage: folder.storage_key()?,
            openings: folder.opening_keys(),
            week: Week::of(clock::now()),
        },
        founding,
    })
}

fn open(folder: &HubFolder, prepared: Prepared, claim: Claim) -> Result<Loaded, StartError> {
    let now = clock::now();
    let store = Store::open_claimed(claim, prepared.store, prepared.me.as_str())?;
    let configure = |rows: &[Row]| {
        let governance = restore_governance(prepared.founding, rows)?;
        let gate = Gate::new(prepared.engine, governance.charter(now))?.with_approvals(prepared.approvals);
        Ok(HubConfig {
            me: prepared.me,
            keys: prepared.keys,
            governance,
            gate,
            entropy: Entropy::from_os()?,
            tick_millis: folder.config.tick.millis(),
            own_acts: prepared.own_acts,
            community_lane: folder.config.community_lane,
        })
    };
    let anchor = Anchor::new(&folder.config.anchor);
    let (hub, begin, anchor) = restore(&store, &anchor, now, configure)?;
    let removed = BlobFolder::open(&folder.config.blobs())?.keep_only(&hub.blobs())?;
    if removed > 0 {
        info!(
            count = removed,
            "files of attachments that no item names were removed"
        );
    }
    Ok((hub, begin, store, anchor))
}

/// Rebuilds a hub from an open database and its anchor, after whatever a crash has left to be erased. Who it is may
/// depend on its rows.
///
/// # Errors
/// [`StartError`].
pub fn restore(
    store: &Store,
    anchor: &Anchor,
    now: Timestamp,
    configure: impl FnOnce(&[Row]) -> Result<HubConfig, StartError>,
) -> Result<(Hub, Vec<Output>, Option<CoreAnchor>), StartError> {
    // Before anything is read or served: what was erased must be gone from the files too.
    store.finish_erasing()?;
    let anchor = anchor.read()?.map(|anchored| CoreAnchor {
        size: anchored.newest.size,
        root: hex(&anchored.newest.root),
    });
    let rows = load_rows(store)?;
    // An older version, or somebody who put an older register back, may have left some out.
    let erasures = (rows.iter()).filter(|(of, key, _)| *of == Family::Notice && is_erasure(key));
    let erasures = erasures.map(|(_, key, value)| (key.as_slice(), value.as_slice()));
    store.register_erasures(erasures).map_err(EraseError::from)?;
    let config = configure(&rows)?;
    let (hub, begin) = Hub::restore(config, rows, anchor.as_ref(), now)?;
    Ok((hub, begin, anchor))
}

/// Starts a hub: database, network, then the thread that runs it.
///
/// # Errors
/// [`StartError`].
pub async fn start(folder: &HubFolder, tap: Option<PathBuf>) -> Result<Running, StartError> {
    let prepared = prepare(folder)?;
    let keys = folder.keys()?;
    let claim = Claim::take(&folder.config.store())?;
    // A second database at this anchor is a copy of the first.
    let held = Anchor::new(&folder.config.anchor).hold()?;
    // A first start makes a database, and must not before it is sure that peers will reach it. Held until the
    // network takes it.
    let ports = match claim.is_empty()? {
        true => Some(transport::hold_ports(folder.config.listen)?),
        false => None,
    };
    let (hub, begin, store, anchor) = open(folder, prepared, claim)?;
    let config = TransportConfig {
        secret_seed: keys.transport.seed(),
        listen: folder.config.listen,
        peers: peers(hub.gate().charter(), hub.me()),
        communities: hub.communities().iter().map(GossipCommunity::from).collect(),
        #[cfg(feature = "tap")]
        tap: tap.clone(),
    };
    #[cfg(feature = "tap")]
    let canaries = tap
        .as_deref()
        .map(super::canary::Canaries::open)
        .transpose()
        .map_err(StartError::Tap)?;
    #[cfg(not(feature = "tap"))]
    let _no_tap_in_this_build = tap;
    drop(ports);
    let (transport, mut events) = Transport::start(config).await?;
    let reader = PolicyFolders::of(folder);
    let keys_in = folder.clone();
    let blobs = BlobFolder::open(&folder.config.blobs())?;
    let (handle, requests) = HubHandle::channel(Readers {
        policies: Arc::new(move || reader.load()),
        staging: Arc::new(Staging::new(blobs.clone())),
        keys: Arc::new(move || Ok((own_acts(&keys_in)?, keys_in.keys()?))),
        transport_key: keys.transport.verifying_key(),
    });
    let poked = handle.clone();
    let blobs = BlobWorker::start(blobs, move || poked.poke()).map_err(StartError::Thread)?;
    let driver = Driver {
        hub,
        disk: Disk::new(store, held, anchor.map_or(0, |anchor| anchor.size)),
        shell: Shell {
            transport: transport.clone(),
            #[cfg(feature = "tap")]
            canaries,
            blobs,
            unjudged: BTreeMap::new(),
            gossiped: 0,
            waiting: BTreeMap::new(),
        },
        commands: 0,
        activations: Vec::new(),
    };
    let thread = std::thread::Builder::new().name("hub".to_owned());
    let thread = thread
        .spawn(move || driver.run(begin, requests))
        .map_err(StartError::Thread)?;
    let network = handle.clone();
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if network.send(Request::Network(event)).await.is_err() {
                return;
            }
        }
    });
    let timer = handle.clone();
    tokio::spawn(async move {
        let mut interval = tokio::time::interval(TIMER);
        loop {
            interval.tick().await;
            if timer.send(Request::Tick).await.is_err() {
                return;
            }
        }
    });
    Ok(Running {
        handle,
        transport,
        thread,
    })
}

impl Running {
    /// Bytes that streams to peers have taken since the start.
    #[cfg(feature = "bare")]
    pub fn sent_bytes(&self) -> u64 {
        self.transport.sent_bytes()
    }

    /// Whether the hub thread has ended by itself: an effect that must not be retried failed.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Signs what there is, stops the network, and waits for the thread. The process is about to end, and gives
    /// the port back with it: waiting for that here would take three seconds wherever a peer is gone already.
    ///
    /// # Errors
    /// A sentence for the operator if the thread ended because an effect failed.
    pub async fn stop(mut self) -> Result<(), String> {
        // If the thread is gone already there is nobody to tell; its result says why.
        let _gone = self.handle.send(Request::Stop).await;
        let thread = self.thread;
        let ended = tokio::task::spawn_blocking(move || thread.join()).await;
        self.transport.end().await;
        match ended {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(fatal))) => Err(crate::cli::chain(&fatal)),
            Ok(Err(_)) | Err(_) => Err("the hub thread ended unexpectedly".to_owned()),
        }
    }
}

/// What this hub has decided about itself, as it is handed to the core.
fn own_acts(folder: &HubFolder) -> Result<Vec<Vec<u8>>, FolderError> {
    let acts = folder.own_acts()?.into_iter();
    Ok(acts.map(|act| act.to_bytes().to_vec()).collect())
}

/// Everybody whose transport key counts.
pub(super) fn peers(charter: &Charter, me: HubId) -> Vec<PeerEntry> {
    let counts = |code| code != me && !charter.is_revoked(code, KeyKind::Transport);
    let others = charter.members().filter(|member| counts(member.code));
    others
        .map(|member| PeerEntry {
            code: member.code.to_string(),
            transport_key: *member.keys.transport.as_bytes(),
            address: member.address,
        })
        .collect()
}

/// Reads the statements of the pinned authority; one that does not fit stops the start.
fn approvals(files: &ApprovalFiles, realm: &Realm, me: HubId) -> Result<Approvals, StartError> {
    let Some(authority) = &files.authority else {
        return Ok(Approvals {
            channel: files.channel.clone(),
            ..Approvals::default()
        });
    };
    let refused = |path: &Path| {
        let path = path.to_owned();
        move |source| StartError::Approval { path, source }
    };
    let accreditation = match &files.accreditation {
        Some(path) => {
            Some(Accreditation::verify(&read_approval(path)?, authority, realm, me).map_err(refused(path))?)
        }
        None => None,
    };
    let crypto = match &files.crypto {
        Some(path) => {
            Some(CryptoApproval::verify(&read_approval(path)?, authority, realm).map_err(refused(path))?)
        }
        None => None,
    };
    Ok(Approvals {
        accreditation,
        crypto,
        channel: files.channel.clone(),
    })
}

fn read_approval(path: &Path) -> Result<Vec<u8>, StartError> {
    std::fs::read(path).map_err(|source| StartError::ReadApproval {
        path: path.to_owned(),
        source,
    })
}

/// The engine on the embedded baseline and this hub's own national and intake policies.
pub(crate) fn engine(folder: &HubFolder) -> Result<Engine, LoadError> {
    PolicyFolders::of(folder).load()
}

/// Where a hub's own policies lie.
struct PolicyFolders {
    national: Option<PathBuf>,
    intake: Option<PathBuf>,
}

impl PolicyFolders {
    fn of(folder: &HubFolder) -> Self {
        Self {
            national: folder.config.national_policies.clone(),
            intake: folder.config.intake_policies.clone(),
        }
    }

    fn load(&self) -> Result<Engine, LoadError> {
        let mut layers = Layers::embedded();
        if let Some(path) = &self.national {
            layers = layers.with_national(policy_folder(path));
        }
        if let Some(path) = &self.intake {
            layers = layers.with_intake(policy_folder(path));
        }
        Engine::load(&layers)
    }
}

/// The Cedar files of a folder; one that cannot be read denies everything and says so.
pub(crate) fn policy_folder(path: &std::path::Path) -> LayerSource {
    let read = || -> std::io::Result<Vec<PolicyFile>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == "cedar") {
                let name = file
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                files.push(PolicyFile::new(name, std::fs::read(&file)?));
            }
        }
        Ok(files)
    };
    match read() {
        Ok(files) => LayerSource::Files(files),
        Err(error) => LayerSource::Unreadable(format!("`{}`: {error}", path.display())),
    }
}
