//! The assessments of the demo: who releases what to whom, and what must become of it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::de::IgnoredAny;

use crate::answers::{InboxEntry, Refusal, Released, Retracted};
use crate::assessments::{self, Assessment};
use crate::expectations::{Disclosure, Expected};
use crate::fault::DemoError;
use crate::hub::{Hub, codes};
use crate::program::{Answer, words};
use crate::stage::{Draft, Stage};
use crate::waiting::{PATIENCE, wait_until};

/// Exit code of a refusal by policy.
const EXIT_POLICY: i32 = 4;

/// How long the demo's consent holds, in seconds: far longer than the demo runs.
const CONSENT_SECONDS: u64 = 3600;

/// To everybody in the community.
pub const GREEN_TO_COMMUNITY: (&str, &[&str], Expected) = (
    "TLP:GREEN to the community",
    &["--tlp", "GREEN", "--community"],
    Expected {
        receivers: &[Hub::Eeas, Hub::Md],
        denied: &[],
    },
);

/// To member states and EU institutions, which the associated partner is not.
const AMBER_TO_CLASSES: (&str, &[&str], Expected) = (
    "TLP:AMBER, REL TO member states and EU institutions",
    &["--tlp", "AMBER", "--rel-to-class", "member_state,eu_institution"],
    Expected {
        receivers: &[Hub::Eeas],
        denied: &[(Hub::Md, &["R-07"])],
    },
);

/// To one hub by name.
const RED_TO_EEAS: (&str, &[&str], Expected) = (
    "TLP:RED, REL TO EEAS",
    &["--tlp", "RED", "--rel-to", "EEAS"],
    Expected {
        receivers: &[Hub::Eeas],
        denied: &[(Hub::Md, &["R-07", "R-09"])],
    },
);

/// From the partner to two hubs by name.
const AMBER_TO_TWO: (&str, &[&str], Expected) = (
    "TLP:AMBER, REL TO FR and EEAS",
    &["--tlp", "AMBER", "--rel-to", "FR,EEAS"],
    Expected {
        receivers: &[Hub::Fr, Hub::Eeas],
        denied: &[],
    },
);

/// A draft of one assessment to one audience.
pub fn draft(
    from: Hub,
    assessment: Assessment,
    (audience, label, expected): (&'static str, &'static [&'static str], Expected),
) -> Draft {
    Draft {
        from,
        assessment,
        audience,
        label,
        corrects: None,
        expected,
    }
}

/// Plays all releases, the forward, the correction and the retraction.
///
/// # Errors
/// [`DemoError::NotHeld`] for the first thing that is not as it must be.
pub fn play(stage: &mut Stage) -> Result<(), DemoError> {
    announced(
        stage,
        &draft(Hub::Fr, assessments::DOPPELGAENGER, GREEN_TO_COMMUNITY),
    )?;
    let amber = announced(
        stage,
        &draft(Hub::Fr, assessments::PORTAL_KOMBAT, AMBER_TO_CLASSES),
    )?;
    announced(stage, &draft(Hub::Fr, assessments::GERMAN_ELECTION, RED_TO_EEAS))?;
    let moldovan = announced(
        stage,
        &draft(Hub::Md, assessments::MOLDOVA_ELECTION, AMBER_TO_TWO),
    )?;
    forward(stage, &moldovan)?;
    correct(stage, &amber.item)?;
    retract(stage, &amber.item)
}

fn announced(stage: &mut Stage, draft: &Draft) -> Result<Released, DemoError> {
    let verb = if draft.corrects.is_some() {
        "corrects"
    } else {
        "releases"
    };
    stage
        .screen
        .step(&format!("{} {verb} “{}”", draft.from, draft.assessment.title()));
    stage.screen.say(draft.audience);
    stage.release(draft)
}

/// FR may pass MD's item on to the EEAS only with MD's consent.
fn forward(stage: &mut Stage, moldovan: &Released) -> Result<(), DemoError> {
    let title = assessments::MOLDOVA_ELECTION.title();
    stage.screen.step(&format!("FR forwards MD's “{title}” to EEAS"));
    let item = moldovan.item.as_str();
    let (fr, md, eeas) = (Hub::Fr, Hub::Md, Hub::Eeas);
    let words = || words!["forward", item, "--to", eeas.code()];

    let early = match stage.federation.desk(fr).ask::<Released>(words())? {
        Answer::Refused(EXIT_POLICY, Refusal { rules, .. }) => format!("refused by {}", rules.join(" ")),
        Answer::Refused(_, refusal) => format!("refused, but by no rule: {}", refusal.sentence),
        Answer::Done(_) => "forwarded".to_owned(),
    };
    stage.promises.require(early == "refused by R-06a", || {
        format!("FR's forward without MD's consent: {early}, expected refused by R-06a")
    })?;
    stage.screen.say(&format!("without MD's consent: {early}"));

    let until = now_seconds()? + CONSENT_SECONDS;
    let mut consent = words![
        "consent",
        "grant",
        item,
        "--holder",
        fr.code(),
        "--for",
        eeas.code()
    ];
    consent.extend(words![
        "--until",
        until.to_string(),
        "--purpose",
        "joint analysis"
    ]);
    stage.federation.desk(md).run::<IgnoredAny>(consent)?;

    // The token travels from MD to FR; until it is there the answer stays what it was.
    let desk = stage.federation.desk(fr);
    let forwarded = wait_until("FR may forward with MD's consent", PATIENCE, || {
        Ok(match desk.ask::<Released>(words())? {
            Answer::Done(released) => Some(released),
            Answer::Refused(..) => None,
        })
    })?;
    stage.promises.require(forwarded.recipients == [eeas], || {
        format!(
            "the forward names {}, expected EEAS",
            codes(&forwarded.recipients)
        )
    })?;
    stage.promises.disclosed(Disclosure {
        sender: fr,
        item: forwarded.item,
        version: forwarded.version,
        receivers: [eeas].into(),
        title,
    });

    let desk = stage.federation.desk(eeas);
    let entries = wait_until("EEAS notes that a copy came by way of FR", PATIENCE, || {
        let entries = desk.inbox_of(item)?;
        Ok(entries
            .iter()
            .any(|entry| entry.also_via.contains(&fr))
            .then_some(entries))
    })?;
    if !matches!(&entries[..], [entry] if entry.sender == md && entry.also_via == [fr]) {
        let sentence = format!(
            "EEAS lists the forwarded item {} times, expected once",
            entries.len()
        );
        return Err(DemoError::NotHeld(sentence));
    }
    stage
        .screen
        .say("with MD's consent token: forwarded; EEAS has it once, from MD and also by way of FR");
    Ok(())
}

fn correct(stage: &mut Stage, item: &str) -> Result<(), DemoError> {
    let mut draft = draft(Hub::Fr, assessments::PORTAL_KOMBAT_CORRECTION, AMBER_TO_CLASSES);
    draft.corrects = Some(item.to_owned());
    announced(stage, &draft)?;
    let entries = stage.federation.desk(Hub::Eeas).inbox_of(item)?;
    show_versions(stage, &entries);
    if states(&entries) == [(1, "corrected"), (2, "released")] {
        Ok(())
    } else {
        Err(DemoError::NotHeld(format!(
            "EEAS shows {:?}, expected version 1 corrected and version 2 released",
            states(&entries)
        )))
    }
}

/// FR withdraws the item: EEAS destroys it and says so with a receipt.
fn retract(stage: &mut Stage, item: &str) -> Result<(), DemoError> {
    stage
        .screen
        .step(&format!("FR retracts “{}”", assessments::PORTAL_KOMBAT.title()));
    let desk = stage.federation.desk(Hub::Fr);
    let retracted: Retracted = desk.run(words!["retract", item])?;
    stage.promises.require(retracted.notified == [Hub::Eeas], || {
        format!(
            "the retraction went to {}, expected EEAS, which alone had the item",
            codes(&retracted.notified)
        )
    })?;
    wait_until(
        "EEAS' purge receipts for both versions are at FR",
        PATIENCE,
        || {
            let holdings = desk.holdings_of(item)?;
            let purged = |delivery: &&_| {
                matches!(
                    delivery,
                    crate::answers::Delivery {
                        receiver: Hub::Eeas,
                        purged: Some(_),
                        ..
                    }
                )
            };
            Ok((holdings.iter().filter(purged).count() == 2).then_some(()))
        },
    )?;
    let desk = stage.federation.desk(Hub::Eeas);
    let entries = desk.inbox_of(item)?;
    show_versions(stage, &entries);
    if states(&entries) != [(1, "retracted"), (2, "retracted")] {
        let sentence = format!(
            "EEAS shows {:?}, expected both versions retracted",
            states(&entries)
        );
        return Err(DemoError::NotHeld(sentence));
    }
    let is_readable = matches!(desk.show(item)?, Answer::Done(shown) if shown.bundle.is_some());
    if is_readable || entries.iter().any(|entry| entry.title.is_some()) {
        return Err(DemoError::NotHeld(
            "EEAS still holds title or content of the retracted item".to_owned(),
        ));
    }
    stage
        .screen
        .say("content and title are gone at EEAS; its purge receipts for both versions are at FR");
    Ok(())
}

fn states(entries: &[InboxEntry]) -> Vec<(u32, &str)> {
    let mut states: Vec<_> = entries
        .iter()
        .map(|entry| (entry.version, entry.state.as_str()))
        .collect();
    states.sort_unstable();
    states
}

fn show_versions(stage: &Stage, entries: &[InboxEntry]) {
    let row = |entry: &InboxEntry| {
        let title = entry.title.as_deref().unwrap_or("(destroyed)");
        vec![entry.version.to_string(), entry.state.clone(), title.to_owned()]
    };
    stage.screen.table(
        &["at EEAS", "state", "title"],
        &entries.iter().map(row).collect::<Vec<_>>(),
    );
}

fn now_seconds() -> Result<u64, DemoError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map(|now| now.as_secs())
        .map_err(|_| DemoError::NotHeld("this machine's clock is before 1970; set it".to_owned()))
}
