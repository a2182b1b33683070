//! What a new directory changes, and what each change needs.

use std::collections::BTreeSet;
use std::fmt;

use super::act::ActKind;
use super::constitution::Constitution;
use super::directory::{Directory, Lift, SPONSOR_DAYS_MAX};
use super::error::{TakeError, list};
use super::kind::DAY_SECONDS;
use super::member::{Member, Status};
use super::threshold::Need;
use crate::id::HubId;
use crate::label::Class;

/// One difference between a directory and the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A member that was not there, or had been expelled or had left.
    Admitted {
        /// Who.
        code: HubId,
        /// As what.
        class: Class,
        /// Who answers for it.
        sponsors: Vec<HubId>,
    },
    /// The same member in another class.
    Reclassed {
        /// Who.
        code: HubId,
        /// From which.
        from: Class,
        /// To which.
        to: Class,
        /// Who answers for it.
        sponsors: Vec<HubId>,
    },
    /// Keys that the member's own root key does not stand behind, or an older certificate.
    Rekeyed {
        /// Who.
        code: HubId,
    },
    /// Keys that the member has certified since.
    Recertified {
        /// Who.
        code: HubId,
    },
    /// Another standing.
    Stands {
        /// Who.
        code: HubId,
        /// From which.
        from: Status,
        /// To which.
        to: Status,
    },
    /// An act that ends, where the entry does not say the same.
    Lifted(Lift),
    /// A sponsor that is new, or answers for longer.
    Sponsored {
        /// Whom.
        partner: HubId,
        /// Who.
        sponsor: HubId,
    },
    /// A sponsor that does not answer any more, or for a shorter time.
    Unsponsored {
        /// Whom.
        partner: HubId,
        /// Who.
        sponsor: HubId,
    },
    /// Something else in the entry.
    Amended {
        /// Who.
        code: HubId,
        /// Which fields.
        fields: Vec<&'static str>,
    },
    /// Valid for longer, and nothing else.
    Renewed,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admitted {
                code,
                class,
                sponsors,
            } if sponsors.is_empty() => {
                write!(f, "admits {code} as {class}")
            }
            Self::Admitted {
                code,
                class,
                sponsors,
            } => {
                write!(f, "admits {code} as {class}, sponsored by {}", list(sponsors))
            }
            Self::Reclassed { code, from, to, .. } => write!(f, "makes {code} {to} instead of {from}"),
            Self::Rekeyed { code } => write!(f, "gives {code} other keys"),
            Self::Recertified { code } => write!(f, "takes up the keys that {code} has certified since"),
            Self::Stands { code, from, to } => write!(f, "lists {code} as {to} instead of {from}"),
            Self::Lifted(lift) => write!(f, "ends the act `{}` on {}", lift.kind, lift.target),
            Self::Sponsored { partner, sponsor } => write!(f, "{sponsor} answers for {partner}"),
            Self::Unsponsored { partner, sponsor } => {
                write!(f, "{sponsor} does not answer for {partner} any more")
            }
            Self::Amended { code, fields } => write!(f, "changes {} of {code}", fields.join(", ")),
            Self::Renewed => f.write_str("renews the validity"),
        }
    }
}

/// Everything in which a directory differs from the one before it.
///
/// # Errors
/// [`TakeError::Removed`] if a member is not listed any more.
pub fn changes(before: &Directory, after: &Directory) -> Result<Vec<Change>, TakeError> {
    let known = before.by_code();
    let listed = after.by_code();
    if let Some(code) = known.keys().find(|code| !listed.contains_key(*code)) {
        return Err(TakeError::Removed { code: *code });
    }
    let mut found = Vec::new();
    for member in &after.members {
        match known.get(&member.code) {
            None => found.push(admitted(member)),
            Some(old) if is_gone(old.status) && !is_gone(member.status) => found.push(admitted(member)),
            Some(old) => compare(old, member, &mut found),
        }
    }
    for lift in &after.lifts {
        let says_the_same = listed
            .get(&lift.target)
            .is_some_and(|member| member.status >= standing(lift.kind));
        if !says_the_same {
            found.push(Change::Lifted(lift.clone()));
        }
    }
    if found.is_empty() {
        found.push(Change::Renewed);
    }
    Ok(found)
}

/// Whether a member is out for good, so that being listed otherwise is an admission.
pub(super) fn is_gone(status: Status) -> bool {
    matches!(status, Status::Expelled | Status::Exited)
}

/// The standing that an act leaves its target in.
pub(super) fn standing(act: ActKind) -> Status {
    match act {
        ActKind::Expel => Status::Expelled,
        ActKind::Suspend => Status::Suspended,
        ActKind::Hold => Status::Held,
        ActKind::Unsponsor | ActKind::Host | ActKind::Object => Status::Active,
    }
}

fn admitted(member: &Member) -> Change {
    Change::Admitted {
        code: member.code,
        class: member.class,
        sponsors: member.sponsors.keys().copied().collect(),
    }
}

fn compare(old: &Member, new: &Member, found: &mut Vec<Change>) {
    let code = new.code;
    if old.class != new.class {
        found.push(Change::Reclassed {
            code,
            from: old.class,
            to: new.class,
            sponsors: new.sponsors.keys().copied().collect(),
        });
    }
    if old.keys != new.keys || old.certificate != new.certificate {
        found.push(if is_its_own(old, new) {
            Change::Recertified { code }
        } else {
            Change::Rekeyed { code }
        });
    }
    if old.status != new.status {
        found.push(Change::Stands {
            code,
            from: old.status,
            to: new.status,
        });
    }
    let sponsors: BTreeSet<_> = old.sponsors.keys().chain(new.sponsors.keys()).collect();
    for sponsor in sponsors {
        let until = |member: &Member| member.sponsors.get(sponsor).copied().unwrap_or_default();
        let (partner, sponsor) = (code, *sponsor);
        match until(new).cmp(&until(old)) {
            std::cmp::Ordering::Greater => found.push(Change::Sponsored { partner, sponsor }),
            std::cmp::Ordering::Less => found.push(Change::Unsponsored { partner, sponsor }),
            std::cmp::Ordering::Equal => {}
        }
    }
    let fields: Vec<&'static str> = [
        ("euMember", old.eu_member != new.eu_member),
        ("accreditedLevel", old.accredited_level != new.accredited_level),
        ("soiLevel", old.soi_level != new.soi_level),
        ("transferBasis", old.transfer_basis != new.transfer_basis),
        ("communities", old.communities != new.communities),
        ("exercises", old.exercises != new.exercises),
        ("caps", old.caps != new.caps),
        ("tags", old.tags != new.tags),
        ("address", old.address != new.address),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect();
    if !fields.is_empty() {
        found.push(Change::Amended { code, fields });
    }
}

/// Whether a member's own root key has made these keys since: a rotation is its own affair, and the directory only
/// takes it up. The text was checked, so that the certificate fits the keys.
fn is_its_own(old: &Member, new: &Member) -> bool {
    old.certificate.root == new.certificate.root && new.certificate.counter > old.certificate.counter
}

/// What a change needs.
pub(super) fn need(change: &Change, constitution: &Constitution) -> Need {
    let all = constitution.voter_codes();
    let others = |target: HubId| {
        let mut others = all.clone();
        others.remove(&target);
        others
    };
    let thresholds = &constitution.thresholds;
    let what = change.to_string();
    match change {
        Change::Admitted { class, sponsors, .. } => admission(what, *class, sponsors, constitution),
        Change::Reclassed { to, sponsors, .. } => admission(what, *to, sponsors, constitution),
        Change::Rekeyed { .. } => Need::share(what, thresholds.admission, all),
        Change::Stands {
            code,
            to: Status::Expelled,
            ..
        } => Need::share(what, thresholds.expulsion, others(*code)),
        Change::Stands { code, .. } => Need::share(what, thresholds.suspension, others(*code)),
        Change::Lifted(lift) => {
            let share = if lift.kind == ActKind::Expel {
                thresholds.admission
            } else {
                thresholds.suspension
            };
            Need::share(what, share, others(lift.target))
        }
        Change::Sponsored { sponsor, .. } => {
            let mut need = Need::share(what, thresholds.directory, all);
            need.with.insert(*sponsor);
            need
        }
        Change::Recertified { .. }
        | Change::Unsponsored { .. }
        | Change::Amended { .. }
        | Change::Renewed => Need::share(what, thresholds.directory, all),
    }
}

fn admission(what: String, class: Class, sponsors: &[HubId], constitution: &Constitution) -> Need {
    let thresholds = &constitution.thresholds;
    let share = match class {
        Class::Associated => thresholds.directory,
        Class::MemberState | Class::EuInstitution | Class::Likeminded => thresholds.admission,
        // A stakeholder that its host has not admitted: as strict as any other.
        Class::Stakeholder => thresholds.admission,
    };
    let mut need = Need::share(what, share, constitution.voter_codes());
    need.with.extend(sponsors);
    need
}

/// Sponsors that a class needs.
pub const fn sponsors_needed(class: Class) -> usize {
    match class {
        Class::MemberState | Class::EuInstitution => 0,
        Class::Stakeholder => 1,
        Class::Associated => 2,
        Class::Likeminded => 3,
    }
}

/// Checks the sponsors of members that are admitted, and of sponsorships that are new.
///
/// # Errors
/// [`TakeError::Sponsors`], [`TakeError::Sponsor`].
pub(super) fn check_sponsors(
    changes: &[Change],
    before: &Directory,
    after: &Directory,
    constitution: &Constitution,
) -> Result<(), TakeError> {
    for change in changes {
        match change {
            Change::Admitted {
                code,
                class,
                sponsors,
                ..
            }
            | Change::Reclassed {
                code,
                to: class,
                sponsors,
                ..
            } => {
                let needed = sponsors_needed(*class);
                if sponsors.len() < needed {
                    return Err(TakeError::Sponsors {
                        partner: *code,
                        found: sponsors.len(),
                        needed,
                    });
                }
                for sponsor in sponsors {
                    check_sponsor(*code, *sponsor, before, after, constitution)?;
                }
            }
            Change::Sponsored { partner, sponsor } => {
                check_sponsor(*partner, *sponsor, before, after, constitution)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_sponsor(
    partner: HubId,
    sponsor: HubId,
    before: &Directory,
    after: &Directory,
    constitution: &Constitution,
) -> Result<(), TakeError> {
    let wrong = |what| {
        Err(TakeError::Sponsor {
            partner,
            sponsor,
            what,
        })
    };
    if !constitution.voter_codes().contains(&sponsor) {
        return wrong("only a voter can sponsor");
    }
    // Both, so that nobody is a sponsor in the version that suspends it.
    let stands = |directory: &Directory| {
        directory
            .member(sponsor)
            .is_some_and(|member| member.status == Status::Active)
    };
    if !stands(before) || !stands(after) {
        return wrong("a sponsor must be active itself");
    }
    let until = (after.member(partner))
        .and_then(|member| member.sponsors.get(&sponsor).copied())
        .unwrap_or_default();
    if until > after.issued.saturating_add(SPONSOR_DAYS_MAX * DAY_SECONDS) {
        return wrong("a sponsor answers for at most 12 months before it is asked again");
    }
    Ok(())
}

/// The needs of a whole directory: of each change, and of the version as such.
pub(super) fn needs(changes: &[Change], constitution: &Constitution) -> Vec<Need> {
    let of_changes: Vec<Need> = changes.iter().map(|change| need(change, constitution)).collect();
    // Where every change is about one member's standing, that member's vote does not count for the version either: in a
    // federation of two nobody could be suspended otherwise.
    let among = of_changes.iter().fold(constitution.voter_codes(), |among, need| {
        among.intersection(&need.among).copied().collect()
    });
    let is_of_one = of_changes.iter().all(|need| need.among == among);
    let among = if is_of_one {
        among
    } else {
        constitution.voter_codes()
    };
    let version = Need::share("directory", constitution.thresholds.directory, among);
    [vec![version], of_changes].concat()
}
