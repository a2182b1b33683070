//! Three hubs that know each other, from `init` to `serve`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::Path;

use serde::de::IgnoredAny;

use crate::answers::{Charter, Status};
use crate::assessments;
use crate::desk::Desk;
use crate::fault::DemoError;
use crate::folder::Folder;
use crate::hub::Hub;
use crate::hub_process::HubProcess;
use crate::program::{Answer, Program, words};
use crate::waiting::{PATIENCE, wait_until};

/// The federation's name in charter and keys.
const FEDERATION: &str = "demo";

/// Who answers for the associated partner.
const SPONSORS: &str = "MD=FR,EEAS";

/// Validity of the throw-away charter, in days.
const CHARTER_VALID_DAYS: &str = "30";

/// Exit code of a command whose hub does not run.
const EXIT_NOT_RUNNING: i32 = 69;

/// Three hubs on this machine.
#[derive(Debug)]
pub struct Federation {
    program: Program,
    // Before the folder, so that the processes end before their data goes.
    hubs: BTreeMap<Hub, HubProcess>,
    folder: Folder,
}

impl Federation {
    /// Makes keys, folders and charter; nothing runs yet.
    ///
    /// # Errors
    /// [`DemoError`] of the first command that fails.
    pub fn set_up(program: Program, folder: Folder) -> Result<Self, DemoError> {
        assessments::write_all(&folder.assessments())?;
        let hubs = Hub::ALL.map(|hub| (hub, HubProcess::new(hub, &folder))).into();
        let federation = Self {
            program,
            hubs,
            folder,
        };
        for (hub, port) in Hub::ALL.into_iter().zip(free_ports()?) {
            let listen = format!("127.0.0.1:{port}");
            let mut init = words!["init", "--hub", hub.code(), "--class", hub.class()];
            init.extend(words![
                "--federation",
                FEDERATION,
                "--realm",
                "live",
                "--listen",
                listen,
                "--root-key",
                federation.folder.root_key(hub)
            ]);
            federation.desk(hub).run::<IgnoredAny>(init)?;
        }
        Ok(federation)
    }

    /// Drafts the charter, has the voters sign it, and has every hub accept it.
    ///
    /// Returns the fingerprint that the operators have compared.
    ///
    /// # Errors
    /// [`DemoError`] of the first command that fails.
    pub fn agree_on_charter(&self) -> Result<String, DemoError> {
        let charter = self.folder.charter();
        let mut draft = words!["charter", "draft"];
        for hub in Hub::ALL {
            draft.extend(words!["--card", self.folder.data(hub).join("card.json")]);
        }
        for voter in Hub::VOTERS {
            let keys = self.folder.data(voter).join("governance/voter.json");
            draft.extend(words!["--voter", keys]);
        }
        draft.extend(words![
            "--sponsor",
            SPONSORS,
            "--valid-days",
            CHARTER_VALID_DAYS,
            "--out",
            charter
        ]);
        self.program.run::<IgnoredAny>(&draft)?;
        for voter in Hub::VOTERS {
            self.desk(voter)
                .run::<IgnoredAny>(words!["charter", "sign", charter])?;
        }
        let shown: Charter = self.program.run(&words!["charter", "show", charter])?;
        for hub in Hub::ALL {
            let accept = words!["charter", "accept", charter, "--fingerprint", shown.fingerprint];
            self.desk(hub).run::<IgnoredAny>(accept)?;
        }
        Ok(shown.fingerprint)
    }

    /// Starts all hubs and waits until each is connected to the two others.
    ///
    /// # Errors
    /// [`DemoError`] if one does not come up.
    pub fn start_all(&mut self, apart: bool) -> Result<(), DemoError> {
        for process in self.hubs.values_mut() {
            process.start(&self.program, apart)?;
        }
        for hub in Hub::ALL {
            self.wait_until_ready(hub)?;
        }
        for hub in Hub::ALL {
            self.wait_until_connected(hub)?;
            self.wait_until_unfenced(hub)?;
        }
        Ok(())
    }

    /// Starts one hub again and waits until it answers, and its peers have let it go on.
    ///
    /// # Errors
    /// [`DemoError`] if it does not come up.
    pub fn start_again(&mut self, hub: Hub) -> Result<(), DemoError> {
        if let Some(process) = self.hubs.get_mut(&hub) {
            process.start(&self.program, false)?;
        }
        self.wait_until_ready(hub)?;
        self.wait_until_unfenced(hub)
    }

    /// Kills a hub with SIGKILL and waits until it is gone.
    pub fn kill(&mut self, hub: Hub) {
        if let Some(process) = self.hubs.get_mut(&hub) {
            process.kill();
        }
    }

    /// Stops all hubs with SIGTERM.
    ///
    /// # Errors
    /// [`DemoError::NotHeld`] if one does not end with exit code 0.
    pub fn stop_all(&mut self) -> Result<(), DemoError> {
        self.hubs.values().try_for_each(HubProcess::ask_to_stop)?;
        self.hubs
            .values_mut()
            .try_for_each(HubProcess::wait_until_stopped)
    }

    /// Lets the hubs run on, and returns their process ids.
    pub fn let_go(&mut self) -> Vec<u32> {
        let ids = self.hubs.values().filter_map(HubProcess::id).collect();
        self.hubs.values_mut().for_each(HubProcess::let_go);
        self.folder.keep();
        ids
    }

    /// The command line of a hub.
    pub fn desk(&self, hub: Hub) -> Desk {
        Desk {
            hub,
            data: self.folder.data(hub),
            program: self.program.clone(),
        }
    }

    /// Where everything is.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Leaves a temporary folder where it is.
    pub fn keep_folder(&mut self) -> &Path {
        self.folder.keep();
        self.folder.path()
    }

    /// The last lines of a hub's log.
    pub fn last_words(&self, hub: Hub, lines: usize) -> Vec<String> {
        self.hubs
            .get(&hub)
            .map(|process| process.last_words(lines))
            .unwrap_or_default()
    }

    fn must_run(&mut self, hub: Hub) -> Result<(), DemoError> {
        self.hubs.get_mut(&hub).map_or(Ok(()), HubProcess::must_run)
    }

    fn wait_until_ready(&mut self, hub: Hub) -> Result<(), DemoError> {
        let desk = self.desk(hub);
        wait_until(&format!("hub {hub} answers"), PATIENCE, || {
            self.must_run(hub)?;
            match desk.program.look::<Status>(&desk.addressed(words!["status"]))? {
                Answer::Done(_) => Ok(Some(())),
                Answer::Refused(EXIT_NOT_RUNNING, _) => Ok(None),
                Answer::Refused(_, refusal) => Err(DemoError::Command {
                    command: "status".to_owned(),
                    sentence: refusal.sentence,
                }),
            }
        })
    }

    fn wait_until_unfenced(&mut self, hub: Hub) -> Result<(), DemoError> {
        let desk = self.desk(hub);
        wait_until(
            &format!("hub {hub} has asked its peers what it had signed"),
            PATIENCE,
            || {
                self.must_run(hub)?;
                Ok((!desk.status()?.fenced).then_some(()))
            },
        )
    }

    fn wait_until_connected(&mut self, hub: Hub) -> Result<(), DemoError> {
        let desk = self.desk(hub);
        wait_until(
            &format!("hub {hub} is connected to both others"),
            PATIENCE,
            || {
                self.must_run(hub)?;
                let peers = desk.status()?.peers;
                Ok(
                    (peers.len() + 1 == Hub::ALL.len() && peers.iter().all(|peer| peer.connected))
                        .then_some(()),
                )
            },
        )
    }
}

/// How often another number is tried for one hub: few are free for UDP and in use for TCP.
const FREE_PORT_TRIES_MAX: usize = 16;

/// For each hub a number that is free as a UDP and as a TCP port.
///
/// They are free when this returns; should another program take one before the hub does, the hub says so.
fn free_ports() -> Result<Vec<u16>, DemoError> {
    let free = |source| DemoError::Machine {
        what: "no port is free on loopback for UDP and TCP",
        source,
    };
    let bind = || {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let tcp = TcpListener::bind(udp.local_addr()?)?;
        Ok((udp, tcp))
    };
    let bind = |_| {
        let mut tried = (0..FREE_PORT_TRIES_MAX).map(|_| bind());
        let found = tried.find(Result::is_ok).unwrap_or_else(bind);
        found.map_err(free)
    };
    // All are held at once, so that no two are the same.
    let sockets = Hub::ALL.into_iter().map(bind).collect::<Result<Vec<_>, _>>()?;
    sockets
        .iter()
        .map(|(socket, _)| Ok(socket.local_addr().map_err(free)?.port()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ() {
        let mut ports = free_ports().unwrap();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), Hub::ALL.len());
    }
}
