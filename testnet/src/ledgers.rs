//! The stopped hubs' ledgers, audited offline and held against each other.

use std::collections::BTreeMap;

use crate::answers::Audit;
use crate::fault::DemoError;
use crate::hub::Hub;
use crate::report::grouped;
use crate::stage::Stage;

/// Stops the hubs, audits every ledger, and compares it with what the hub said while it ran and with what the
/// scenario did.
///
/// # Errors
/// [`DemoError::NotHeld`] if a hub does not stop cleanly or a ledger is not as it must be.
pub fn play(stage: &mut Stage) -> Result<(), DemoError> {
    stage
        .screen
        .step("All hubs stop (SIGTERM), and each ledger is verified in its stopped folder");
    let mut running = BTreeMap::new();
    for hub in Hub::ALL {
        let status = stage.federation.desk(hub).status()?;
        if let Some(fault) = status
            .peers
            .iter()
            .find_map(|peer| peer.fault.as_ref().map(|fault| (peer.hub, fault)))
        {
            return Err(DemoError::NotHeld(format!(
                "hub {hub} says that {} {}",
                fault.0, fault.1
            )));
        }
        running.insert(hub, (status.ledger_entries, status.ledger_root));
    }
    stage.federation.stop_all()?;
    let (mut rows, mut entries) = (Vec::new(), Vec::new());
    for hub in Hub::ALL {
        let audit = stage.federation.desk(hub).audit()?;
        check(hub, &audit, running.get(&hub))?;
        let mismatch = counts_mismatch(stage, hub, &audit);
        stage
            .promises
            .require_none(mismatch, &format!("ledger of {hub}"))?;
        let kinds: Vec<String> = audit
            .kinds
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        rows.push(vec![
            hub.to_string(),
            grouped(audit.entries),
            "yes".to_owned(),
            audit.root,
        ]);
        entries.push(vec![hub.to_string(), kinds.join(", ")]);
    }
    stage
        .screen
        .table(&["hub", "ledger size", "verified", "root"], &rows);
    stage.screen.table(&["hub", "entries"], &entries);
    Ok(())
}

/// The stopped ledger is whole, signed to its end, and the one that the running hub showed.
fn check(hub: Hub, audit: &Audit, running: Option<&(u64, String)>) -> Result<(), DemoError> {
    let not_held = |sentence| Err(DemoError::NotHeld(sentence));
    if !audit.ok {
        return not_held(format!("ledger of {hub} does not verify"));
    }
    if audit.covered != audit.entries {
        let (covered, entries) = (audit.covered, audit.entries);
        return not_held(format!(
            "ledger of {hub}: its checkpoint covers {covered} of {entries} entries"
        ));
    }
    if audit.opened != audit.entries {
        let (opened, entries) = (audit.opened, audit.entries);
        return not_held(format!(
            "ledger of {hub}: {opened} of {entries} entries can be read"
        ));
    }
    if running != Some(&(audit.entries, audit.root.clone())) {
        return not_held(format!(
            "ledger of {hub}: size or root differ from what the running hub showed"
        ));
    }
    Ok(())
}

/// One release entry for each envelope that the scenario had sent, one received entry for each that it had
/// arrive: a lost or doubled delivery would show here even if the inbox hid it.
fn counts_mismatch(stage: &Stage, hub: Hub, audit: &Audit) -> Option<String> {
    let disclosures = stage.promises.disclosures();
    let sent = disclosures
        .iter()
        .filter(|disclosure| disclosure.sender == hub)
        .count();
    let arrived = disclosures
        .iter()
        .filter(|disclosure| disclosure.receivers.contains(&hub))
        .count();
    [
        ("decision", sent),
        ("release", sent),
        ("received", arrived),
        ("incident", 0),
    ]
    .into_iter()
    .find_map(|(kind, expected)| {
        let found = audit.kinds.get(kind).copied().unwrap_or(0);
        (found != expected as u64).then(|| format!("it has {found} entries `{kind}`, expected {expected}"))
    })
}
