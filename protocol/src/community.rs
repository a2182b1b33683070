//! Communities: the sets of active members that gossip among themselves.
//!
//! A community is its members, not its name: everybody, and each community of interest that the charter names. Two
//! names for the same members are one. The tag stands for exactly these members under exactly this charter, and tells
//! whoever has not got the charter neither name nor members.

use std::collections::{BTreeMap, BTreeSet};

use testudo_crypto::commit::{Salt, commit};

use crate::charter::{Charter, Member, Status};
use crate::id::{CommunityTag, Hash, HubId};

const LABEL: &str = "testudo/community/v1";

/// Fewest members that have something to pass on to each other.
const MEMBERS_MIN: usize = 3;

/// One community under one charter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Community {
    tag: CommunityTag,
    grounds: Hash,
    members: BTreeSet<HubId>,
}

impl Community {
    /// All communities that a hub is in: first everybody, then those of interest in the order of their names.
    pub fn all_of(charter: &Charter, hub: HubId) -> Vec<Self> {
        let active = || charter.members().filter(|member| member.status == Status::Active);
        let mut named: BTreeMap<&str, BTreeSet<HubId>> = BTreeMap::new();
        for member in active() {
            for name in &member.communities {
                named.entry(name).or_default().insert(member.code);
            }
        }
        let everybody: BTreeSet<HubId> = active().map(|member: &Member| member.code).collect();
        let mut found: Vec<Self> = Vec::new();
        for members in std::iter::once(everybody).chain(named.into_values()) {
            let is_new = found.iter().all(|known| known.members != members);
            if is_new && members.len() >= MEMBERS_MIN && members.contains(&hub) {
                found.push(Self::new(charter, members));
            }
        }
        found
    }

    fn new(charter: &Charter, members: BTreeSet<HubId>) -> Self {
        Self {
            tag: tag(charter.fingerprint(), &members),
            grounds: charter.fingerprint(),
            members,
        }
    }

    /// Its opaque name.
    pub fn tag(&self) -> CommunityTag {
        self.tag
    }

    /// The fingerprint of the charter that it is under.
    pub fn grounds(&self) -> Hash {
        self.grounds
    }

    /// Its members, sorted.
    pub fn members(&self) -> &BTreeSet<HubId> {
        &self.members
    }

    /// The members but for the one that sends and the one whose item it is, sorted; nothing if these are no members.
    pub fn receivers(&self, sender: HubId, originator: HubId) -> Option<Vec<HubId>> {
        let both = [sender, originator];
        let others = || self.members.iter().filter(|member| !both.contains(member));
        both.iter()
            .all(|hub| self.members.contains(hub))
            .then(|| others().copied().collect())
    }

    /// Whether it is exactly one hub and its receivers.
    pub fn is(&self, sender: HubId, receivers: &[HubId]) -> bool {
        let others = self.members.iter().filter(|member| **member != sender);
        self.members.contains(&sender) && others.eq(receivers.iter().collect::<BTreeSet<_>>())
    }
}

fn tag(fingerprint: Hash, members: &BTreeSet<HubId>) -> CommunityTag {
    let codes: Vec<&[u8]> = members.iter().map(|code| code.as_bytes().as_slice()).collect();
    // Codes have one length, so that they cannot run into each other.
    let keyed = commit(&Salt::from_bytes(*fingerprint.as_bytes()), LABEL, &codes);
    CommunityTag::new(*keyed.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charter::{Founding, Governance, OwnAct, OwnActFields, OwnActs, OwnDeed};
    use crate::fixture::{FOUNDED, founding, hub, realm, root_key, signed};

    fn notes(edit: impl Fn(&mut Founding)) -> Vec<Vec<u8>> {
        let (mut founding, all) = founding();
        edit(&mut founding);
        signed(founding, &[("FR", &all[0]), ("EEAS", &all[1])])
    }

    fn read(notes: &[Vec<u8>]) -> Charter {
        Governance::found(notes, FOUNDED).unwrap().charter(FOUNDED)
    }

    fn charter(edit: impl Fn(&mut Founding)) -> Charter {
        read(&notes(edit))
    }

    #[test]
    fn two_names_for_the_same_members_are_one_community() {
        let named = charter(|founding| {
            for member in &mut founding.members {
                member.communities = ["one".to_owned(), "two".to_owned()].into();
            }
        });
        let found = Community::all_of(&named, hub("FR"));
        assert_eq!(found.len(), 1);
        assert!(found[0].is(hub("MD"), &[hub("EEAS"), hub("FR")]));
        assert!(!found[0].is(hub("MD"), &[hub("FR")]), "one is missing");
        assert!(!found[0].is(hub("SE"), &[hub("EEAS"), hub("FR"), hub("MD")]));
    }

    #[test]
    fn whoever_is_not_active_or_not_a_member_is_in_none() {
        let charter_of_all = charter(|_| ());
        let (_, base) = charter_of_all.certificate_act(hub("MD")).unwrap();
        let exit = OwnActFields {
            member: hub("MD"),
            counter: base.fields().counter + 1,
            previous: base.hash(),
            made: FOUNDED,
            deed: OwnDeed::Exit,
        };
        let mut acts = OwnActs::default();
        let exit = OwnAct::sign(exit, &root_key(3), &realm()).unwrap();
        acts.take(exit, &charter_of_all).unwrap();
        let left = charter_of_all.with_own_acts(&acts);
        assert!(Community::all_of(&left, hub("FR")).is_empty(), "two are too few");
        assert!(Community::all_of(&charter(|_| ()), hub("SE")).is_empty());
        assert_eq!(Community::all_of(&charter(|_| ()), hub("MD")).len(), 1);
    }

    #[test]
    fn another_charter_or_other_members_are_another_tag() {
        let notes = notes(|_| ());
        let one = read(&notes);
        let next = charter(|founding| founding.valid_seconds -= 1);
        let tag_of = |charter: &Charter| Community::all_of(charter, hub("FR"))[0].tag();
        assert_eq!(tag_of(&one), tag_of(&read(&notes)));
        assert_ne!(tag_of(&one), tag_of(&next));
        let fewer = BTreeSet::from([hub("FR"), hub("EEAS")]);
        assert_ne!(tag(one.fingerprint(), &fewer), tag_of(&one));
    }
}
